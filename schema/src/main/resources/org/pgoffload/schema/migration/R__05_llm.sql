-- The LLM surface. Everything runs with the caller's own rights, so that row-level security decides.

-- API: Private. Refuses to wait where the snapshot is older than any answer can be.
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
comment on function pgoffload.refuse_to_wait_on_old_snapshot() is 'Private. Raises feature_not_supported above READ COMMITTED.';
revoke all on function pgoffload.refuse_to_wait_on_old_snapshot() from public;
grant execute on function pgoffload.refuse_to_wait_on_old_snapshot() to llm_user, pgbackground_role;

-- API: Private. Sleeps a part of the time already waited: a tenth at first, at least 1 ms, no more than
-- 10 ms until a fortieth is more than that, at most 250 ms. A lone call is noticed within a millisecond or
-- two; fifty that wait at once leave the processors to those who answer them.
create or replace function pgoffload.pause_polling(waiting_since timestamptz) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  waited double precision := extract(epoch from clock_timestamp() - waiting_since);
begin
  perform pg_sleep(least(0.25, greatest(0.001, least(waited / 10, 0.01), waited / 40)));
end
$$;
comment on function pgoffload.pause_polling(timestamptz) is 'Private. One pause of a polling loop.';
revoke all on function pgoffload.pause_polling(timestamptz) from public;
grant execute on function pgoffload.pause_polling(timestamptz) to llm_user, pgbackground_role;

-- API: Private. Raises the error for an id that does not exist or is not the caller's to see: the two are
-- not told apart.
create or replace function pgoffload.raise_unknown_llm_request(id bigint) returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception 'llm request % does not exist', coalesce(id::text, 'null')
    using errcode = 'undefined_object',
          detail = 'There is none of this id that role ' || quote_ident(current_user) || ' may see.',
          hint = 'The id is what INSERT INTO llm_request … RETURNING id or llm_submit gave; a rolled back request does not exist.';
end
$$;
comment on function pgoffload.raise_unknown_llm_request(bigint) is 'Private. Raises undefined_object.';
revoke all on function pgoffload.raise_unknown_llm_request(bigint) from public;
grant execute on function pgoffload.raise_unknown_llm_request(bigint) to llm_user, pgbackground_role;

-- API: Private. Raises the failure of a request that ended without an answer.
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
comment on function pgoffload.raise_llm_failure(pgoffload.llm_result) is
  'Private. Raises LM001 (failed), LM002 (expired) or 57014 (cancelled).';
revoke all on function pgoffload.raise_llm_failure(pgoffload.llm_result) from public;
grant execute on function pgoffload.raise_llm_failure(pgoffload.llm_result) to llm_user;

-- API: Public.
create or replace function ${public_schema}.llm_status(
  id bigint)         -- of a request that the caller may see
returns text         -- queued | running | succeeded | failed | cancelled | expired
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  status text;
  worker text;
  epoch bigint;
begin
  select r.status into status from pgoffload.llm_result r where r.id = llm_status.id;
  if found then
    return status;
  end if;
  select e.worker, e.epoch into worker, epoch from pgoffload.execution e
  where e.id = llm_status.id order by e.attempt desc limit 1;
  if found then
    -- a dead worker's request waits for the next one
    return case when pgoffload.worker_is_alive(worker, epoch) then 'running' else 'queued' end;
  end if;
  if not exists (select from ${public_schema}.llm_request q where q.id = llm_status.id) then
    perform pgoffload.raise_unknown_llm_request(id);
  end if;
  return 'queued';
end
$$;
comment on function ${public_schema}.llm_status(bigint) is
  'The state of a request: queued, running, succeeded, failed, cancelled or expired.';
revoke all on function ${public_schema}.llm_status(bigint) from public;
grant execute on function ${public_schema}.llm_status(bigint) to llm_user, pgbackground_role;

-- API: Public.
create or replace function ${public_schema}.llm_result(
  id bigint)         -- of a request that the caller may see
returns text         -- the answer; null while pending
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  result pgoffload.llm_result;
begin
  select r.* into result from pgoffload.llm_result r where r.id = llm_result.id;
  if not found then
    perform ${public_schema}.llm_status(id);  -- raises for an unknown id
    return null;
  end if;
  if result.status <> 'succeeded' then
    perform pgoffload.raise_llm_failure(result);
  end if;
  if result.kind = 'embed' then
    raise exception 'llm request % asked for embeddings, which are no text', id
      using errcode = 'wrong_object_type', hint = 'select * from llm_embeddings(' || id || ')';
  end if;
  return result.answer;
