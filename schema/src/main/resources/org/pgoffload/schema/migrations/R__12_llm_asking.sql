-- The functions that ask a language model, cancel, and repeat. They run with the caller's own rights, so that row-level
-- security decides.

-- API: Private. Raises feature_not_supported above READ COMMITTED, where the snapshot is older than any answer can be.
create or replace function pgoffload.refuse_to_wait_on_old_snapshot() returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
    raise exception 'cannot wait for an answer in a % transaction', upper(current_setting('transaction_isolation'))
      using errcode = 'feature_not_supported',
            detail = 'The transaction does not see rows that are committed after its first statement. Nothing was sent.',
            hint = 'Call it in READ COMMITTED, or insert into llm_request, commit, and read the answer afterwards.';
  end if;
end
$$;

-- API: Private. Sleeps. A transaction that holds its locks already hears of a new partition only with a lock that is new:
-- the size of an index takes one, and lets it go at once. Without it a kept plan would not look into that partition
-- before the transaction's end. Runs within the search_path of its callers, so that it is inlined.
create or replace function pgoffload.pause(seconds double precision) returns void
language sql volatile
as $$
  select case when pg_relation_size('pgoffload.replay_pkey') is not null then pg_sleep(seconds) end
$$;

-- API: Private. How many seconds a caller sleeps that has waited for so many: a fifth at first, at least 1 ms, no more
-- than 10 ms until a fifteenth is more than that, at most 1 s. A lone call is noticed within a millisecond or two; fifty
-- that wait at once leave the processors to the parts that answer them. Names its operators with their schema instead of
-- having a SET clause, so that it is inlined.
create or replace function pgoffload.polling_pause(waited double precision) returns double precision
language sql immutable parallel safe
as $$
  select least(1, greatest(0.001, least(waited operator(pg_catalog./) 5, 0.01), waited operator(pg_catalog./) 15))
$$;

-- API: Private. Sleeps as polling_pause says.
create or replace function pgoffload.pause_polling_until(
  waiting_since timestamptz,
  deadline timestamptz)       -- when to wake at the latest, or null
returns void
language sql volatile
as $$
  select pgoffload.pause(least(
    pgoffload.polling_pause(date_part('epoch', clock_timestamp() - waiting_since)),
    date_part('epoch', deadline - clock_timestamp())))
$$;

-- API: Private. The same without a deadline. A caller that waits while this version is installed goes on calling it.
create or replace function pgoffload.pause_polling(waiting_since timestamptz) returns void
language sql volatile
as $$
  select pgoffload.pause_polling_until(waiting_since, null)
$$;

-- API: Private. Has the session remember how many milliseconds something took, for a second: a rollback takes back what
-- it remembers, so that an old value would come again and again.
create or replace function pgoffload.remember_ms(setting_name text, milliseconds double precision) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  ignored text;
begin
  ignored := set_config(
    setting_name, concat(round(milliseconds), '/', (date_part('epoch', clock_timestamp()) * 1000)::bigint), false);
end
$$;

-- API: Private. What remember_ms has put into a setting, at most 100; 0 if that is longer ago than a second.
create or replace function pgoffload.remembered_ms(setting_name text) returns double precision
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  known constant text[] := regexp_match(current_setting(setting_name, true), '^([0-9]{1,6})/([0-9]{1,13})$');
begin
  return case
    when date_part('epoch', clock_timestamp()) * 1000 - known[2]::double precision between -1 and 1000
      then least(known[1]::double precision, 100)
    else 0 end;
end
$$;

-- API: Private. Raises the failure of a request that ended without an answer: LM001 (failed), LM002 (expired) or 57014
-- (cancelled).
create or replace function pgoffload.raise_llm_failure(result pgoffload.llm_result) returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception 'llm request % %: %: %', result.id, result.status, result.error_code, result.error_message
    using errcode = case result.status
                      when 'failed' then 'LM001'
                      when 'expired' then 'LM002'
                      else 'query_canceled' end,
          detail = concat_ws(', ', 'provider ' || result.provider, 'model ' || result.model,
                             'provider''s request ' || result.provider_request_id,
                             'attempt ' || result.attempts),
          hint = 'llm_response(' || result.id || ') shows everything that is known.';
