-- More ways to ask: JSON, many at once, embeddings; reading what is streamed; cancelling and repeating. Everything
-- runs with the caller's own rights, so that row-level security decides.

-- API: Public.
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
declare
  result pgoffload.llm_result;
begin
  if schema is null then
    raise exception 'the schema of llm_ask_json must not be null'
      using errcode = 'invalid_parameter_value', hint = 'For any JSON object: {"type": "object"}. For a plain answer call llm_ask.';
  end if;
  result := pgoffload.ask_llm('ask', prompt, model, system, options, timeout, provider, schema, null);
  begin
    return result.answer::jsonb;
  exception when others then
    -- workers refuse such answers; those of an earlier version have not
    result.status := 'failed';
    result.error_code := 'schema_mismatch';
    result.error_message := 'jsonb does not hold the answer: ' || sqlerrm;
  end;
  perform pgoffload.raise_llm_failure(result);
end
$$;
comment on function ${public_schema}.llm_ask_json(text, jsonb, text, text, jsonb, interval, text) is
  'Asks a language model for JSON that satisfies a schema, and waits for it as llm_ask does; schema_mismatch when the model does not keep to it.';
revoke all on function ${public_schema}.llm_ask_json(text, jsonb, text, text, jsonb, interval, text) from public;
grant execute on function ${public_schema}.llm_ask_json(text, jsonb, text, text, jsonb, interval, text) to llm_user;

-- API: Public.
create or replace function ${public_schema}.llm_ask_many(
  prompts text[],
  model text default null,           -- null: the setting llm.model, else the worker's
  system text default null,          -- instructions to the model, for each
  options jsonb default null,        -- as llm_request.options, for each
  timeout interval default null,     -- for all; null: the setting llm.timeout, else default_timeout
  provider text default null)        -- null: the setting llm.provider, else the worker's
returns table (
  ord bigint,                        -- which prompt, from 1
  answer text,                       -- null if it failed
  error text)                        -- then its code and message
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  since timestamptz := clock_timestamp();
  give_up timestamptz;
  prompt text;
  ids bigint[] := '{}';
  too_large jsonb := '{}';  -- what was said of it, by its ord
  result pgoffload.llm_result;
begin
  perform pgoffload.refuse_to_wait_on_old_snapshot();
  if coalesce(cardinality(prompts), 0) = 0 then
    return;
  end if;
  -- what would be refused is, before anything is sent
  ord := 0;
  foreach prompt in array prompts loop
    ord := ord + 1;
    if coalesce(pgoffload.is_blank(prompt), true) then
      raise exception 'prompt % of % is empty', ord, cardinality(prompts)
        using errcode = 'invalid_parameter_value', detail = 'Nothing was sent.',
              hint = 'Leave it out: array_remove(prompts, null) removes nulls.';
    end if;
  end loop;

  ord := 0;
  foreach prompt in array prompts loop
    ord := ord + 1;
    begin
      ids[ord] := (select pgoffload.emit_llm_request(
        'ask', prompt, system, null, model, options, timeout, null, null, provider, null, null));
    exception when program_limit_exceeded then
      -- what was sent before it is not to be paid for in vain
      too_large := too_large || jsonb_build_object(ord, sqlerrm);
    end;
  end loop;

  give_up := pgoffload.give_up_at(since, timeout);
  -- one after another: nobody has to wait longer for all of them
  for n in 1 .. cardinality(prompts) loop
    ord := n;
    answer := null;
    error := 'request_too_large: ' || (too_large ->> n::text);
    if error is null then
      result := pgoffload.await_llm(ids[n], since, give_up);
      answer := result.answer;
      if result.id is null then
        error := 'deadline_passed: llm request ' || ids[n] || ' was not answered in time';
      elsif result.status <> 'succeeded' then
        error := result.error_code || ': ' || coalesce(result.error_message, '');
      end if;
    end if;
    return next;
  end loop;
end
$$;
comment on function ${public_schema}.llm_ask_many(text[], text, text, jsonb, interval, text) is
  'Asks many prompts at once and waits for all of them; rows in their order. One that fails has its error in its row.';
revoke all on function ${public_schema}.llm_ask_many(text[], text, text, jsonb, interval, text) from public;
grant execute on function ${public_schema}.llm_ask_many(text[], text, text, jsonb, interval, text) to llm_user;

-- API: Public.
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
comment on function ${public_schema}.llm_embed(text, text, integer, interval, text) is
  'Has a text embedded by a model and waits for the embedding, as llm_ask does.';
revoke all on function ${public_schema}.llm_embed(text, text, integer, interval, text) from public;
grant execute on function ${public_schema}.llm_embed(text, text, integer, interval, text) to llm_user;

-- API: Public.
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
comment on function ${public_schema}.llm_embed(text[], text, integer, interval, text) is
  'Has texts embedded by a model in one request and waits for the embeddings; rows in their order.';
revoke all on function ${public_schema}.llm_embed(text[], text, integer, interval, text) from public;
grant execute on function ${public_schema}.llm_embed(text[], text, integer, interval, text) to llm_user;

-- API: Public.
create or replace function ${public_schema}.llm_embeddings(
  id bigint)                -- of a request of kind embed that the caller may see
