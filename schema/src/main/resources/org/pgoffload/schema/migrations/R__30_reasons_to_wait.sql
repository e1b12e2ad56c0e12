-- Why a request waits: one answer, put together from what the database knows and what the workers tell with their leases.

-- API: Private. A time in words, to the second: 12 s, 3 min 5 s, 2 h 4 min.
create or replace function pgoffload.in_words(time_span interval) returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  select case when t.s < 60 then t.s || ' s'
              when t.s < 3600 then t.s / 60 || ' min' || case when t.s % 60 > 0 then ' ' || t.s % 60 || ' s' else '' end
              when t.s < 172800 then t.s / 3600 || ' h' || case when t.s % 3600 >= 60 then ' ' || t.s % 3600 / 60 || ' min' else '' end
              else t.s / 86400 || ' days' end
  from (select greatest(0, floor(extract(epoch from time_span)))::bigint as s) t
$$;

-- API: Private. A number and what it counts: 1 request, 12 requests.
create or replace function pgoffload.counted(number bigint, noun text) returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  select number || ' ' || noun || case number when 1 then '' else 's' end
$$;

-- API: Private. A name as workers shorten it: worker.delivery.scheduling.ShortName.
create or replace function pgoffload.short_name(name text) returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  select case when length(name) <= 64 then name
              else 'sha256:' || left(encode(sha256(convert_to(name, 'UTF8')), 'hex'), 48) end
$$;

-- API: Private. The product of two numbers of 32 bits, as far as 32 bits hold it. Runs within its callers' search_path.
create or replace function pgoffload.product_of_32_bits(a bigint, b bigint) returns bigint
language sql immutable
as $$
  select ((a & 65535) * b + (((a >> 16) * b & 65535) << 16)) & 4294967295
$$;

-- API: Private. Which partition of a topic has the records of a key, as Kafka's clients choose it: by murmur2.
create or replace function pgoffload.partition_of(key text, partitions integer) returns integer
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
declare
  bytes constant bytea := convert_to(key, 'UTF8');
  length constant integer := octet_length(bytes);
  m constant bigint := 1540483477;
  h bigint := 2538058380 # length;
  k bigint;