end
$$;

-- API: Public. Inserts a request and returns its id. It is sent when the transaction commits; a rollback means no call.
create or replace function ${public_schema}.llm_submit(
  prompt text,
  model text default null,           -- null: the setting llm.model, else the worker's
  system text default null,          -- instructions to the model
  options jsonb default null,        -- as llm_request.options
  timeout interval default null,     -- null: the setting llm.timeout, else default_timeout
  messages jsonb default null,       -- earlier turns, as llm_request.messages
  ordering_key text default null,
  tags jsonb default null,
  provider text default null,        -- null: the setting llm.provider, else the worker's
  response_schema jsonb default null)  -- a JSON schema that the answer has to satisfy
returns bigint                       -- the request id
language sql volatile
set search_path = pg_catalog, pg_temp
as $$
  insert into ${public_schema}.llm_request (
    prompt, model, system, options, timeout, messages, ordering_key, tags, provider, response_schema)
  values (prompt, coalesce(model, nullif(current_setting('llm.model', true), '')), system, options, timeout,
          messages, ordering_key, tags, coalesce(provider, nullif(current_setting('llm.provider', true), '')),
          response_schema)
  returning id
$$;

-- API: Private. Until when a caller waits for what it has sent at once: the worker reports an expired request
-- itself, the caller gives up a little later.
create or replace function pgoffload.give_up_at(since timestamptz, timeout interval) returns timestamptz
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return since + interval '2 s' + coalesce(
    timeout,
    nullif(current_setting('llm.timeout', true), '')::interval,
    (select s.value::interval from pgoffload.setting s where s.name = 'default_timeout'));
end
$$;

-- API: Private. Waits for the result of a request; nulls when it does not come in time. Keeps the plan of a look:
-- otherwise the server plans each look anew where there are several partitions. A plan that was made for few rows stays
-- when there are many, so it must not be a sequential scan.
--
-- The session remembers how long its last request was under way without what the worker took for it
-- (pgoffload.underway_ms), which no result is quicker than for long: the first pause is half of that, and the processors
-- are left to the parts that answer. Later ones are those of polling_pause.
create or replace function pgoffload.await_llm(id bigint, since timestamptz, give_up timestamptz) returns pgoffload.llm_result
language plpgsql volatile
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
declare
  result pgoffload.llm_result;
  next_look timestamptz := since + interval '2 s';
  -- in seconds
  first_pause double precision := pgoffload.remembered_ms('pgoffload.underway_ms') / 2000;
  waited double precision;
  underway double precision;
  looks integer := 0;
  ignored text;
begin
  loop
    select r.* into result from pgoffload.llm_result r where r.id = await_llm.id and r.id >= pgoffload.recent_from();
    -- asked again: a new range may have begun meanwhile
    if result.id is null and id < pgoffload.recent_from() then
      -- planned with the id, so that it locks the one partition
      execute 'select r.* from pgoffload.llm_result r where r.id = $1' into result using await_llm.id;
    end if;
    waited := date_part('epoch', clock_timestamp() - since);
    looks := looks + 1;
    if result.id is not null then
      underway := waited * 1000 - coalesce(result.ran_ms, 0);
      -- what was there after the first pause may have been there long before; what took long says little of the next
      ignored := pgoffload.remember_ms('pgoffload.underway_ms',
        case when looks > 2 and underway between 0 and 250 then underway else 0 end);
      return result;
    end if;
    exit when clock_timestamp() >= give_up;
    if clock_timestamp() >= next_look then
      perform pgoffload.raise_if_lost(id, since);
      next_look := clock_timestamp() + least(interval '10 s', (clock_timestamp() - since) / 2);
    end if;
    -- what returns nothing is assigned: PL/pgSQL evaluates that without the executor
    ignored := pgoffload.pause(least(
      greatest(first_pause, pgoffload.polling_pause(waited)), date_part('epoch', give_up - clock_timestamp())));
    first_pause := 0;
  end loop;
  return result;