end
$$;
comment on function ${public_schema}.llm_result(bigint) is
  'The answer to a request, or null while it is pending; raises LM001 when it failed, LM002 when it expired, 57014 when it was cancelled.';
revoke all on function ${public_schema}.llm_result(bigint) from public;
grant execute on function ${public_schema}.llm_result(bigint) to llm_user;

-- as it was before there were embeddings, a cache and prices
do $$
begin
  if not exists (
      select from pg_catalog.pg_proc p
      where p.oid = pg_catalog.to_regprocedure('${public_schema}.llm_response(bigint)') and 'retry_of' = any (p.proargnames)) then
    drop function if exists ${public_schema}.llm_response(bigint);
  end if;
end
$$;

-- API: Public.
create or replace function ${public_schema}.llm_response(
  id bigint,                     -- of a request that the caller may see
  out status text,
  out answer text,
  out error_code text,
  out error_message text,
  out finish_reason text,        -- stop | length | …
  out provider text,
  out model text,                -- as the provider names it
  out provider_request_id text,
  out input_tokens bigint,       -- all, cached ones included
  out cached_tokens bigint,
  out output_tokens bigint,      -- all, reasoning included
  out reasoning_tokens bigint,
  out attempts integer,
  out queued interval,           -- from the request to its claim
  out ran interval,              -- from its claim to its result
  out finished_at timestamptz,
  out cached boolean,            -- whether the answer is an earlier one
  out "json" jsonb,              -- the answer, when a response_schema was given
  out embeddings real[],         -- of kind embed: a row for each input, in order
  out calls jsonb,               -- each call that was made, in order
  out cost numeric,              -- of all calls, by pgoffload.llm_price; null without a price
  out retry_of bigint)           -- the request that this one repeats
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  result pgoffload.llm_result;
  schema_given boolean;
begin
  select r.* into result from pgoffload.llm_result r where r.id = llm_response.id;
  select q.retry_of, q.response_schema is not null into retry_of, schema_given
  from ${public_schema}.llm_request q where q.id = llm_response.id;
  if result.id is null then
    status := ${public_schema}.llm_status(id);
    return;
  end if;
  status := result.status;
  answer := result.answer;
  error_code := result.error_code;
  error_message := result.error_message;
  finish_reason := result.finish_reason;
  provider := result.provider;
  model := result.model;
  provider_request_id := result.provider_request_id;
  input_tokens := result.input_tokens;
  cached_tokens := result.cached_tokens;
  output_tokens := result.output_tokens;
  reasoning_tokens := result.reasoning_tokens;
  attempts := result.attempts;
  queued := make_interval(secs => result.queued_ms / 1000);
  ran := make_interval(secs => result.ran_ms / 1000);
  finished_at := result.finished_at;
  cached := result.cached_from is not null;
  embeddings := result.embeddings;
  calls := result.calls;
  cost := pgoffload.cost_of_calls(result);
  if schema_given and result.answer is not null then
    begin
      "json" := result.answer::jsonb;
    exception when others then
      null;  -- what jsonb does not take, such as \u0000, is in the answer
    end;
  end if;
end
$$;
comment on function ${public_schema}.llm_response(bigint) is
  'Everything that is known of a request. Never raises for a failed one: its code and message are columns.';
revoke all on function ${public_schema}.llm_response(bigint) from public;
grant execute on function ${public_schema}.llm_response(bigint) to llm_user;

-- API: Private. The state of a request of either kind.
create or replace function pgoffload.request_status(id bigint) returns text
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (select from ${public_schema}.sql_request q where q.id = request_status.id)
     or pgoffload.is_launched_here(id) then
    return ${public_schema}.sql_status(id);
  end if;
  return ${public_schema}.llm_status(id);
end
$$;
comment on function pgoffload.request_status(bigint) is 'Private. The state of a request of either kind; raises for an unknown id.';
revoke all on function pgoffload.request_status(bigint) from public;
grant execute on function pgoffload.request_status(bigint) to llm_user, pgbackground_role;