begin
  for i in 0 .. length / 4 - 1 loop
    k := get_byte(bytes, 4 * i) + (get_byte(bytes, 4 * i + 1) << 8) + (get_byte(bytes, 4 * i + 2) << 16)
      + (get_byte(bytes, 4 * i + 3)::bigint << 24);
    k := pgoffload.product_of_32_bits(k, m);
    k := pgoffload.product_of_32_bits(k # (k >> 24), m);
    h := pgoffload.product_of_32_bits(h, m) # k;
  end loop;
  if length % 4 > 0 then
    for i in reverse length % 4 - 1 .. 0 loop
      h := h # (get_byte(bytes, length / 4 * 4 + i)::bigint << 8 * i);
    end loop;
    h := pgoffload.product_of_32_bits(h, m);
  end if;
  h := pgoffload.product_of_32_bits(h # (h >> 13), m);
  h := h # (h >> 15);
  return (h & 2147483647) % partitions;
end
$$;

-- API: Private. What the live workers tell, one row for each. Runs within its callers' rights and search_path.
create or replace function pgoffload.live_queues()
returns table (
  worker text, epoch bigint, heartbeat_at timestamptz, provider text,
  runs_sql boolean,
  told jsonb)           -- null of a worker of an earlier version
language sql stable
as $$
  select w.name, w.epoch, w.heartbeat_at, w.provider, w.doing ->> 'runs_sql' = '1', q.told
  from pgoffload.worker w left join pgoffload.worker_queue q on q.worker = w.name and q.epoch = w.epoch
  where pgoffload.worker_is_alive(w.name, w.epoch)
$$;

-- API: Private. Whether no live worker has a provider; null where one of them does not tell which it has. A rerank request
-- without a provider wants the reranker.
create or replace function pgoffload.is_missing_provider(kind text, provider text) returns boolean
language sql stable
as $$
  select case when kind = 'rerank' and is_missing_provider.provider is null then not bool_or(w.told ? 'reranker')
              when is_missing_provider.provider is null then false
              when bool_or(w.told -> 'providers' ? is_missing_provider.provider or w.provider = is_missing_provider.provider
                           or kind = 'rerank' and w.told ->> 'reranker' = is_missing_provider.provider) then false
              when bool_and(w.told is not null) then true end
  from pgoffload.live_queues() w
$$;

-- API: Private. How many tasks a task of SQL is nested in.
create or replace function pgoffload.depth_below(parent bigint) returns integer
language sql stable
as $$
  with recursive ancestors as (
    select depth_below.parent as id, 1 as distance where depth_below.parent is not null
    union all
    select q.parent, a.distance + 1
    from ancestors a join ${public_schema}.sql_request q on q.id = a.id
    where q.parent is not null and a.distance < 8
  )
  select coalesce(max(a.distance), 0) from ancestors a
$$;

-- API: Private. What keeps a request that nobody has claimed from reaching Kafka; null: it was captured, or the capture is
-- past it. A request that was sent at once is recorded by the worker that has it.
create or replace function pgoffload.why_not_captured(q pgoffload.unfinished_request) returns pgoffload.reason_to_wait
language plpgsql volatile
as $$
declare
  w pgoffload.reason_to_wait;
  slot constant text := (select s.value from pgoffload.setting s where s.name = 'slot');
  health record;
  known record;
  broken record;
begin
  w.exact := true;
  w.as_of := clock_timestamp();
  w.detail := '{}';
  if not exists (select from pgoffload.server_timeline t
                 where t.timeline = pgoffload.current_timeline()
                   and t.number = (select max(n.number) from pgoffload.server_timeline n)) then
    w.state := 'failing_over';
    w.reason := 'this server was promoted, and its timeline is not the installation''s yet: nothing is captured or executed until it is';
    w.hint := 'A running producer accepts it by itself, or its log says why not: so does pgoffload promote.';
    return w;
  end if;
  select b.reason, b.broken_at, b.first_id into broken from pgoffload.capture_break b
  where b.swept_at is null and (b.first_id is null or b.first_id > q.id) order by b.number limit 1;
  if found then
    w.state := 'awaiting_sweep';
    w.since := broken.broken_at;
    w.reason := format('the capture was interrupted %s ago (%s): the request is in Kafka, or is sent again by the sweep, which waits until what reached Kafka has been worked off',
      pgoffload.in_words(clock_timestamp() - broken.broken_at), broken.reason);
    w.hint := case when broken.first_id is null then 'If this does not pass within two minutes, run pgoffload install again: it was interrupted.'
      else 'Have producer, workers and results running.' end;
    return w;
  end if;
  select sum(p.repeated_below - p.next_offset) as records, bool_or(p.token <> pgoffload.current_token()) as unbegun into known
  from pgoffload.consumer_position p
  where (p.token <> pgoffload.current_token() or p.next_offset < p.repeated_below)
    and q.id < (select t.first_id from pgoffload.server_timeline t where t.first_id is not null order by t.number desc limit 1);
  if known.records > 0 or known.unbegun then
    w.state := 'failing_over';
    w.reason := 'after the last fail-over the consumers go through what came before it once more'
      || case when known.records > 0 then ', with ' || pgoffload.counted(known.records::bigint, 'record') || ' to go' else '' end;
    w.behind := known.records;
    w.hint := 'Have workers and results running.';
    return w;
  end if;
  select m.captured, m.captured_at, m.wal_position, m.snapshot, m.marked_at, s.confirmed_flush_lsn, s.active_pid,
         pg_wal_lsn_diff(pg_current_wal_insert_lsn(), s.confirmed_flush_lsn)::bigint as bytes
  into known
  from pgoffload.capture_mark m left join pg_replication_slots s on s.slot_name = slot;
  if known.confirmed_flush_lsn >= known.wal_position then
    known.captured := known.snapshot;
    known.captured_at := known.marked_at;
  end if;
  if q.immediate or pg_visible_in_snapshot(q.created_xid, known.captured) then
    return null;
  end if;
  select h.state, h.detail, h.advice into health from pgoffload.slot_health(slot) h;
  if health.state = 'ok' and not exists (select from pgoffload.live_queues()) then
    return null;  -- nobody notes how far the capture has come
  end if;
  w.state := case health.state when 'error' then 'capture_stopped' else 'not_captured' end;
  w.since := q.created_at;
  w.detail := jsonb_strip_nulls(jsonb_build_object(
    'bytes', known.bytes, 'captured_at', known.captured_at,
    'seconds', extract(epoch from clock_timestamp() - known.captured_at)::float8));
  w.reason := case when known.bytes is null then 'it is not captured: ' || health.detail
    else format('it is not known to be captured yet: %s of WAL are ahead of the capture%s', pg_size_pretty(known.bytes),
      case when known.captured_at is null then ''
           else format(', which has everything that was committed %s ago', pgoffload.in_words(clock_timestamp() - known.captured_at)) end)
    || case when health.state = 'ok' then '' else '; ' || health.detail end end;
  w.hint := coalesce(health.advice,
    case when clock_timestamp() - q.created_at > interval '10 s' then
      'See whether the producer runs and Kafka answers (pgoffload status); a large transaction of others, too, is read before what was committed after it.' end);
  return w;
end
$$;

-- API: Private. Which worker has the request's partition, and what that says: it reads nothing, it has not read it yet, or,
-- with null as the state, it has it. Its queue, as it tells, is the detail then.
create or replace function pgoffload.why_not_received(q pgoffload.unfinished_request) returns pgoffload.reason_to_wait
language plpgsql volatile
as $$
declare
  w pgoffload.reason_to_wait;
  queue constant text := case when q.is_sql then 'sql' else 'llm' end;
  partitions integer;
  partition integer;
  reader record;
  alive bigint;
  with_sql bigint;
  telling bigint;
  lag bigint;
begin
  w.exact := true;
  w.as_of := clock_timestamp();
  w.detail := '{}';
  select count(*), count(*) filter (where l.runs_sql), count(*) filter (where l.told ? queue),
         max((l.told -> queue ->> 'partitions')::integer)
  into alive, with_sql, telling, partitions from pgoffload.live_queues() l;
  if alive = 0 then
    w.state := 'no_worker';
    select max(coalesce(o.released_at, o.heartbeat_at)) into w.since from pgoffload.worker o;
    w.reason := 'no worker is alive'
      || case when w.since is null then '' else '; the last one was ' || pgoffload.in_words(clock_timestamp() - w.since) || ' ago' end;
    w.hint := 'Start one with: pgoffload worker';
    return w;
  elsif q.is_sql and with_sql = 0 then
    w.state := 'no_sql_worker';
    w.reason := format('none of the %s that are alive executes SQL', pgoffload.counted(alive, 'worker'));
    w.hint := 'Start a worker with PGOFFLOAD_SQL_DATABASE_URL set.';
    return w;
  elsif not q.is_sql and pgoffload.is_missing_provider(q.kind, q.provider) then
    w.state := 'no_provider';
    w.reason := case when q.provider is null then 'no worker has a reranker' else format('no worker has the provider %s', quote_ident(q.provider)) end
      || ': the request fails once a worker takes it';
    w.hint := case when q.provider is null then 'Start a worker with PGOFFLOAD_RERANK_URL set.'
      else 'Configure it at a worker (docs/llm-providers.md), or ask one of those that llm_provider() names.' end;
    return w;
  end if;
  if telling = 0 or coalesce(partitions, 0) = 0 then
    w.state := 'queued';
    w.exact := false;
    w.reason := 'the workers do not tell where they have come: they have just started, or are of an earlier version';
    return w;
  end if;
  w.since := q.created_at;
  partition := pgoffload.partition_of(q.record_key, partitions);
  select l.worker, l.heartbeat_at, l.told -> queue as queue into reader from pgoffload.live_queues() l
  where l.told -> queue -> 'assigned' @> to_jsonb(partition) order by l.heartbeat_at desc limit 1;
  w.detail := jsonb_build_object('partition', partition, 'partitions', partitions);
  if not found then
    w.state := 'in_kafka';
    w.exact := false;
    w.reason := format('no worker has said that it reads partition %s of %s: the partitions are being shared out', partition, queue);
    w.hint := 'If this does not pass within a minute, see the log of the workers, and whether they reach Kafka (pgoffload status).';
    return w;
  end if;
  w.worker := reader.worker;
  w.as_of := reader.heartbeat_at;
  w.detail := w.detail || jsonb_build_object('topic', reader.queue -> 'topic');
  lag := (reader.queue -> 'behind' ->> partition::text)::bigint;
  -- one that was sent at once is recorded by the worker that has received it
  if reader.queue ->> 'consumes' = 'false' or lag is not null and not q.immediate then
    w.state := 'in_kafka';
    w.exact := false;
    w.behind := nullif(lag, -1);
    w.reason := format('it waits in partition %s of topic %s', partition, reader.queue ->> 'topic')
      || case when lag > 0 then format(': worker %s has %s there yet to read, this one among them unless it has just been read', reader.worker, pgoffload.counted(lag, 'record'))
              else format(', or worker %s has read it a moment ago', reader.worker) end
      || case when reader.queue ->> 'consumes' = 'false' then '; it has no connection to Kafka, or to the database, just now'
              when reader.queue ->> 'full' = 'true' then format('; it has as many unfinished as it may have (%s) and reads on as they end', reader.queue ->> 'unfinished') else '' end;
    w.hint := case when reader.queue ->> 'consumes' = 'false' then 'See the worker''s log, and pgoffload status.'
      when reader.queue ->> 'full' = 'true' then 'More workers take more at a time; see what the others wait for.' end;
    return w;
  end if;
  -- what it has read by its last heartbeat may be less than what was captured since
  w.detail := w.detail || jsonb_build_object('queue', reader.queue);
  return w;
end
$$;

-- API: Private. The earlier requests of the same ordering key that keep a request waiting: those to a model until they are
-- claimed, those for SQL until they have ended. Of the 10,000 requests before it.
create or replace function pgoffload.before_by_key(q pgoffload.unfinished_request, out first_id bigint, out requester oid, out number bigint)
language plpgsql volatile
as $$
begin
  if q.ordering_key is null then
    number := 0;
  elsif q.is_sql then
    select count(*), min(o.id) into number, first_id
    from (select t.id, t.ordering_key, t.installation from ${public_schema}.sql_request t
          where t.id < q.id order by t.id desc limit 10000) o
    where o.ordering_key = q.ordering_key and o.installation = (select i.id::uuid from pgoffload.installation i)
      and not exists (select from pgoffload.sql_result r where r.id = o.id);
    select t.requested_by_oid into requester from ${public_schema}.sql_request t where t.id = first_id;
  else
    select count(*), min(o.id) into number, first_id
    from (select l.id, l.ordering_key, l.installation from ${public_schema}.llm_request l
          where l.id < q.id order by l.id desc limit 10000) o
    where o.ordering_key = q.ordering_key and o.installation = (select i.id::uuid from pgoffload.installation i)
      and not exists (select from pgoffload.claim c where c.id = o.id)
      and not exists (select from pgoffload.llm_result r where r.id = o.id);
    select l.requested_by_oid into requester from ${public_schema}.llm_request l where l.id = first_id;
  end if;
end
$$;

-- API: Private. The provider and the model that a request asks first; null: what only a worker that tells it would know.
create or replace function pgoffload.asked_first(q pgoffload.unfinished_request, told jsonb, out provider text, out model text)
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  select p.name, coalesce(
    q.model,
    case when p.is_reranker then told ->> 'reranker_model'
         when q.kind = 'embed' then coalesce(told -> 'providers' -> p.name ->> 1, told -> 'providers' -> p.name ->> 0)
         else told -> 'providers' -> p.name ->> 0 end)
  from (select r.it as is_reranker, case when r.it then told ->> 'reranker' else coalesce(q.provider, told ->> 'primary') end as name
        from (select q.kind = 'rerank' and coalesce(q.provider, told ->> 'reranker') = told ->> 'reranker' as it) r) p
$$;

-- API: Private. The name by which a worker knows the model that a request asks first.
create or replace function pgoffload.target_of(q pgoffload.unfinished_request, told jsonb) returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  select pgoffload.short_name(f.provider || ':' || f.model) from pgoffload.asked_first(q, told) f
$$;

-- API: Private. What a request waits for, if it is kept from beginning by a pause: that.
create or replace function pgoffload.or_paused(q pgoffload.unfinished_request, w pgoffload.reason_to_wait)
returns pgoffload.reason_to_wait
language plpgsql volatile
as $$
declare
  asked record;
  pause pgoffload.pause;
begin
  -- of what is claimed, the worker says whether a pause keeps it
  if w.state <> 'paused' and (w.attempt is not null or w.state not in
      ('queued', 'model_full', 'model_pace', 'vendor_wait', 'session_limit', 'role_limit', 'worker_limit')) then
    return w;
  end if;
  select f.provider, f.model into asked
  from (select max(l.told::text)::jsonb as told from pgoffload.live_queues() l where l.worker = w.worker or w.worker is null) t,
       pgoffload.asked_first(q, t.told) f;
  select p.* into pause from pgoffload.pause p
  where p.role_oid = q.requested_by_oid and w.attempt is null
     or p.role_oid is null and not q.is_sql
        and coalesce(p.model = asked.model, p.model is null) and coalesce(p.provider = asked.provider, p.provider is null)
  order by p.number limit 1;
  if not found then
    return w;
  end if;
  w.state := 'paused';
  w.since := pause.since;
  w.until := null;
  w.reason := format('%s has paused %s, %s ago%s', quote_ident(pause.paused_by), pgoffload.paused_words(pause),
    pgoffload.in_words(clock_timestamp() - pause.since), ': ' || pause.reason);
  w.hint := case when pause.role_oid is null
    then format('A member of pgoffload_operator resumes it: select pgoffload_resume_model(%s, %s)', quote_nullable(pause.model), quote_nullable(pause.provider))
    else format('A member of pgoffload_operator resumes it: select pgoffload_resume_role(%L)', pause.role_oid::regrole) end;
  w.detail := w.detail || jsonb_strip_nulls(jsonb_build_object('paused_by', pause.paused_by, 'pause_reason', pause.reason));
  return w;
end
$$;

-- API: Private. What the next call to a model waits for at a worker, as it tells: a state, words, and until when.
create or replace function pgoffload.pace_of(
  model text, pace jsonb, out state text, out words text, out hint text, out until timestamptz)
language plpgsql volatile
as $$
declare
  per_second constant text := coalesce(' (' || (pace ->> 'per_second') || ' a second)', '');
begin
  until := timestamptz 'epoch' + (pace ->> 'until')::double precision * interval '1 ms';
  state := case pace ->> 'why' when 'vendor_asked' then 'vendor_wait' when 'vendor_limit' then 'vendor_wait'
    when 'paused' then 'paused' else 'model_pace' end;
  words := case pace ->> 'why'
      when 'vendor_asked' then format('the vendor of %s has refused calls and asked to wait', model)
      when 'vendor_limit' then format('the vendor of %s says that its limit is used up', model)
      when 'refusals' then format('%s gets as many calls as got through before its vendor refused some%s', model, per_second)
      when 'requests_per_minute' then format('%s gets as many calls as are configured%s', model, per_second)
      when 'tokens_per_minute' then format('%s gets as many tokens as are configured', model)
      when 'paused' then format('%s is paused', model)
      when 'concurrency' then format('%s has as many calls under way as are configured (%s)', model, pace ->> 'calling')
      when 'window' then format('%s has as many calls under way as have succeeded at a time (%s)', model, pace ->> 'calling')
      else format('%s has %s under way', model, pgoffload.counted((pace ->> 'calling')::bigint, 'call')) end
    || case when until > clock_timestamp() then format('; the next one may begin in %s', pgoffload.in_words(until - clock_timestamp() + interval '1 s')) else '' end;
  hint := case pace ->> 'why'
      when 'vendor_asked' then 'Nothing: calls go on by themselves. A higher limit at the vendor, a fallback or another model helps.'
      when 'vendor_limit' then 'Nothing: calls go on by themselves. A higher limit at the vendor, a fallback or another model helps.'
      when 'refusals' then 'Nothing: the pace rises while the vendor refuses nothing. A higher limit at the vendor helps.'
      when 'requests_per_minute' then 'Raise it at the workers, if the vendor allows more: LLM_REQUESTS_PER_MINUTE, or LLM_LIMITS for this model.'
      when 'tokens_per_minute' then 'Raise it at the workers, if the vendor allows more: LLM_TOKENS_PER_MINUTE, or LLM_LIMITS for this model.'
      when 'concurrency' then 'Raise it at the workers, if the vendor allows more: LLM_MAX_CONCURRENCY, or LLM_LIMITS for this model.' end;
end
$$;

-- API: Private. What a request waits for that a worker has received and nobody has claimed: its ordering key, or a place.
create or replace function pgoffload.why_not_begun(q pgoffload.unfinished_request, received pgoffload.reason_to_wait)
returns pgoffload.reason_to_wait
language plpgsql volatile
as $$
declare
  w pgoffload.reason_to_wait := received;
  queue constant jsonb := received.detail -> 'queue';
  told constant jsonb := (select l.told from pgoffload.live_queues() l where l.worker = received.worker order by l.epoch desc limit 1);
  earlier record;
  target text;
  place jsonb;
  pace jsonb;
  role_key text;
  session_key text;
  paced record;
begin
  w.detail := received.detail - 'queue';
  w.since := q.created_at;
  w.state := 'queued';
  select * into earlier from pgoffload.before_by_key(q);
  if earlier.number > 0 then
    w.state := 'ordering_key';
    w.behind := earlier.number;
    w.as_of := clock_timestamp();
    if pg_has_role(q.requested_by_oid, earlier.requester, 'usage') then
      w.blocker := earlier.first_id;
    end if;
    w.reason := format('%s of its ordering key %s before it, the first of which is %s',
      pgoffload.counted(earlier.number, 'request'), case earlier.number when 1 then 'comes' else 'come' end,
      coalesce('request ' || w.blocker, 'another role''s'));
    w.hint := case when w.blocker is null then null else format('See what that one waits for: select * from request_why(%s)', w.blocker) end;
    return w;
  end if;
  if queue is null then
    return w;
  end if;
  if q.is_sql then
    role_key := pgoffload.depth_below(q.parent) || '/' || q.login_oid;
    session_key := role_key || '/' || coalesce(pgoffload.short_name(q.session), '');
    place := queue -> 'sessions' -> session_key;
    if (place ->> 0)::bigint > 0 and (place ->> 1)::bigint >= (place ->> 2)::bigint then
      w.state := 'session_limit';
      w.behind := (place ->> 0)::bigint - 1;
      w.reason := format('the session that launched it runs as many tasks as it may (%s, pg_background.max_workers), and %s',
        place ->> 1, case w.behind when 0 then 'this one waits' else (w.behind + 1) || ' wait' end);
      w.hint := 'Raise pg_background.max_workers in that session, or wait for its tasks.';
      return w;
    end if;
    place := queue -> 'roles' -> role_key;
    if (place ->> 0)::bigint > 0 and (place ->> 1)::bigint >= (queue ->> 'per_role')::bigint then
      w.state := 'role_limit';
      w.behind := (place ->> 0)::bigint - 1;
      w.reason := format('worker %s runs as many tasks of role %s as it may (%s), and %s',
        w.worker, pg_get_userbyid(q.login_oid), place ->> 1, case w.behind when 0 then 'this one waits' else (w.behind + 1) || ' wait' end);
      w.hint := 'Raise PGOFFLOAD_SQL_MAX_CONNECTIONS_PER_ROLE, or start another worker.';
      return w;
    end if;
    place := queue -> 'depths' -> split_part(role_key, '/', 1);
    if (place ->> 1)::bigint >= (queue ->> 'connections')::bigint then
      w.state := 'worker_limit';
      w.behind := greatest(0, (place ->> 0)::bigint - 1);
      w.reason := format('worker %s runs as many tasks as it may (%s), and %s wait', w.worker, place ->> 1, place ->> 0);
      w.hint := 'Raise PGOFFLOAD_SQL_MAX_CONNECTIONS, or start another worker.';
      return w;
    end if;
  else
    target := pgoffload.target_of(q, told);
    place := queue -> 'places' -> target;
    pace := told -> 'models' -> target;
    w.detail := w.detail || jsonb_strip_nulls(jsonb_build_object('model', target, 'pace', pace));
    if (place ->> 0)::bigint > 0 then
      -- of the others it is only known that they wait there too
      w.exact := coalesce((place ->> 2)::bigint = q.id, false);
      w.behind := case when w.exact then 0 else (place ->> 0)::bigint - 1 end;
      select * into paced from pgoffload.pace_of(target, pace);
      w.state := case when (pace ->> 'waiting')::bigint > 0 then paced.state else 'model_full' end;
      w.until := case when w.state = 'model_full' then null else paced.until end;
      w.reason := format('worker %s has %s of %s in flight, and %s in its queue', w.worker, place ->> 1, target, pgoffload.counted((place ->> 0)::bigint, 'request'))
        || case when w.exact then ', this one the next' else '' end
        || case when w.state = 'model_full' then ': a model leaves room for others' else '; ' || paced.words end;
      w.hint := case when w.state = 'model_full' then 'More workers take more at a time, or PGOFFLOAD_MAX_IN_FLIGHT.' else paced.hint end;
      return w;
    end if;
  end if;
  w.exact := false;
  w.reason := format('worker %s has read its partition, and is about to claim it; %s wait there in all', w.worker, coalesce(queue ->> 'waiting', '0'));
  w.hint := case when clock_timestamp() - q.created_at > interval '1 min' then
    'If this does not pass, see the log of the worker, and whether the request is among the dead letters: pgoffload dead-letters list' end;
  return w;
end
$$;

-- API: Private. What a claimed request to a model does at its live worker: of itself, if it is among those that the worker
-- tells by their ids, else of its model.
create or replace function pgoffload.why_called(q pgoffload.unfinished_request, claimed pgoffload.reason_to_wait)
returns pgoffload.reason_to_wait
language plpgsql volatile
as $$
declare
  w pgoffload.reason_to_wait := claimed;
  told jsonb;
  own jsonb;
  target text;
  pace jsonb;
  paced record;
  at timestamptz;
  its_turn boolean;  -- whether it is known to wait for its turn; null: not known
begin
  select l.told, l.heartbeat_at into told, w.as_of from pgoffload.live_queues() l
  where l.worker = w.worker order by l.epoch desc limit 1;
  own := told -> 'in_flight' -> q.id::text;
  target := coalesce(own ->> 3, pgoffload.target_of(q, told));
  pace := told -> 'models' -> target;
  w.detail := w.detail || jsonb_strip_nulls(jsonb_build_object('model', target, 'pace', pace, 'calls', own -> 2));
  at := timestamptz 'epoch' + (own ->> 1)::double precision * interval '1 ms';
  select * into paced from pgoffload.pace_of(target, pace);
  its_turn := case when own is not null then own ->> 0 = 'turn'
    -- all that do something else are told, and it was there by then
    when told ? 'busy' and claimed.since < w.as_of then not told -> 'busy' @> to_jsonb(q.id) end;
  w.exact := own is not null or coalesce(its_turn, false);
  case
    when own ->> 0 = 'calling' then
      w.state := 'calling';
      w.since := at;
      w.reason := format('call %s, to %s, has been under way for %s', (own ->> 2)::integer + 1, target, pgoffload.in_words(clock_timestamp() - at));
    when own ->> 0 = 'next_try' then
      w.state := 'next_try';
      w.until := at;
      w.reason := format('%s to %s failed (%s), and the next try comes in %s', case (own ->> 2)::bigint when 1 then 'a call' else (own ->> 2) || ' calls' end,
        target, coalesce(own ->> 4, 'no code'), pgoffload.in_words(at - clock_timestamp() + interval '1 s'));
    when own ->> 0 = 'answer' then
      w.state := 'another_answer';
      w.since := at;
      w.reason := 'another request asks the same, and its answer will serve this one';
    when its_turn or own is null and (pace ->> 'waiting')::bigint > 0 and (pace ->> 'calling')::bigint = 0 then
      w.state := paced.state;
      w.since := coalesce(at, w.since);
      w.until := case when paced.until > clock_timestamp() then paced.until end;
      w.behind := greatest(0, (pace ->> 'waiting')::bigint - 1);
      w.reason := format('it waits at worker %s for its turn, as %s at most do: ', w.worker, (pace ->> 'waiting')::bigint) || coalesce(paced.words, 'the model''s pace is not told');
      w.hint := paced.hint;
    when told is null then
      w.reason := format('worker %s claimed it %s ago and does not tell more', w.worker, pgoffload.in_words(clock_timestamp() - w.since));
    else
      w.state := case when its_turn is null and (pace ->> 'waiting')::bigint > 0 then paced.state else 'claimed' end;
      w.until := case when w.state <> 'claimed' then paced.until end;
      w.reason := format('worker %s claimed it %s ago; of %s it has %s under way and %s that wait for their turn', w.worker,
          pgoffload.in_words(clock_timestamp() - w.since), target,
          pgoffload.counted(coalesce((pace ->> 'calling')::bigint, 0), 'call'), coalesce(pace ->> 'waiting', '0'))
        || case when w.state <> 'claimed' then ': ' || paced.words else '' end;
      w.hint := case when w.state <> 'claimed' then paced.hint end;
  end case;
  return w;
end
$$;

-- API: Private. What a claimed task does at its live worker.
create or replace function pgoffload.why_executed(q pgoffload.unfinished_request, claimed pgoffload.reason_to_wait)
returns pgoffload.reason_to_wait
language plpgsql volatile
as $$
declare
  w pgoffload.reason_to_wait := claimed;
  used record;
  progress record;
  blocking integer[];
begin
  w.as_of := clock_timestamp();
  select s.pid, s.recorded_at, s.autocommit into used from pgoffload.sql_session s
  where s.id = q.id and s.attempt = w.attempt order by s.recorded_at desc limit 1;
  if found then
    blocking := pg_blocking_pids(used.pid);
    select p.pct, p.message into progress from pgoffload.last_progress(q.id) p;
    w.state := 'running';
    w.since := used.recorded_at;
    w.detail := w.detail || jsonb_strip_nulls(jsonb_build_object(
      'pid', used.pid, 'blocked_by', case when blocking <> '{}' then to_jsonb(blocking) end, 'progress_pct', progress.pct, 'progress_msg', progress.message));
    w.reason := format('it has been executed by session %s of worker %s for %s', used.pid, w.worker, pgoffload.in_words(clock_timestamp() - used.recorded_at))
      || case when blocking <> '{}' then format(', and waits for a lock that session %s holds', array_to_string(blocking, ', ')) else '' end
      || case when progress.pct is null then '' else format('; it says that it has done %s %%', progress.pct) end;
    w.hint := case when blocking <> '{}' then format('See what holds it up: select * from pg_stat_activity where pid = any (%L)', blocking) end;
    return w;
  end if;
  select p.message, p.recorded_at into progress from pgoffload.sql_progress p
  where p.id = q.id and p.attempt = w.attempt and p.waits order by p.number desc limit 1;
  if found then
    w.state := 'no_session';
    w.since := progress.recorded_at;
    w.reason := format('worker %s has claimed it, and it %s', w.worker, progress.message);
    w.hint := 'See max_connections, the connection limit of the role, and PGOFFLOAD_SQL_MAX_CONNECTIONS_PER_ROLE.';
    return w;
  end if;
  w.reason := format('worker %s claimed it %s ago and is about to begin', w.worker, pgoffload.in_words(clock_timestamp() - w.since));
  return w;
end
$$;

-- API: Private. Whether a request has been cancelled by a role that may. Runs within its callers' rights.
create or replace function pgoffload.is_cancelled(id bigint, requested_by_oid oid) returns boolean
language sql stable
as $$
  select exists (select from pgoffload.cancellation k
                 where k.id = is_cancelled.id and pgoffload.may_act_for(k.by_oid, is_cancelled.requested_by_oid))
$$;

-- API: Private. What a claimed request waits for.
create or replace function pgoffload.why_claimed(q pgoffload.unfinished_request, claim pgoffload.claim)
returns pgoffload.reason_to_wait
language plpgsql volatile
as $$
declare
  w pgoffload.reason_to_wait;
  dead_after constant interval := (select s.value::interval from pgoffload.setting s where s.name = 'worker_dead_after');
  task_dead_after constant interval := (select s.value::interval from pgoffload.setting s where s.name = 'task_dead_after');
  lease record;
  others bigint;
begin
  w.state := 'claimed';
  w.exact := true;
  w.worker := claim.worker;
  w.attempt := claim.attempt;
  w.since := claim.claimed_at;
  w.as_of := clock_timestamp();
  w.detail := '{}';
  if pgoffload.worker_is_alive(claim.worker, claim.epoch) then
    w := case when q.is_sql then pgoffload.why_executed(q, w) else pgoffload.or_paused(q, pgoffload.why_called(q, w)) end;
    if pgoffload.is_cancelled(q.id, q.requested_by_oid) then
      w.state := 'cancelling';
      w.reason := 'it is cancelled, and has not ended yet: ' || w.reason;
      w.hint := case when q.is_sql then coalesce(w.hint, 'If it does not end, end its session: pg_terminate_backend.') end;
    elsif q.deadline < clock_timestamp() then
      w.state := 'expiring';
      w.reason := format('its time was over %s ago, and it has not ended yet: ', pgoffload.in_words(clock_timestamp() - q.deadline)) || w.reason;
    end if;
    return w;
  end if;
  select l.heartbeat_at, l.released_at into lease from pgoffload.worker l where l.name = claim.worker and l.epoch = claim.epoch;
  select count(*) into others from pgoffload.live_queues() l where not q.is_sql or l.runs_sql;
  w.state := 'takeover_due';
  w.since := coalesce(lease.released_at, lease.heartbeat_at);
  w.reason := format('worker %s, which has attempt %s of it, %s', claim.worker, claim.attempt,
    case when lease.released_at is not null then 'has ended' when lease.heartbeat_at is null then 'is gone'
         else 'was last heard of ' || pgoffload.in_words(clock_timestamp() - lease.heartbeat_at) || ' ago' end)
    || case when others = 0 then format(', and no worker%s is alive to take it over', case when q.is_sql then ' with SQL' else '' end)
            else '; another takes it over when it reads its partition, or at its next look' end;
  if q.is_sql and pgoffload.task_goes_on(q.id, claim.attempt, claim.worker, claim.epoch) then
    w.until := lease.heartbeat_at + task_dead_after;
    w.reason := w.reason || format('; its session lives, and is left alone until %s after that', pgoffload.in_words(task_dead_after));
  end if;
  w.hint := case when others = 0 and q.is_sql then 'Start a worker with PGOFFLOAD_SQL_DATABASE_URL set.'
                 when others = 0 then 'Start one with: pgoffload worker' end;
  return w;
end
$$;

-- API: Private. A request that a role may see, whatever its kind; null if there is none of this id and nonce. The nonce
-- proves that the caller may read the row.
create or replace function pgoffload.request_of(id bigint, nonce uuid) returns pgoffload.unfinished_request
language plpgsql stable
as $$
declare
  q pgoffload.unfinished_request;
begin
  select l.id, l.kind, false, l.requested_by_oid, l.created_at, l.created_xid, l.immediate,
         l.created_at + coalesce(l.timeout, (select s.value::interval from pgoffload.setting s where s.name = 'default_timeout')),
         l.provider, l.model, l.ordering_key, coalesce(l.ordering_key, l.id::text), null, null, null
  into q from ${public_schema}.llm_request l
  where l.id = request_of.id and l.nonce = request_of.nonce;
  if found then
    return q;
  end if;
  select t.id, 'sql', true, t.requested_by_oid, t.created_at, t.created_xid, t.immediate, t.created_at + t.timeout,
         null, null, t.ordering_key,
         coalesce(t.ordering_key, case when t.immediate then 'session ' || t.session end, t.id::text), t.login_oid, t.session, t.parent
  into q from ${public_schema}.sql_request t
  where t.id = request_of.id and t.nonce = request_of.nonce;
  return q;
end
$$;

-- API: Private. Why a request waits, or how it has ended. No row without the request's nonce, which only those know who may
-- read the request.
create or replace function pgoffload.why_of(request_id bigint, nonce uuid)
returns setof pgoffload.reason_to_wait
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- as in pgoffload.claim_llm_requests
set enable_seqscan = off
as $$
declare
  q constant pgoffload.unfinished_request := pgoffload.request_of(request_id, nonce);
  w pgoffload.reason_to_wait;
  claim pgoffload.claim;
  ended record;
begin
  if q.id is null then
    return;
  end if;
  w.exact := true;
  w.as_of := clock_timestamp();
  w.detail := '{}';
  select r.status, r.finished_at, r.error_code as code, r.attempts into ended from pgoffload.llm_result r where r.id = q.id
  union all
  select r.status, r.finished_at, r.error ->> 'sqlstate', r.attempt from pgoffload.sql_result r where r.id = q.id;
  if found then
    w.state := 'finished';
    w.since := ended.finished_at;
    w.attempt := ended.attempts;
    w.reason := format('it ended as %s%s, %s ago', ended.status, coalesce(' (' || ended.code || ')', ''), pgoffload.in_words(clock_timestamp() - ended.finished_at));
    w.detail := jsonb_strip_nulls(jsonb_build_object('status', ended.status, 'error_code', ended.code));
    return next w;
    return;
  end if;
  if not q.immediate and q.created_xid = pg_current_xact_id_if_assigned() then
    w.state := 'uncommitted';
    w.since := q.created_at;
    w.reason := 'this transaction has inserted it: it is sent when the transaction commits';
    w.hint := 'Commit.';
    return next w;
    return;
  end if;
  if pgoffload.is_copy()
     or not exists (select from pgoffload.installation i where i.id::uuid = (
       select l.installation from ${public_schema}.llm_request l where l.id = q.id
       union all select t.installation from ${public_schema}.sql_request t where t.id = q.id)) then
    w.state := 'foreign';
    w.reason := 'it was copied or restored from another installation, or into this one: it is not executed here';
    w.hint := case when pgoffload.is_copy() then 'To run this database as an installation of its own: pgoffload adopt. ' else '' end || 'Ask again, as a new request.';
    return next w;
    return;
  end if;
  select c.* into claim from pgoffload.claim c where c.id = q.id order by c.attempt desc limit 1;
  if found then
    return next pgoffload.why_claimed(q, claim);
    return;
  end if;
  w := pgoffload.why_not_captured(q);
  if w.state is null then
    w := pgoffload.why_not_received(q);
  end if;
  if w.state is null then
    w := pgoffload.why_not_begun(q, w);
  end if;
  w := pgoffload.or_paused(q, w);
  if pgoffload.is_cancelled(q.id, q.requested_by_oid) then
    w.detail := w.detail || jsonb_build_object('but_for_that', w.state);
    w.state := 'cancelling';
    w.reason := 'it is cancelled, and ends when a worker takes it: ' || w.reason;
  elsif q.deadline < clock_timestamp() then
    w.detail := w.detail || jsonb_build_object('but_for_that', w.state);
    w.state := 'expiring';
    w.reason := format('its time was over %s ago, and it ends when a worker takes it: ', pgoffload.in_words(clock_timestamp() - q.deadline)) || w.reason;
  end if;
  return next w;
end
$$;

-- API: Private. What may be said of a request of which no worker has heard that this session has sent at once.
create or replace function pgoffload.why_unrecorded() returns setof pgoffload.reason_to_wait
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  q pgoffload.unfinished_request;
  w pgoffload.reason_to_wait;
  alive record;
begin
  q.is_sql := true;
  q.kind := 'sql';
  q.created_at := clock_timestamp();
  q.immediate := false;
  q.created_xid := pg_snapshot_xmax(pg_current_snapshot());
  w := pgoffload.why_not_captured(q);
  select count(*) as workers, count(*) filter (where l.runs_sql) as with_sql into alive from pgoffload.live_queues() l;
  w.as_of := clock_timestamp();
  if coalesce(w.state, 'not_captured') = 'not_captured' and alive.with_sql = 0 then
    w.detail := coalesce(w.detail, '{}');
    w.state := case alive.workers when 0 then 'no_worker' else 'no_sql_worker' end;
    w.hint := case alive.workers when 0 then 'Start one with: pgoffload worker' else 'Start a worker with PGOFFLOAD_SQL_DATABASE_URL set.' end;
    w.reason := case alive.workers when 0 then 'no worker is alive' else 'no worker that is alive executes SQL' end;
  elsif w.state = 'not_captured' then
    w.reason := 'this session has launched it, and no worker has read it yet: ' || w.reason;
  end if;
  w.exact := false;
  w.since := null;
  return next w;
end
$$;

-- API: Public. Why a request of any kind waits, or how it has ended: one row. Raises for a request that does not exist, or
-- that the caller may not see. What the workers tell is as old as as_of says.
create or replace function ${public_schema}.request_why(
  id bigint)                -- of a request that the caller may see
returns table (
  kind text,                -- ask | embed | rerank | sql
  state text,               -- one of the words that docs/why-requests-wait.md lists
  reason text,              -- a sentence
  hint text,                -- what to do; null: nothing
  since timestamptz,        -- since when it is so; null: not known
  until timestamptz,        -- before when it does not change; null: not known
  behind bigint,            -- how many stand before it, at most; null: not known
  blocker bigint,           -- the request that it waits for; null: none, or one that the caller may not see
  worker text,              -- that has it; null: none
  attempt integer,          -- of its claim; null: nobody has claimed it
  exact boolean,            -- whether this is known of the request itself, and not of the queue that it is in
  as_of timestamptz,        -- when it was known
  detail jsonb)             -- numbers by their names
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  asked record;
begin
  select l.kind, l.nonce into asked from ${public_schema}.llm_request l where l.id = request_why.id
  union all
  select 'sql', t.nonce from ${public_schema}.sql_request t where t.id = request_why.id;
  if asked.kind is not null and asked.nonce is null then
    return query
      select asked.kind, case when s.status in ('queued', 'running') then 'queued' else 'finished' end,
             'it was asked with an earlier version, of which no more is known than that it is ' || s.status, null, null::timestamptz,
             null::timestamptz, null::bigint, null::bigint, null, null::integer, false, clock_timestamp(), jsonb_build_object('status', s.status)
      from pgoffload.request_status(request_why.id) s (status);
  elsif asked.kind is not null then
    return query
      select asked.kind, w.state, w.reason, w.hint, w.since, w.until, w.behind, w.blocker, w.worker, w.attempt,
             w.exact, w.as_of, w.detail
      from pgoffload.why_of(request_why.id, asked.nonce) w;
  elsif pgoffload.is_launched_here(request_why.id) then
    return query
      select 'sql', w.state, w.reason, w.hint, w.since, w.until, w.behind, w.blocker, w.worker, w.attempt,
             w.exact, w.as_of, w.detail
      from pgoffload.why_unrecorded() w;
  else
    raise exception 'request % does not exist', coalesce(request_why.id::text, 'null')
      using errcode = 'undefined_object',
            detail = 'There is none of this id that role ' || quote_ident(current_user) || ' may see.',
            hint = 'The id is what INSERT INTO llm_request or sql_request … RETURNING id gave. A rolled back request does not exist, and old ones are removed.';
  end if;
end
$$;