returns table (
  ord bigint,               -- which input, from 1
  embedding real[])         -- no rows while pending
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  result pgoffload.llm_result;
begin
  select r.* into result from pgoffload.llm_result r where r.id = llm_embeddings.id;
  if not found then
    perform ${public_schema}.llm_status(id);  -- raises for an unknown id
    return;
  end if;
  if result.status <> 'succeeded' then
    perform pgoffload.raise_llm_failure(result);
  end if;
  if result.embeddings is null then
    raise exception 'llm request % asked for no embeddings', id
      using errcode = 'wrong_object_type', hint = 'select llm_result(' || id || ')';
  end if;
  ord := 0;
  foreach embedding slice 1 in array result.embeddings loop
    ord := ord + 1;
    return next;
  end loop;
end
$$;
comment on function ${public_schema}.llm_embeddings(bigint) is
  'The embeddings of a request, in the order of its inputs; no rows while it is pending. Raises as llm_result does.';
revoke all on function ${public_schema}.llm_embeddings(bigint) from public;
grant execute on function ${public_schema}.llm_embeddings(bigint) to llm_user;

-- API: Public.
create or replace function ${public_schema}.llm_stream(
  id bigint,                     -- of a request that the caller may see
  after_seq bigint default 0)    -- the seq of the last row that the caller has read
returns table (
  seq bigint,                    -- grows; gaps are normal
  text text,                     -- the next words
  reset boolean)                 -- whether to forget what was read before it
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  known bigint := coalesce(after_seq, 0);
  result pgoffload.llm_result;
  last_seq bigint;
  streamed text;
begin
  select r.* into result from pgoffload.llm_result r where r.id = llm_stream.id;
  if result.id is null then
    perform ${public_schema}.llm_status(llm_stream.id);  -- raises for an unknown id
  end if;
  if result.answer is null then
    return query
      select p.seq, p.text, p.reset from pgoffload.llm_piece p where p.id = llm_stream.id and p.seq > known order by p.seq;
    return;
  end if;

  -- What was not streamed, an earlier answer for one, ends after whatever was.
  last_seq := coalesce(result.last_seq, (result.attempts + 1) * 1000000000::bigint);
  if known = last_seq then
    return;
  end if;
  -- Pieces come another way than the result: those that are here should be how the answer begins.
  streamed := coalesce((
    select string_agg(p.text, '' order by p.seq) from pgoffload.llm_piece p
    where p.id = llm_stream.id and p.seq <= last_seq and p.seq >= coalesce((
      select max(r.seq) from pgoffload.llm_piece r where r.id = llm_stream.id and r.seq <= last_seq and r.reset), 0)), '');
  -- the caller may also have read what another worker, thought dead or not, was about to answer
  if known > last_seq or not starts_with(result.answer, streamed) then
    return query select last_seq, result.answer, true;
    return;
  end if;
  return query
    select p.seq, p.text, p.reset from pgoffload.llm_piece p
    where p.id = llm_stream.id and p.seq > known and p.seq <= last_seq order by p.seq;
  if length(streamed) < length(result.answer) then
    return query select last_seq, substr(result.answer, length(streamed) + 1), false;
  end if;
end
$$;
comment on function ${public_schema}.llm_stream(bigint, bigint) is
  'The pieces of an answer that were streamed since the last call. Read until llm_status is terminal, and then once more: that is the whole answer.';
revoke all on function ${public_schema}.llm_stream(bigint, bigint) from public;
grant execute on function ${public_schema}.llm_stream(bigint, bigint) to llm_user;

-- API: Public.
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
    perform pgoffload.raise_unknown_llm_request(id);  -- a claim alone is one of SQL
  end if;
  if inserted_by = pg_current_xact_id_if_assigned() then
    raise exception 'cannot cancel request %, which this transaction has inserted', id
      using errcode = 'object_not_in_prerequisite_state',
            detail = 'It is sent when the transaction commits.',
            hint = 'Roll back, or cancel it after the commit.';
  end if;
  if current_setting('transaction_read_only') = 'off' then
    -- so that no claim misses it, however late the command is read
    insert into pgoffload.cancellation (id, by_oid)
    values (llm_cancel.id, quote_ident(current_user)::regrole::oid) on conflict do nothing;
  end if;
  perform (select pgoffload.emit_command('cancel', id, null, null));
  return true;
end
$$;
comment on function ${public_schema}.llm_cancel(bigint) is
  'Asks at once, whatever becomes of the transaction, that a request be cancelled; it ends as cancelled, or as what it had become by then.';
revoke all on function ${public_schema}.llm_cancel(bigint) from public;
grant execute on function ${public_schema}.llm_cancel(bigint) to llm_user;

-- API: Public.
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
    perform pgoffload.raise_unknown_llm_request(id);
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
comment on function ${public_schema}.llm_retry(bigint) is
  'Inserts a new request that repeats one that has ended, and returns its id. It is sent when the transaction commits.';
revoke all on function ${public_schema}.llm_retry(bigint) from public;
grant execute on function ${public_schema}.llm_retry(bigint) to llm_user;
