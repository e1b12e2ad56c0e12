-- How far the consumers have come, and what a fail-over to a standby that had not got everything leaves to be done.

-- API: Private, for workers. Registers a worker anew after a fail-over, and releases its lease of before. What runs there
-- goes over to the new lease, also where its claim was lost. All else that was claimed under the old lease is a dead
-- worker's: it is executed again where its result was lost. Raises 25006 where the server has another token.
create or replace function pgoffload.register_worker_anew(
  worker_name text, worker_epoch bigint,      -- the lease of before
  provider text, model text, version text,    -- as in pgoffload.register_worker
  token uuid,                                 -- of the timeline that the worker knows
  ids bigint[],                               -- of the LLM requests that run there
  attempts integer[],                         -- as which each was claimed
  requested_by_oids oid[], nonces uuid[],
  immediate boolean[],                        -- its row may be lost: it is recorded when it is claimed
  out epoch bigint,                           -- of the new lease
  out kept bigint[],                          -- those that are the worker's; another worker has, or the server has lost,
                                              -- the others
  out kept_attempts integer[])
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- as in pgoffload.claim_llm_requests
set enable_seqscan = off
as $$
#variable_conflict use_column
declare
  begun bigint;
  before bigint[];
begin
  perform pgoffload.require_token(token);
  -- until this commits, a takeover finds the old lease locked and looks again; with it one that was registered so and
  -- never renewed, because its reply was lost
  with released as (
    update pgoffload.worker w set released_at = clock_timestamp(), in_flight = 0
    where w.name = worker_name and w.released_at is null
      and (w.epoch = worker_epoch or w.epoch > worker_epoch and w.heartbeat_at < w.returned_at)
    returning w.epoch
  )
  select worker_epoch || array_agg(r.epoch) into before from released r;
  begun := pgoffload.register_worker(worker_name, provider, model, version);
  -- others may not have found this server yet
  update pgoffload.worker w set returned_at = clock_timestamp() where w.name = worker_name and w.epoch = begun;
  epoch := begun;
  with running as (
    insert into pgoffload.claim as x (id, attempt, worker, epoch, requested_by_oid, nonce)
    select a.id, greatest(a.attempt, pgoffload.attempts_until(latest.attempt, latest.written) + 1),
           worker_name, begun, a.requested_by_oid, a.nonce
    from unnest(ids, attempts, requested_by_oids, nonces, immediate)
      a (id, attempt, requested_by_oid, nonce, immediate)
    left join lateral (
      select c.attempt, c.worker, c.epoch, c.nonce, c.xmin as written from pgoffload.claim c
      where c.id = a.id order by c.attempt desc limit 1) latest on true
    where not exists (select from pgoffload.llm_result r where r.id = a.id)
      and case when latest.attempt is not null
            then latest.worker = worker_name and latest.epoch = any (before) and coalesce(latest.nonce = a.nonce, true)
            else a.immediate or exists (
              select from ${public_schema}.llm_request q
              where q.id = a.id and q.requested_by_oid = a.requested_by_oid and coalesce(q.nonce = a.nonce, true)) end
    order by a.id  -- as in pgoffload.claim_requests
    on conflict do nothing
    returning x.id, x.attempt
  )
  select array_agg(r.id), array_agg(r.attempt) into kept, kept_attempts from running r;
end
$$;

-- API: Private, for workers and the results application. Records how far partitions are worked off. A consumer that has
-- not gone back since the last fail-over records nothing.
create or replace function pgoffload.record_positions(topics text[], partitions integer[], next_offsets bigint[])
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into pgoffload.consumer_position as p (topic, partition, next_offset, token)
  select a.topic, a.partition, a.next_offset, t.token
  from unnest(topics, partitions, next_offsets) a (topic, partition, next_offset),
       lateral (select pgoffload.current_token() as token) t
  where t.token is not null
  order by a.topic, a.partition  -- two writers must not wait for each other in a circle
  on conflict (topic, partition) do update
    set next_offset = excluded.next_offset, recorded_at = clock_timestamp(),
        -- the consumer is where it was: nothing comes again any more
        repeated_below = case when excluded.next_offset < p.repeated_below then p.repeated_below end
    where p.token = excluded.token;
end
$$;

-- API: Private, for workers and the results application. The same for a consumer that knows the token of the timeline on
-- which it has gone back. False: it is another's by now, nothing is recorded, and the consumer has to go back.
create or replace function pgoffload.record_positions_since(
  token uuid, topics text[], partitions integer[], next_offsets bigint[])
returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if record_positions_since.token is distinct from pgoffload.current_token() then
    return false;
  end if;
  perform pgoffload.record_positions(topics, partitions, next_offsets);
  return true;
end
$$;