-- API: Public.
create or replace function ${public_schema}.llm_wait(
  ids bigint[],                      -- of requests that the caller may see, for a model or for SQL
  timeout interval default null,     -- how long to wait; null: until they have ended
  mode text default 'all')           -- return when all have ended, or any
returns table (id bigint, status text)
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  since timestamptz := clock_timestamp();
  needed integer;
  ended integer;
  other bigint;
  task bigint;
begin
  if mode is null or mode not in ('all', 'any') then
    raise exception 'llm_wait mode must be ''all'' or ''any'', not %', quote_nullable(mode)
      using errcode = 'invalid_parameter_value';
  end if;
  if array_position(ids, null) is not null then
    raise exception 'llm_wait ids must not contain null' using errcode = 'null_value_not_allowed';
  end if;
  perform pgoffload.refuse_to_wait_on_old_snapshot();

  select q.id into other
  from (select l.id, l.created_xid from ${public_schema}.llm_request l where l.id = any (ids)
        union all
        select s.id, s.created_xid from ${public_schema}.sql_request s where s.id = any (ids)) q
  where q.created_xid = pg_current_xact_id_if_assigned();
  if found then
    raise exception 'cannot wait for request %, which this transaction has inserted', other
      using errcode = 'object_not_in_prerequisite_state',
            detail = 'It is sent when the transaction commits.',
            hint = 'Commit first and wait then, or use llm_ask or pg_background_launch, which send at once.';
  end if;
  perform pgoffload.request_status(i) from unnest(ids) i;  -- raises for an unknown id

  select case mode when 'any' then least(1, count(distinct i)) else count(distinct i) end
  into needed from unnest(ids) i;
  -- one after another, where all have to end anyway: that shows the server a task that waits for its caller
  if needed = (select count(distinct i) from unnest(ids) i) then
    for task in
        select distinct i from unnest(ids) i
        where not exists (select from ${public_schema}.llm_request l where l.id = i) order by i loop
      perform pgoffload.await_sql(row (task, false), since + timeout);
    end loop;
  end if;
  loop
    select count(*) into ended
    from (select r.id from pgoffload.llm_result r where r.id = any (ids)
          union all
          select i from unnest(ids) i where (pgoffload.sql_outcome(row (i, false))).id is not null) e;
    exit when ended >= needed or clock_timestamp() >= since + timeout;
    perform pgoffload.pause_polling(since);
  end loop;
  return query select i, pgoffload.request_status(i) from unnest(ids) i;
end
$$;
comment on function ${public_schema}.llm_wait(bigint[], interval, text) is
  'Waits until all (or any) of the requests have ended, at most for the timeout; returns the state of each.';
revoke all on function ${public_schema}.llm_wait(bigint[], interval, text) from public;
grant execute on function ${public_schema}.llm_wait(bigint[], interval, text) to llm_user, pgbackground_role;

-- as they were before a request named its provider: a call would fit both
drop function if exists ${public_schema}.llm_submit(text, text, text, jsonb, interval, jsonb, text, jsonb);
drop function if exists ${public_schema}.llm_ask(text, text, text, jsonb, interval);

-- API: Public.
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
comment on function ${public_schema}.llm_submit(text, text, text, jsonb, interval, jsonb, text, jsonb, text, jsonb) is
  'Inserts a request and returns its id. It is sent when the transaction commits; a rollback means no call.';
revoke all on function ${public_schema}.llm_submit(text, text, text, jsonb, interval, jsonb, text, jsonb, text, jsonb) from public;
grant execute on function ${public_schema}.llm_submit(text, text, text, jsonb, interval, jsonb, text, jsonb, text, jsonb) to llm_user;

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
comment on function pgoffload.give_up_at(timestamptz, interval) is 'Private. Until when a caller waits.';
revoke all on function pgoffload.give_up_at(timestamptz, interval) from public;
grant execute on function pgoffload.give_up_at(timestamptz, interval) to llm_user;

-- API: Private. Waits for the result of a request that was sent at once; nulls when it does not come in time.
create or replace function pgoffload.await_llm(id bigint, since timestamptz, give_up timestamptz) returns pgoffload.llm_result
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  result pgoffload.llm_result;
  next_look timestamptz := since + interval '2 s';
begin
  loop
    select r.* into result from pgoffload.llm_result r where r.id = await_llm.id;
    exit when found or clock_timestamp() >= give_up;
    if clock_timestamp() >= next_look then
      perform pgoffload.raise_if_lost(id, since);
      next_look := clock_timestamp() + interval '1 s';
    end if;
    perform pgoffload.pause_polling(since);
  end loop;
  return result;
