-- The functions and views that show what becomes of LLM requests: status, answer, pieces, waiting. They run with the
-- caller's own rights, so that row-level security decides.

-- API: Private. Raises undefined_object for the id of a request, of the kind llm or sql, that does not exist or is not
-- the caller's to see: the two are not told apart.
create or replace function pgoffload.raise_unknown_request(kind text, id bigint) returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception '% request % does not exist', kind, coalesce(id::text, 'null')
    using errcode = 'undefined_object',
          detail = 'There is none of this id that role ' || quote_ident(current_user) || ' may see.',
          hint = format('The id is what INSERT INTO %s_request … RETURNING id%s gave; a rolled back request does not exist.',
            kind, case kind when 'llm' then ' or llm_submit' end)
            || case when pgoffload.is_pooled()
                 then ' A launch of which no worker has heard is known by its handle: pg_background_outcome(pid, cookie).'
                 else '' end;
end
$$;

-- API: Public. The state of a request: queued, running, succeeded, failed, cancelled or expired.
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
  select c.worker, c.epoch into worker, epoch from pgoffload.claim c
  where c.id = llm_status.id order by c.attempt desc limit 1;
  if found then
    -- a dead worker's request waits for the next one
    return case when pgoffload.worker_is_alive(worker, epoch) then 'running' else 'queued' end;
  end if;
  if not exists (select from ${public_schema}.llm_request q where q.id = llm_status.id) then
    perform pgoffload.raise_unknown_request('llm', id);
  end if;
  return 'queued';
end
$$;

-- API: Private. The result of a request that has succeeded; nulls while it is pending. Raises for an unknown id, and the
-- failure of a request that has ended otherwise.
create or replace function pgoffload.succeeded_llm(id bigint) returns pgoffload.llm_result
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  result pgoffload.llm_result;
begin
  select r.* into result from pgoffload.llm_result r where r.id = succeeded_llm.id;
  if not found then
    perform ${public_schema}.llm_status(id);  -- raises for an unknown id
  elsif result.status <> 'succeeded' then
    perform pgoffload.raise_llm_failure(result);
  end if;
  return result;
end
$$;

-- API: Public. The answer to a request, or null while it is pending; raises LM001 when it failed, LM002 when it
-- expired, 57014 when it was cancelled.
create or replace function ${public_schema}.llm_result(
  id bigint)         -- of a request that the caller may see
returns text         -- the answer; null while pending
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  result pgoffload.llm_result := pgoffload.succeeded_llm(id);
begin
  if result.kind = 'embed' then
    raise exception 'llm request % asked for embeddings, which are no text', id
      using errcode = 'wrong_object_type', hint = 'select * from llm_embeddings(' || id || ')';
  end if;
  return result.answer;
end
$$;

-- API: Public. Everything that is known of a request. Never raises for a failed one: its code and message are columns.
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

-- API: Public. The embeddings of a request, in the order of its inputs; no rows while it is pending. Raises as
-- llm_result does.
create or replace function ${public_schema}.llm_embeddings(
  id bigint)                -- of a request of kind embed that the caller may see
returns table (
  ord bigint,               -- which input, from 1
  embedding real[])         -- no rows while pending
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  result pgoffload.llm_result := pgoffload.succeeded_llm(id);
begin
  if result.id is null then
    return;
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

-- API: Public. The pieces of an answer that were streamed since the last call. Read until llm_status is terminal, and
-- then once more: that is the whole answer.
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

-- API: Private. The state of a request of either kind; raises for an unknown id.
create or replace function pgoffload.request_status(id bigint) returns text
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (select from ${public_schema}.sql_request q where q.id = request_status.id)
     or pgoffload.is_launched_here(id) or pgoffload.await_recording(id) then
    return ${public_schema}.sql_status(id);
  end if;
  return ${public_schema}.llm_status(id);
end
$$;

-- API: Private. How many of these requests have ended. Keeps the plan of a look at recent ones, as await_llm does. Older
-- ones are planned with their ids, so that their partitions alone are locked.
create or replace function pgoffload.count_ended(
  ids bigint[])             -- distinct
returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
declare
  ended bigint;
begin
  if pgoffload.recent_from() <= all (ids) then
    return (
      select count(*) from unnest(ids) a (id),
      lateral (
        (select from pgoffload.llm_result r where r.id = a.id and r.id >= pgoffload.recent_from() limit 1)
        union all
        (select from pgoffload.sql_result r
         where r.id = a.id and r.id >= pgoffload.recent_from() and pgoffload.has_all_chunks(r) limit 1)) ended);
  end if;
  execute 'select (select count(*) from pgoffload.llm_result r where r.id = any ($1))
      + (select count(*) from pgoffload.sql_result r where r.id = any ($1) and pgoffload.has_all_chunks(r))'
  into ended using ids;
  return ended;
end
$$;

-- API: Public. Waits until all (or any) of the requests have ended, at most for the timeout; returns the state of each.
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
  distinct_ids bigint[];
  needed integer;
  other bigint;
  asked boolean;  -- of a model
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

  distinct_ids := array(select distinct i from unnest(ids) i);
  needed := case mode when 'any' then least(1, cardinality(distinct_ids)) else cardinality(distinct_ids) end;
  -- one after another, where all have to end anyway: that costs a look at one of them, and shows the server a task that
  -- waits for its caller
  if needed = cardinality(distinct_ids) then
    for other, asked in
        select i, exists (select from ${public_schema}.llm_request l where l.id = i) from unnest(distinct_ids) i
        -- tasks first: one may wait for what its caller holds
        order by 2, 1 loop
      if asked then
        perform pgoffload.await_llm(other, since, since + timeout);
      else
        perform pgoffload.await_sql(row (other, false), since + timeout);
      end if;
    end loop;
  end if;
  loop
    exit when pgoffload.count_ended(distinct_ids) >= needed or clock_timestamp() >= since + timeout;
    perform pgoffload.pause_polling_until(since, since + timeout);
  end loop;
  return query select i, pgoffload.request_status(i) from unnest(ids) i;
end
$$;

-- API: Public. The provider that the live workers have resolved.
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

-- API: Public. The requests that have not ended and that the reader may see.
create or replace view ${public_schema}.llm_queue with (security_invoker) as
select q.id, coalesce((select r.rolname from pg_catalog.pg_roles r where r.oid = q.requested_by_oid), q.requested_by) as requested_by,
       q.model,
       case when pgoffload.worker_is_alive(e.worker, e.epoch) then 'running' else 'queued' end as status,
       q.created_at, pg_catalog.clock_timestamp() - q.created_at as age, e.attempt as attempts, e.worker,
       q.kind, q.provider
from ${public_schema}.llm_request q
left join lateral (
  select x.attempt, x.worker, x.epoch from pgoffload.claim x
  where x.id = q.id order by x.attempt desc limit 1) e on true
where not exists (select from pgoffload.llm_result r where r.id = q.id);

-- API: Public. The workers, whether they are alive, what they have to do and what they have done since their start. Of
-- one that has registered several times, the registrations that are alive, and the newest.
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
       (w.doing ->> 'dead_letters')::bigint as dead_letters,
       r.model as reranker
from pgoffload.worker w left join pgoffload.reranker r on r.worker = w.name and r.epoch = w.epoch
where pgoffload.worker_is_alive(w.name, w.epoch)
   or not exists (select from pgoffload.worker n where n.name = w.name and n.epoch > w.epoch);