-- API: Private, for workers and the results application. Older ones ask where the consumer of newly assigned partitions
-- begins, by their place in the arrays: those that are not among the rows begin where the group has committed.
--   next_offset     where to go back to
--   repeated_below  records below may have come before the last fail-over; null: pgoffload.begin_to_repeat is to be
--                   told where the partition ends
create or replace function pgoffload.positions_to_repeat(topics text[], partitions integer[])
returns table (place integer, next_offset bigint, repeated_below bigint)
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
  select a.place::integer, p.next_offset, case when p.token = pgoffload.current_token() then p.repeated_below end
  from unnest(topics, partitions) with ordinality a (topic, partition, place)
  join pgoffload.consumer_position p on p.topic = a.topic and p.partition = a.partition
  where p.token <> pgoffload.current_token() or p.next_offset < p.repeated_below
$$;

-- API: Private, for workers and the results application. The position of each partition, in the order of the arrays, with
-- the token of the present timeline.
--   next_offset     null: none is recorded yet
--   goes_back       whether the consumer begins there, and not where the group has committed
--   repeated_below  as of pgoffload.positions_to_repeat
create or replace function pgoffload.positions_at_begin(topics text[], partitions integer[])
returns table (token uuid, next_offset bigint, goes_back boolean, repeated_below bigint)
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
  select t.token, p.next_offset, coalesce(p.token <> t.token or p.next_offset < p.repeated_below, false),
         case when p.token = t.token then p.repeated_below end
  from (select pgoffload.current_token() as token) t
  cross join unnest(topics, partitions) with ordinality a (topic, partition, place)
  left join pgoffload.consumer_position p on p.topic = a.topic and p.partition = a.partition
  order by a.place
$$;

-- API: Private, for workers and the results application. Notes that consumers go back, and where their partitions end:
-- until then records may come a second time. After a fail-over they go back to their positions. Where a partition ends
-- before its position, or before what was to come again, Kafka has lost records, and may have others in their place: it
-- is read from its beginning.
create or replace function pgoffload.begin_to_repeat(topics text[], partitions integer[], ends bigint[]) returns void
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  update pgoffload.consumer_position p
  set token = pgoffload.current_token(), repeated_below = a.ends_at,
      next_offset = case when p.next_offset > a.ends_at
                           or p.token = pgoffload.current_token() and p.repeated_below > a.ends_at
                         then 0 else p.next_offset end,
      recorded_at = clock_timestamp()
  from unnest(topics, partitions, ends) a (topic, partition, ends_at)
  where p.topic = a.topic and p.partition = a.partition
    and (p.token <> pgoffload.current_token() or p.next_offset > a.ends_at or p.repeated_below > a.ends_at)
$$;

-- API: Private, for workers and the results application. Records that Kafka has lost records that were worked off: a
-- sweep sends again what has no result. As with pgoffload.record_capture_break, the partitions of the next range have to
-- be there.
create or replace function pgoffload.record_kafka_loss() returns void
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  select pgoffload.record_capture_break('kafka_lost')
$$;

-- API: Private, for workers. How far each partition of a topic is worked off.
create or replace function pgoffload.positions_of(topic text) returns table (partition integer, next_offset bigint)
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
  select p.partition, p.next_offset from pgoffload.consumer_position p where p.topic = positions_of.topic
$$;

-- API: Private, for the producer and the results application. Whether consumers have worked off again what may have come
-- before the last fail-over, of these topics.
create or replace function pgoffload.is_repeated(topics text[]) returns boolean
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
  select not exists (
    select from pgoffload.consumer_position p
    where p.topic = any (topics)
      and (p.token <> pgoffload.current_token() or p.next_offset < p.repeated_below))
$$;

-- API: Private, for the results application. Takes results without a claim. Of an LLM request of before the last
-- fail-over whose row is here, the result is written: requester and nonce are the row's. Others are kept, if they may
-- have come before the fail-over, or come while its consequences are worked off: an immediate request has no row before
-- it is claimed again. Returns the places of those that were taken.
create or replace function pgoffload.take_results(
  topic text, partitions integer[], record_offsets bigint[],
  messages text[],      -- results of either kind, as they are on the topic
  is_sql boolean[],
  repeated boolean[])   -- whether it may have come before the last fail-over
returns setof integer
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- as in pgoffload.claim_llm_requests
set enable_seqscan = off
as $$
#variable_conflict use_column
declare
  before_id constant bigint := (
    select t.first_id from pgoffload.server_timeline t where t.first_id is not null order by t.number desc limit 1);
  under_way constant boolean := exists (
    select from pgoffload.consumer_position p
    where (p.next_offset < p.repeated_below or p.token <> pgoffload.current_token())
      -- not those of an earlier prefix, whose topics nothing reads any more
      and starts_with(p.topic, regexp_replace(take_results.topic, '[^.]*$', '')));
  taken integer[];
  kept integer[];