end
$$;

-- API: Private. Sends one request at once and waits for its end, in one statement; raises its failure.
create or replace function pgoffload.ask_llm(
  kind text, prompt text, model text, system text, options jsonb, timeout interval, provider text,
  response_schema jsonb, inputs text[])
returns pgoffload.llm_result
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  since timestamptz := clock_timestamp();
  request_id bigint;
  result pgoffload.llm_result;
begin
  perform pgoffload.refuse_to_wait_on_old_snapshot();
  request_id := (select pgoffload.emit_llm_request(
    kind, prompt, system, null, model, options, timeout, null, null, provider, response_schema, inputs));
  result := pgoffload.await_llm(request_id, since, pgoffload.give_up_at(since, timeout));
  if result.id is null then
    raise exception 'llm request % was not answered in time', request_id
      using errcode = 'LM002',
            detail = case when exists (select from pgoffload.worker w where pgoffload.worker_is_alive(w.name, w.epoch))
                          then 'A worker is alive, but nothing came back.'
                          else 'No worker is alive.' end,
            hint = 'Check that producer, worker and results are running; llm_status(' || request_id || ') may show it later.';
  end if;
  if result.status <> 'succeeded' then
    perform pgoffload.raise_llm_failure(result);
  end if;
  return result;
end
$$;

-- API: Public. Asks a language model and waits for the answer, in one statement, also inside an open transaction; the
-- call is made even if the transaction rolls back.
create or replace function ${public_schema}.llm_ask(
  prompt text,
  model text default null,           -- null: the setting llm.model, else the worker's
  system text default null,          -- instructions to the model
  options jsonb default null,        -- as llm_request.options
  timeout interval default null,     -- null: the setting llm.timeout, else default_timeout
  provider text default null)        -- null: the setting llm.provider, else the worker's
returns text                         -- the answer
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  return (pgoffload.ask_llm('ask', prompt, model, system, options, timeout, provider, null, null)).answer;
end
$$;

-- API: Public. Asks a language model for JSON that satisfies a schema, and waits for it as llm_ask does;
-- schema_mismatch when the model does not keep to it.
create or replace function ${public_schema}.llm_ask_json(
  prompt text,
  schema jsonb,                      -- a JSON schema, which the answer satisfies
  model text default null,           -- null: the setting llm.model, else the worker's
  system text default null,          -- instructions to the model
  options jsonb default null,        -- as llm_request.options
  timeout interval default null,     -- null: the setting llm.timeout, else default_timeout
  provider text default null)        -- null: the setting llm.provider, else the worker's
returns jsonb                        -- the answer
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  if schema is null then
    raise exception 'the schema of llm_ask_json must not be null'
      using errcode = 'invalid_parameter_value', hint = 'For any JSON object: {"type": "object"}. For a plain answer call llm_ask.';
  end if;
  return pgoffload.json_answer(pgoffload.ask_llm('ask', prompt, model, system, options, timeout, provider, schema, null));
end
$$;

-- API: Public. Has a text embedded by a model and waits for the embedding, as llm_ask does.
create or replace function ${public_schema}.llm_embed(
  input text,
  model text default null,           -- null: the setting llm.model, else the worker's
  dimensions integer default null,   -- how many numbers; null: as many as the model gives
  timeout interval default null,     -- null: the setting llm.timeout, else default_timeout
  provider text default null)        -- null: the setting llm.provider, else the worker's
returns real[]                       -- the embedding; casts to pgvector's vector
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  result pgoffload.llm_result;
  embedding real[];