end
$$;
comment on function pgoffload.await_llm(bigint, timestamptz, timestamptz) is 'Private. Waits for the result of a request.';
revoke all on function pgoffload.await_llm(bigint, timestamptz, timestamptz) from public;
grant execute on function pgoffload.await_llm(bigint, timestamptz, timestamptz) to llm_user;

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
comment on function pgoffload.ask_llm(text, text, text, text, jsonb, interval, text, jsonb, text[]) is
  'Private. Sends one request at once and waits for its result; raises its failure.';
revoke all on function pgoffload.ask_llm(text, text, text, text, jsonb, interval, text, jsonb, text[]) from public;
grant execute on function pgoffload.ask_llm(text, text, text, text, jsonb, interval, text, jsonb, text[]) to llm_user;

-- API: Public.
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
comment on function ${public_schema}.llm_ask(text, text, text, jsonb, interval, text) is
  'Asks a language model and waits for the answer, in one statement, also inside an open transaction; the call is made even if the transaction rolls back.';
revoke all on function ${public_schema}.llm_ask(text, text, text, jsonb, interval, text) from public;
grant execute on function ${public_schema}.llm_ask(text, text, text, jsonb, interval, text) to llm_user;

-- API: Public.
create or replace function ${public_schema}.llm_provider()
returns text          -- openai | azure_openai | anthropic | … | echo; several, separated by commas, if workers differ
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  resolved text;
begin
  select string_agg(distinct w.provider, ', ' order by w.provider) into resolved
  from pgoffload.worker w where pgoffload.worker_is_alive(w.name, w.epoch);
  if resolved is null then
    raise exception 'no worker is alive, so no provider is known'
      using errcode = 'object_not_in_prerequisite_state',
            hint = 'Start one with: pgoffload worker';
  end if;
  return resolved;
end
$$;
comment on function ${public_schema}.llm_provider() is 'The provider that the live workers have resolved.';
revoke all on function ${public_schema}.llm_provider() from public;
grant execute on function ${public_schema}.llm_provider() to llm_user;

-- API: Public.
create or replace view ${public_schema}.llm_queue with (security_invoker) as
select q.id, coalesce((select r.rolname from pg_catalog.pg_roles r where r.oid = q.requested_by_oid), q.requested_by) as requested_by,
       q.model,
       case when pgoffload.worker_is_alive(e.worker, e.epoch) then 'running' else 'queued' end as status,
       q.created_at, pg_catalog.clock_timestamp() - q.created_at as age, e.attempt as attempts, e.worker,
       q.kind, q.provider
from ${public_schema}.llm_request q
left join lateral (
  select x.attempt, x.worker, x.epoch from pgoffload.execution x
  where x.id = q.id order by x.attempt desc limit 1) e on true
where not exists (select from pgoffload.llm_result r where r.id = q.id);
comment on view ${public_schema}.llm_queue is 'The requests that have not ended and that the reader may see.';
grant select on ${public_schema}.llm_queue to llm_user;

-- API: Public.
create or replace view ${public_schema}.llm_worker with (security_invoker) as
select w.name, w.provider, w.model, w.version, w.started_at, w.heartbeat_at, w.in_flight,
       pgoffload.worker_is_alive(w.name, w.epoch) as alive,
       (w.doing ->> 'unfinished')::bigint as unfinished,
       (w.doing ->> 'oldest_seconds')::float8 * interval '1 second' as oldest,
       (w.doing ->> 'tasks')::bigint as tasks,
       (w.doing ->> 'results')::bigint as results,
       (w.doing ->> 'taken_over')::bigint as taken_over,
       (w.doing ->> 'calls')::bigint as calls,
       (w.doing ->> 'rate_limited')::bigint as rate_limited,
       (w.doing ->> 'retries')::bigint as retries,
       (w.doing ->> 'input_tokens')::bigint as input_tokens,
       (w.doing ->> 'output_tokens')::bigint as output_tokens,
       (w.doing ->> 'dead_letters')::bigint as dead_letters
from pgoffload.worker w;
comment on view ${public_schema}.llm_worker is
  'The workers that have registered, whether they are alive, what they have to do and what they have done since their start.';
grant select on ${public_schema}.llm_worker to llm_user;