begin
  select coalesce(array_agg(m.place), '{}') into kept
  from unnest(messages, repeated) with ordinality m (message, repeated, place),
       lateral json_to_record(m.message::json) t (id bigint)
  where m.repeated or under_way and t.id < before_id;

  with told as materialized (
    select m.place, m.message, t.id, t.nonce, t.requested_by_oid
    from unnest(messages, is_sql, repeated) with ordinality m (message, is_sql, repeated, place),
         lateral json_to_record(m.message::json) t (id bigint, nonce uuid, requested_by_oid oid)
    where not m.is_sql and (m.repeated or t.id < before_id)
  ), of_rows as materialized (
    select t.*
    from told t,
         lateral (select from ${public_schema}.llm_request q
                  where q.id = t.id and q.requested_by_oid = t.requested_by_oid and q.nonce = t.nonce limit 1) request
  ), written as (
    insert into pgoffload.llm_result
    select r.*
    from of_rows t, lateral json_populate_record(null::pgoffload.llm_result, pgoffload.with_chunks(t.message)::json) r
    order by t.place  -- the first one wins
    on conflict (id) do nothing
    returning id
  ), notified as materialized (
    select pg_notify('llm_done', w.id::text) from written w
    union all
    select pgoffload.queue_maintained(array_agg(w.id)) from written w
  )
  select coalesce(array_agg(o.place), '{}') into taken from of_rows o where (select count(*) from notified) is not null;

  kept := array(select k from unnest(kept) k where k <> all (taken));
  if kept <> '{}' then
    begin
      -- what no table takes is refused now, and not when it is claimed
      insert into pgoffload.llm_result
      select r.*
      from unnest(kept) k, lateral json_populate_record(null::pgoffload.llm_result, messages[k]::json) r
      where not is_sql[k]
      on conflict (id) do nothing;
      raise exception 'all can be taken' using errcode = 'PO005';
    exception when sqlstate 'PO005' then
      null;
    end;
    insert into pgoffload.unclaimed_result (topic, partition, record_offset, id, nonce, requested_by_oid, result)
    select take_results.topic, partitions[k], record_offsets[k], t.id, t.nonce, t.requested_by_oid,
           case when not is_sql[k] then messages[k]::json end
    from unnest(kept) k, lateral json_to_record(messages[k]::json) t (id bigint, nonce uuid, requested_by_oid oid)
    on conflict do nothing;
  end if;
  return query select unnest(taken || kept);
end
$$;

-- API: Private, for the results application. The same for one of an earlier version, which takes results of before a
-- fail-over alone.
create or replace function pgoffload.keep_unclaimed_results(
  topic text, partitions integer[], record_offsets bigint[], messages text[], is_sql boolean[])
returns void
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  select pgoffload.take_results(
    topic, partitions, record_offsets, messages, is_sql, array_fill(true, array[cardinality(messages)]))
$$;

-- API: Private, for workers. Which of these LLM requests have a result here: in the table, or kept until a claim takes it.
create or replace function pgoffload.known_results(ids bigint[], requested_by_oids oid[], nonces uuid[])
returns setof bigint
language sql stable security definer
set search_path = pg_catalog, pg_temp
-- as in pgoffload.claim_llm_requests
set enable_seqscan = off
as $$
  select a.id
  from unnest(ids, requested_by_oids, nonces) a (id, requested_by_oid, nonce)
  where exists (select from pgoffload.llm_result r where r.id = a.id)
     or exists (
       select from pgoffload.unclaimed_result u
       where u.id = a.id and u.requested_by_oid = a.requested_by_oid and u.nonce = a.nonce and u.result is not null)
$$;

-- API: Private, for the results application. Results that stand for nothing on this server, and that nothing will stand
-- for any more: readers of the topic are told. Of SQL at once, because a task that is executed again has another result;
-- of LLM requests when everything of before the fail-over has been worked off.
create or replace function pgoffload.results_to_withdraw(
  request_topics text[],  -- of LLM requests
  most integer)
returns table (topic text, partition integer, record_offset bigint, id bigint, nonce uuid)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
  -- a claim may have been made while the result was about to be kept
  perform pgoffload.take_unclaimed_results(array_agg(u.id), array_agg(u.requested_by_oid), array_agg(u.nonce))
  from pgoffload.unclaimed_result u,
       lateral (select from pgoffload.claim c
                where c.id = u.id and c.requested_by_oid = u.requested_by_oid and c.nonce = u.nonce limit 1) claim
  where u.result is not null
  having count(*) > 0;
  return query
  select u.topic, u.partition, u.record_offset, u.id, u.nonce
  from pgoffload.unclaimed_result u
  where u.result is null or pgoffload.is_repeated(request_topics)
  order by u.topic, u.partition, u.record_offset
  limit most;
end
$$;

-- API: Private, for the results application. Readers of the topic have been told.
create or replace function pgoffload.end_withdrawal(topics text[], partitions integer[], record_offsets bigint[])
returns void
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  delete from pgoffload.unclaimed_result u
  using unnest(topics, partitions, record_offsets) a (topic, partition, record_offset)
  where u.topic = a.topic and u.partition = a.partition and u.record_offset = a.record_offset
$$;