begin
  result := pgoffload.ask_llm(
    'embed', input, model, null, case when dimensions is not null then jsonb_build_object('dimensions', dimensions) end,
    timeout, provider, null, null);
  foreach embedding slice 1 in array result.embeddings loop
    return embedding;
  end loop;
end
$$;

-- API: Public. Has texts embedded by a model in one request and waits for the embeddings; rows in their order.
create or replace function ${public_schema}.llm_embed(
  input text[],                      -- 1 to 100000 texts
  model text default null,           -- null: the setting llm.model, else the worker's
  dimensions integer default null,   -- how many numbers each; null: as many as the model gives
  timeout interval default null,     -- null: the setting llm.timeout, else default_timeout
  provider text default null)        -- null: the setting llm.provider, else the worker's
returns table (
  ord bigint,                        -- which text, from 1
  embedding real[])                  -- casts to pgvector's vector
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  result pgoffload.llm_result;
begin
  result := pgoffload.ask_llm(
    'embed', null, model, null, case when dimensions is not null then jsonb_build_object('dimensions', dimensions) end,
    timeout, provider, null, input);
  ord := 0;
  foreach embedding slice 1 in array result.embeddings loop
    ord := ord + 1;
    return next;
  end loop;
end
$$;

-- API: Public. Asks at once, whatever becomes of the transaction, that a request be cancelled; it ends as cancelled, or
-- as what it had become by then.
create or replace function ${public_schema}.llm_cancel(
  id bigint)          -- of a request that the caller may see
returns boolean       -- whether it had not ended yet
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  inserted_by xid8;
begin
  if ${public_schema}.llm_status(id) not in ('queued', 'running') then
    return false;
  end if;
  select q.created_xid into inserted_by from ${public_schema}.llm_request q where q.id = llm_cancel.id;
  if not found then
    perform pgoffload.raise_unknown_request('llm', id);  -- a claim alone is one of SQL
  end if;
  if inserted_by = pg_current_xact_id_if_assigned() then
    raise exception 'cannot cancel request %, which this transaction has inserted', id
      using errcode = 'object_not_in_prerequisite_state',
            detail = 'It is sent when the transaction commits.',
            hint = 'Roll back, or cancel it after the commit.';
  end if;
  -- first: the row waits for another transaction of the role that has cancelled the same request and is open
  perform (select pgoffload.emit_command('cancel', id, null, null));
  if current_setting('transaction_read_only') = 'off' then
    -- so that no claim misses it, however late the command is read
    insert into pgoffload.cancellation (id, by_oid, by_caller)
    values (llm_cancel.id, quote_ident(current_user)::regrole::oid, true) on conflict do nothing;
  end if;
  return true;
end
$$;

-- API: Public. Inserts a new request that repeats one that has ended, and returns its id. It is sent when the
-- transaction commits.
create or replace function ${public_schema}.llm_retry(
  id bigint)          -- of a request that has ended and that the caller may see
returns bigint        -- the id of the new request
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  status text;
  new_id bigint;
begin
  if not exists (select from ${public_schema}.llm_request q where q.id = llm_retry.id) then
    perform pgoffload.raise_unknown_request('llm', id);
  end if;
  status := ${public_schema}.llm_status(id);
  if status in ('queued', 'running') then
    raise exception 'llm request % is still %', id, status
      using errcode = 'object_not_in_prerequisite_state',
            hint = format('Wait for it: select * from llm_wait(array[%1$s]); or cancel it: select llm_cancel(%1$s)', id);
  end if;
  insert into ${public_schema}.llm_request (
    kind, prompt, system, messages, model, options, timeout, ordering_key, tags, provider, response_schema, inputs, retry_of)
  select q.kind, q.prompt, q.system, q.messages, q.model, q.options, q.timeout, q.ordering_key, q.tags, q.provider,
         q.response_schema, q.inputs, q.id
  from ${public_schema}.llm_request q where q.id = llm_retry.id
  returning llm_request.id into new_id;
  return new_id;
end
$$;
