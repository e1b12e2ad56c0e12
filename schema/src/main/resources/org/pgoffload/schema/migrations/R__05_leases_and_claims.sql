-- Which worker lives, and which worker may run what: leases and claims. What workers call here is for the role
-- pgoffload_worker alone.

-- API: Private. Since when workers have been able to renew their leases on this server. Runs within its
-- callers' rights and search_path.
create or replace function pgoffload.server_since() returns timestamptz
language sql stable
as $$
  select greatest(
    pg_catalog.pg_postmaster_start_time(),
    (select t.accepted_at from pgoffload.server_timeline t
     where t.reason in ('promoted', 'accepted') order by t.number desc limit 1))
$$;

-- API: Private. Whether the worker that holds this lease lives, by the database's clock: its lease is fresh, or could
-- not be renewed because the server has just started.
create or replace function pgoffload.worker_is_alive(worker_name text, worker_epoch bigint) returns boolean
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
  select exists (
    select from pgoffload.worker w
    where w.name = worker_name and w.epoch = worker_epoch and w.released_at is null
      and (w.heartbeat_at > clock_timestamp()
               - (select s.value::interval from pgoffload.setting s where s.name = 'worker_dead_after')
           -- no worker could renew while the server was down: that alone makes none dead
           or least(pgoffload.server_since(), clock_timestamp()) > clock_timestamp()
               - (select s.value::interval from pgoffload.setting s where s.name = 'worker_dead_after')))
$$;

-- API: Private. Removes the leases of the dead: those that a later registration of the name has replaced a minute later,
-- others after a day, for llm_worker to show. A claim without a lease is a dead worker's. A lease that a claim under way holds
-- stays. Runs within its callers' rights and search_path.
create or replace function pgoffload.remove_dead_leases() returns void
language sql volatile
as $$
  delete from pgoffload.worker w
  where w.ctid = any (array(
    select o.ctid from pgoffload.worker o
    where coalesce(o.released_at, o.heartbeat_at) < clock_timestamp()
        - (select s.value::interval from pgoffload.setting s where s.name = 'worker_dead_after')
        - case when exists (select from pgoffload.worker n where n.name = o.name and n.epoch > o.epoch)
               then interval '1 minute' else interval '1 day' end
      -- an old lease is a live worker's still when the server was down for long
      and not pgoffload.worker_is_alive(o.name, o.epoch)
    for update skip locked));
  delete from pgoffload.worker_queue q
  where not exists (select from pgoffload.worker w where w.name = q.worker and w.epoch = q.epoch)
$$;

-- API: Private, for workers. Registers a worker process; returns the epoch of its lease, which no other has had.
create or replace function pgoffload.register_worker(
  worker_name text,     -- unique to the process
  provider text,        -- what it resolved: openai, anthropic, …
  model text,           -- its default model
  version text)
returns bigint
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  select pgoffload.remove_dead_leases();
  insert into pgoffload.worker (name, provider, model, version)
  values (worker_name, provider, model, version)
  returning epoch
$$;

-- API: Private, for workers. Tells what a worker ranks documents with, in the statement that registers it.
create or replace function pgoffload.tell_reranker(
  worker_name text, worker_epoch bigint,
  model text,           -- that ranks where a request names none; null: the worker has no reranker
  documents integer)    -- how many it takes in one request
returns void
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  delete from pgoffload.reranker r
  where not exists (select from pgoffload.worker w where w.name = r.worker and w.epoch = r.epoch);
  insert into pgoffload.reranker (worker, epoch, model, documents)
  select worker_name, worker_epoch, tell_reranker.model, tell_reranker.documents where tell_reranker.model is not null
$$;

-- API: Private. How many documents are ranked in one request, by what the live workers tell; null where none of them has
-- a reranker. While no worker lives, the one that lived last tells.
create or replace function pgoffload.rerank_documents() returns integer
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  with told as (
    select r.documents, w.heartbeat_at, pgoffload.worker_is_alive(w.name, w.epoch) as alive
    from pgoffload.worker w left join pgoffload.reranker r on r.worker = w.name and r.epoch = w.epoch)
  select case when exists (select from told where alive)
              then (select min(t.documents) from told t where t.alive)
              else (select t.documents from told t order by t.heartbeat_at desc limit 1) end
$$;

-- API: Private. Notes how far the capture has come, for pgoffload.why_not_captured: each second at most, and only once
-- the slot is past the position that was noted last. One of another server's WAL, which came with a dump, counts for
-- nothing. Waits for nobody who notes the same. Runs within its callers' rights and search_path.
create or replace function pgoffload.mark_capture() returns void
language plpgsql volatile
as $$
begin
  update pgoffload.capture_mark m
  set captured = case when m.wal_position <= pg_current_wal_insert_lsn() then m.snapshot end,
      captured_at = case when m.wal_position <= pg_current_wal_insert_lsn() then m.marked_at end,
      -- in this order: the snapshot is this statement's, and the position is read after it was taken
      snapshot = pg_current_snapshot(), wal_position = pg_current_wal_insert_lsn(), marked_at = clock_timestamp()
  where m.ctid = any (array(
    select o.ctid from pgoffload.capture_mark o
    where o.marked_at is null
       or o.wal_position > pg_current_wal_insert_lsn()
       or o.marked_at < clock_timestamp() - interval '0.9 s'
          and o.wal_position <= (select s.confirmed_flush_lsn from pg_replication_slots s
                                 where s.slot_name = (select t.value from pgoffload.setting t where t.name = 'slot'))
    for update skip locked));
end
$$;

-- API: Private. Keeps what a worker tells of its queues, if that is not what it told last. Runs within its callers'
-- rights and search_path.
create or replace function pgoffload.tell_queues(worker_name text, worker_epoch bigint, queues jsonb) returns void
language plpgsql volatile
as $$
begin
  insert into pgoffload.worker_queue as q (worker, epoch, told) values (worker_name, worker_epoch, queues)
  on conflict (worker, epoch) do update set told = excluded.told where q.told <> excluded.told;
end
$$;

-- API: Private, for workers. Renews a lease and says what the worker does; false when the lease was released, or
-- removed. Renewals come every second. One that comes later than worker_dead_after after the one before follows a gap.
create or replace function pgoffload.renew_lease(
  worker_name text, worker_epoch bigint, in_flight integer,
  doing jsonb)          -- numbers by name: see the columns of llm_worker; and queues: see pgoffload.worker_queue
returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  renewed boolean;
begin
  update pgoffload.worker w
  set heartbeat_at = clock_timestamp(), in_flight = renew_lease.in_flight, doing = renew_lease.doing - 'queues',
      returned_at = case when w.heartbeat_at < clock_timestamp() - greatest(interval '2 s', (
                           select s.value::interval from pgoffload.setting s where s.name = 'worker_dead_after'))
                         then clock_timestamp() else w.returned_at end
  where w.name = worker_name and w.epoch = worker_epoch and w.released_at is null;
  renewed := found;
  if renewed and doing ? 'queues' then
    perform pgoffload.tell_queues(worker_name, worker_epoch, doing -> 'queues');
    perform pgoffload.mark_capture();
  end if;
  return renewed;
end
$$;

-- API: Private, for workers. Gives a lease up: what the worker had claimed and not finished is taken over at once.
create or replace function pgoffload.release_lease(worker_name text, worker_epoch bigint) returns void
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  update pgoffload.worker set released_at = clock_timestamp(), in_flight = 0
  where name = worker_name and epoch = worker_epoch
$$;

-- API: Private, for workers. How many workers live, by which limits that they share are divided; at least 1.
create or replace function pgoffload.live_workers() returns integer
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
  select greatest(1, count(*))::integer from pgoffload.worker w where pgoffload.worker_is_alive(w.name, w.epoch)
$$;

-- API: Private. Raises PO001 for a worker whose lease is lost. Runs within its callers' rights and search_path.
create or replace function pgoffload.require_lease(worker_name text, worker_epoch bigint) returns void
language plpgsql stable
as $$
begin
  if not pgoffload.worker_is_alive(worker_name, worker_epoch) then
    raise exception 'the lease of worker % epoch % is lost', worker_name, worker_epoch
      using errcode = 'PO001', hint = 'Register again; what it had claimed may have been taken over.';
  end if;
end
$$;

-- API: Private. Holds the caller's lease until this transaction ends, so that no takeover comes between this check and
-- the claim's commit; renewals go on beside it. Raises PO001 as require_lease does. Runs within its callers' rights and
-- search_path.
create or replace function pgoffload.hold_lease(worker_name text, worker_epoch bigint) returns void
language plpgsql volatile
as $$
declare
  renewed timestamptz;
  dead_after interval;
begin
  select w.heartbeat_at, (select s.value::interval from pgoffload.setting s where s.name = 'worker_dead_after')
  into renewed, dead_after
  from pgoffload.worker w where w.name = worker_name and w.epoch = worker_epoch and w.released_at is null for key share;
  -- in a statement of its own: what that one computes, it computes before it has the lock
  if not found or renewed <= clock_timestamp() - dead_after then
    perform pgoffload.require_lease(worker_name, worker_epoch);
  end if;
end
$$;

-- API: Private. Whether a worker may take others for dead: after a gap in its own renewals others may have had the same
-- one, and be about to renew theirs. Runs within its callers' rights and search_path.
create or replace function pgoffload.judges(worker_name text, worker_epoch bigint) returns boolean
language sql stable
as $$
  select not exists (
    select from pgoffload.worker w
    where w.name = worker_name and w.epoch = worker_epoch
      and w.returned_at > clock_timestamp()
          - (select s.value::interval from pgoffload.setting s where s.name = 'worker_dead_after'))
$$;

drop function if exists pgoffload.may_be_taken_over(text, bigint);

-- API: Private. Whether a worker is dead, and will be until this transaction ends: one that wakes up renews its lease
-- after that, and then finds what was taken from it. False while a claim or a renewal of it is under way: the caller
-- looks again. Runs within its callers' rights and search_path.
create or replace function pgoffload.may_be_taken_over(
  worker_name text, worker_epoch bigint,
  by_name text, by_epoch bigint)      -- who asks; of one that may not judge others: whether the lease was released
returns boolean
language plpgsql volatile
as $$
declare
  released boolean;
begin
  if pgoffload.worker_is_alive(worker_name, worker_epoch) then
    return false;
  end if;
  select w.released_at is not null into released
  from pgoffload.worker w where w.name = worker_name and w.epoch = worker_epoch for update skip locked;
  if not found then
    return not exists (select from pgoffload.worker w where w.name = worker_name and w.epoch = worker_epoch);
  end if;
  return (released or pgoffload.judges(by_name, by_epoch)) and not pgoffload.worker_is_alive(worker_name, worker_epoch);
end
$$;

-- API: Private, for workers. The transactions that have held a dead worker's lease for worker_dead_after, and so keep its
-- claims from being taken over: claims of that worker that are stalled, and not takeovers, which hold a live worker's
-- lease as well. Some may have ended, and some be others: a number is that of a transaction and that of a group of
-- transactions, and SQL does not tell which of both a row names.
create or replace function pgoffload.stalled_claims() returns setof xid
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  lease record;
  dead xid[] := '{}';
  alive xid[] := '{}';
  holders xid[];
begin
  for lease in
    select w.xmax as holder, w.released_at is null and greatest(w.heartbeat_at, pgoffload.server_since())
        > clock_timestamp() - 2 * (select s.value::interval from pgoffload.setting s where s.name = 'worker_dead_after') as alive
    from pgoffload.worker w where w.xmax <> '0'::xid
  loop
    begin
      holders := lease.holder || array(select m.xid from pg_get_multixact_members(lease.holder) m);
    exception when internal_error or data_corrupted or invalid_parameter_value then
      holders := array[lease.holder];  -- one transaction, and no group
    end;
    if lease.alive then
      alive := alive || holders;
    else
      dead := dead || holders;
    end if;
  end loop;
  return query select d from unnest(dead) d where d <> all (alive);
end
$$;

-- API: Private, for workers. Ends the sessions of the caller's own login whose claims have been under way since before
-- their worker died; returns how many. A session that has locked no lease has none of these, whatever its number. A
-- commit that waits for a standby is decided: it is left alone, and a takeover
-- would wait for the same.
create or replace function pgoffload.end_stalled_claims() returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  stalled constant xid[] := array(select pgoffload.stalled_claims());
begin
  return case when stalled = '{}' then 0 else (
    select count(pg_terminate_backend(a.pid)) from pg_stat_activity a
    where a.backend_xid = any (stalled) and a.usesysid = quote_ident(session_user)::regrole
      and a.wait_event is distinct from 'SyncRep'
      and exists (select from pg_locks l
                  where l.pid = a.pid and l.mode = 'RowShareLock' and l.relation = 'pgoffload.worker'::regclass
                    -- the table has the same oid in a copy of the database
                    and l.database = (select d.oid from pg_database d where d.datname = current_database()))
      and a.xact_start < clock_timestamp()
          - (select s.value::interval from pgoffload.setting s where s.name = 'worker_dead_after')) end;
end
$$;

-- API: Private. Whether a live worker has a request.
create or replace function pgoffload.is_held(id bigint) returns boolean
language sql stable
as $$
  select coalesce((
    select pgoffload.worker_is_alive(c.worker, c.epoch)
    from pgoffload.claim c where c.id = is_held.id order by c.attempt desc limit 1), false)
$$;

-- API: Private. Whether a role may act on another role's requests: it inherits that role's privileges. False for a role
-- that does not exist any more. Runs within its callers' search_path, so that it is inlined.
create or replace function pgoffload.may_act_for(by_oid oid, requested_by_oid oid) returns boolean
language sql stable
as $$
  select case when exists (select from pg_roles b where b.oid = by_oid)
              then pg_has_role(by_oid, requested_by_oid, 'usage') else false end
$$;

-- API: Private. Whether the session of an attempt lives, and its worker's lease has run out not long ago: the worker may
-- stand still and come back. The sessions of a killed worker end with it. Runs within its callers' rights and
-- search_path.
create or replace function pgoffload.task_goes_on(
  id bigint, attempt integer, worker_name text, worker_epoch bigint)
returns boolean
language sql volatile
as $$
  select exists (
    select from pgoffload.worker w
    join pgoffload.sql_session s on s.id = task_goes_on.id and s.attempt = task_goes_on.attempt
    where w.name = worker_name and w.epoch = worker_epoch and w.released_at is null
      and w.heartbeat_at > clock_timestamp()
          - (select s.value::interval from pgoffload.setting s where s.name = 'task_dead_after')
      -- one that the owner may not look at, as in pgoffload.sessions_gone
      and exists (
        select from pg_stat_get_activity(s.pid) a where a.backend_start = s.started or a.backend_start is null))
$$;

-- API: Private. The highest number that an attempt at a request can have had, by the newest claim that is here: up to a
-- hundred claims after it may have been lost in each fail-over since. So no number is given twice, and what a lost
-- attempt has published is not taken for a later one's. Runs within its callers' rights and search_path.
create or replace function pgoffload.attempts_until(attempt integer, written xid) returns integer
language plpgsql stable strict
as $$
begin
  return attempts_until.attempt + pgoffload.timelines_since(written) * 100;
end
$$;

-- API: Private. Claims a batch of requests of one kind: what claim_llm and claim_sql share. Each comes back as
--   claimed   the caller has it, as this attempt
--   answered  it has its result
--   own       this very lease has claimed it before: the reply to that claim was lost
--   held      another worker has it that lives, or may live, or its task's session does: ask again until it is answered
--             or its holder is dead
--   missing   of SQL alone: nothing is recorded of it (any more)
--   unasked   what the server knows under its id is another request, or its row was lost in a fail-over: as if it had
--             never been asked
--
-- The caller has to hold its lease. A claim of a dead worker is taken over under two locks, which are held until this
-- transaction ends. The lock of the dead worker's lease, which no claim of that worker that is under way lets go before
-- its commit: a worker that wakes up renews its lease after that, and then finds what was taken from it. The lock of the
-- dead worker's claim: this worker may be about to end a task, or to mark that the task's outcome may become unknown, and
-- the second of the two sees what the first has done. A caller therefore looks at sessions in a later statement. Runs
-- within its callers' rights and search_path.
create or replace function pgoffload.claim_requests(
  worker_name text, worker_epoch bigint,
  ids bigint[],               -- distinct
  requested_by_oids oid[],    -- of LLM requests; those of SQL are recorded by then
  nonces uuid[],              -- null: of a worker of an earlier version
  repeated boolean[],         -- whether its record may have come before a fail-over
  is_sql boolean)             -- which kind; a claim of SQL has a token
returns table (id bigint, requested_by_oid oid, outcome text, attempt integer, claimed_at timestamptz, token uuid)
language plpgsql volatile
as $$
#variable_conflict use_column
declare
  accepted record;
begin
  perform pgoffload.hold_lease(worker_name, worker_epoch);
  -- Of a request of before a fail-over: its row is here or lost, once all that was under way at the acceptance has ended.
  select null::bigint as first_id, false as settled, 0 as attempts_before into accepted;
  if true = any (repeated) then
    select t.first_id, pg_snapshot_xmin(pg_current_snapshot()) > t.accepted_xid as settled,
           (t.number - 1) * 100 as attempts_before  -- of one whose claims may all be lost: as pgoffload.attempts_until
    into accepted
    from pgoffload.server_timeline t order by t.number desc limit 1;
  end if;
  return query
  with asked as materialized (
    -- lateral with a limit: one look into the index for each request, never a scan of all results
    select a.id, coalesce(a.requested_by_oid, q.requested_by_oid) as requested_by_oid, a.nonce,
           latest.attempt, latest.worker, latest.epoch, latest.claimed_at, latest.token, latest.written,
           coalesce(llm.found, sql.found, false) as answered,
           coalesce(a.nonce <> coalesce(q.nonce, l.nonce, latest.nonce), false) as is_another,
           before.it as is_of_before, before.it and coalesce(q.requested_by_oid, l.requested_by_oid) is null as is_missing
    from unnest(ids, requested_by_oids, nonces, repeated) a (id, requested_by_oid, nonce, repeated)
    cross join lateral (select coalesce(a.repeated and a.id < accepted.first_id, false) as it) before
    left join lateral (
      select r.requested_by_oid, r.nonce from ${public_schema}.sql_request r where is_sql and r.id = a.id limit 1) q on true
    left join lateral (
      select r.requested_by_oid, r.nonce from ${public_schema}.llm_request r
      where not is_sql and a.repeated and r.id = a.id limit 1) l on true
    left join lateral (
      select true as found from pgoffload.llm_result r where not is_sql and r.id = a.id limit 1) llm on true
    left join lateral (
      select true as found from pgoffload.sql_result r where is_sql and r.id = a.id limit 1) sql on true
    left join lateral (
      select c.attempt, c.worker, c.epoch, c.claimed_at, c.token, c.nonce, c.xmin as written from pgoffload.claim c
      where c.id = a.id order by c.attempt desc limit 1) latest on true
  ), claimable as materialized (
    select a.* from asked a where not a.answered and not a.is_another and not a.is_missing
  ), dead as materialized (
    select h.worker, h.epoch
    from (select distinct a.worker, a.epoch from claimable a where a.attempt is not null) h
    where pgoffload.may_be_taken_over(h.worker, h.epoch, worker_name, worker_epoch)
  ), taken_over as materialized (
    select c.id
    from claimable a
    join dead d on d.worker = a.worker and d.epoch = a.epoch
    join pgoffload.claim c on c.id = a.id and c.attempt = a.attempt
    where not (is_sql and pgoffload.task_goes_on(a.id, a.attempt, a.worker, a.epoch))
    order by c.id  -- two workers that claim the same requests must not wait for each other in a circle
    for update of c
  ), claimed as (
    insert into pgoffload.claim as x (id, attempt, worker, epoch, requested_by_oid, token, nonce)
    select a.id,
           greatest(pgoffload.attempts_until(a.attempt, a.written),
                    case when a.is_of_before then accepted.attempts_before else 0 end) + 1,
           worker_name, worker_epoch, a.requested_by_oid,
           case when is_sql then gen_random_uuid() end, a.nonce
    from claimable a
    -- the array comes first, so that all locks are taken before the first row is inserted
    where (a.id = any (array(select t.id from taken_over t)) or a.attempt is null)
      and a.requested_by_oid is not null
    order by a.id  -- as above
    on conflict do nothing
    returning x.id, x.attempt, x.claimed_at, x.token
  )
  select a.id, a.requested_by_oid,
         case when c.id is not null then 'claimed'
              when a.is_another or a.is_missing and accepted.settled then 'unasked'
              when a.is_missing then 'held'
              when a.requested_by_oid is null then 'missing'
              when a.answered then 'answered'
              when a.worker = worker_name and a.epoch = worker_epoch then 'own'
              else 'held' end,
         coalesce(c.attempt, a.attempt), coalesce(c.claimed_at, a.claimed_at), coalesce(c.token, a.token)
  from asked a left join claimed c on c.id = a.id;
end
$$;

-- API: Private, for workers. Records immediate LLM requests, whose callers insert no row.
create or replace function pgoffload.record_llm_requests(envelopes text[]) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- as in pgoffload.claim_llm_requests
set plan_cache_mode = force_generic_plan
as $$
begin
  insert into ${public_schema}.llm_request (
    id, kind, prompt, system, messages, model, options, timeout, ordering_key, tags, provider, response_schema,
    inputs, retry_of, requested_by, requested_by_oid, created_at, immediate, nonce)
  select (e ->> 'id')::bigint, e ->> 'kind', p ->> 'prompt', p ->> 'system', p -> 'messages', p ->> 'model',
         p -> 'options', make_interval(secs => (e ->> 'timeout_ms')::double precision / 1000),
         e ->> 'ordering_key', p -> 'tags', p ->> 'provider', p -> 'response_schema',
         case when p ? 'inputs' then array(select jsonb_array_elements_text(p -> 'inputs')) end,
         (p ->> 'retry_of')::bigint,
         e #>> '{requested_by,user}', (e #>> '{requested_by,user_oid}')::oid,
         timestamptz 'epoch' + coalesce(e ->> 'created_at_us', e ->> 'signed_at_us')::bigint * interval '1 microsecond', true,
         (e ->> 'nonce')::uuid
  from unnest(envelopes) envelope,
       lateral (select envelope::jsonb as e offset 0) parsed,  -- once, not for each of the fields
       lateral (select e -> 'payload' as p) payload
  where envelope is not null and e ->> 'kind' in ('ask', 'embed', 'rerank')
  on conflict (id) do nothing;
end
$$;

-- API: Private. A result's message whose texts, if it is of a text that was split, are the answer: the table has no column
-- for them. Runs within its callers' search_path.
create or replace function pgoffload.with_chunks(message text) returns text
language plpgsql immutable
as $$
begin
  -- within a text the quotes are escaped
  if strpos(message, '"chunks":[') = 0 then
    return message;
  end if;
  return message::jsonb || jsonb_build_object('answer', message::jsonb -> 'chunks');
end
$$;

-- API: Private. Writes results that came again after a fail-over before their requests did: they were paid for.
create or replace function pgoffload.take_unclaimed_results(ids bigint[], requested_by_oids oid[], nonces uuid[])
returns void
language plpgsql volatile
as $$
declare
  taken bigint[];
begin
  with taken_results as (
    delete from pgoffload.unclaimed_result u
    using unnest(ids, requested_by_oids, nonces) a (id, requested_by_oid, nonce)
    where u.id = a.id and u.requested_by_oid = a.requested_by_oid and u.nonce = a.nonce and u.result is not null
      -- an immediate request is recorded by now; the row of one that was inserted may be lost, and with it its result
      and exists (select from ${public_schema}.llm_request q where q.id = a.id and q.nonce = a.nonce)
    returning u.topic, u.partition, u.record_offset, u.result
  ), written as (
    insert into pgoffload.llm_result
    select r.*
    from taken_results t,
         lateral json_populate_record(null::pgoffload.llm_result, pgoffload.with_chunks(t.result::text)::json) r
    order by t.topic, t.partition, t.record_offset  -- the first one wins
    on conflict (id) do nothing
    returning id
  )
  select array_agg(w.id) into taken from written w;
  perform pgoffload.queue_maintained(taken);
  perform pg_notify('llm_done', i::text) from unnest(taken) i;
end
$$;

-- API: Private, for workers. Claims a batch of LLM requests in one statement. Each comes back as
-- pgoffload.claim_requests says, or as
--   cancelled    the caller's, but not to be run: detail says who has cancelled it
--   over_budget  the caller's, but not to be run: detail says which budget is used up, and until when
--   superseded   the caller's, but not to be run: it is of a maintained column, and its row has been asked about anew
--
-- An immediate request (with an envelope) is recorded with its claim: its caller inserted no row.
create or replace function pgoffload.claim_llm_requests(
  worker_name text, worker_epoch bigint,
  ids bigint[],               -- distinct
  requested_by_oids oid[],
  envelopes text[],           -- of immediate requests; null for inserted ones
  nonces uuid[],              -- as in pgoffload.claim_requests
  repeated boolean[])         -- likewise
returns table (id bigint, outcome text, attempt integer, claimed_at timestamptz, detail text)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- a plan that was made while the tables were small must not scan them when they have grown
set enable_seqscan = off
-- and planning takes longer than a claim of few requests
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
  cancelled jsonb;  -- who has cancelled it, by the id
  used_up jsonb;    -- which budget, by the role's oid
  superseded bigint[] := '{}';
begin
  if cardinality(array_remove(envelopes, null)) > 0 then
    perform pgoffload.record_llm_requests(envelopes);
  end if;
  if exists (select from pgoffload.unclaimed_result) then
    perform pgoffload.take_unclaimed_results(ids, requested_by_oids, nonces);
  end if;

  -- Where there are no cancellations of these requests and no budgets, this is a look into either table. A cancellation
  -- that comes later finds this claim, or makes its own first. One by one: "= any", or a join of another kind, would look
  -- into each partition.
  select jsonb_object_agg(k.id, pg_get_userbyid(k.by_oid)) into cancelled
  from unnest(ids, requested_by_oids) a (id, requested_by_oid)
  cross join lateral (select k.id, k.by_oid from pgoffload.cancellation k where k.id = a.id offset 0) k
  -- not may_act_for: a role's cancellation of its own request stands when the role was dropped meanwhile
  where pg_has_role(k.by_oid, a.requested_by_oid, 'usage');
  if exists (select from pgoffload.budget) then
    used_up := pgoffload.used_up_budgets(requested_by_oids);
  end if;
  if exists (select from pgoffload.maintained_column) then
    superseded := array(
      select a.id
      from unnest(ids) a (id)
      cross join lateral (
        select q.maintained, q.maintained_row from ${public_schema}.llm_request q
        where q.id = a.id and q.maintained is not null offset 0) q
      where exists (
        select from ${public_schema}.llm_request n
        where n.maintained = q.maintained and n.maintained_row = q.maintained_row and n.id > a.id));
  end if;

  return query
  select c.id,
         case -- also of the caller's own: the reply to the first claim may have been lost, and what it said with it
              when c.outcome in ('claimed', 'own') and cancelled ? c.id::text then 'cancelled'
              when c.outcome in ('claimed', 'own') and c.id = any (superseded) then 'superseded'
              when c.outcome = 'claimed' and used_up ? c.requested_by_oid::text then 'over_budget'
              else c.outcome end,
         coalesce(c.attempt, 1),
         case c.outcome when 'claimed' then c.claimed_at else clock_timestamp() end,
         coalesce(cancelled ->> c.id::text, case c.outcome when 'claimed' then used_up ->> c.requested_by_oid::text end)
  from pgoffload.claim_requests(worker_name, worker_epoch, ids, requested_by_oids, nonces, repeated, false) c;
end
$$;

-- API: Private, for workers. The same for a worker that knows the token of the timeline on which its consumer has begun.
-- Raises 25006 on any other: these requests were not known to have come before the fail-over, and the consumer goes back.
create or replace function pgoffload.claim_llm_since(
  token uuid,                 -- null: the consumer has not begun, and all of them are repeated
  worker_name text, worker_epoch bigint, ids bigint[], requested_by_oids oid[], envelopes text[], nonces uuid[],
  repeated boolean[])
returns table (id bigint, outcome text, attempt integer, claimed_at timestamptz, detail text)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform pgoffload.require_token(token);
  return query select * from pgoffload.claim_llm_requests(
    worker_name, worker_epoch, ids, requested_by_oids, envelopes, nonces, repeated);
end
$$;

-- API: Private, for workers. The same for a worker of an earlier version, which compares no nonces.
create or replace function pgoffload.claim_llm(
  worker_name text, worker_epoch bigint, ids bigint[], requested_by_oids oid[], envelopes text[])
returns table (id bigint, outcome text, attempt integer, claimed_at timestamptz, detail text)
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  select * from pgoffload.claim_llm_requests(worker_name, worker_epoch, ids, requested_by_oids, envelopes, null, null)
$$;

-- API: Private, for workers. Which of these LLM requests are still the caller's: its attempt is the newest, under this
-- very lease, and there is no result. To be asked after the lease was renewed.
create or replace function pgoffload.still_claimed(
  worker_name text, worker_epoch bigint,
  ids bigint[],
  attempts integer[])         -- as which each was claimed
returns setof bigint
language sql stable security definer
set search_path = pg_catalog, pg_temp
-- as in pgoffload.claim_llm_requests
set enable_seqscan = off
as $$
  select a.id
  from unnest(ids, attempts) a (id, attempt)
  cross join lateral (
    select c.attempt, c.worker, c.epoch from pgoffload.claim c
    where c.id = a.id order by c.attempt desc limit 1) latest
  where latest.attempt = a.attempt and latest.worker = worker_name and latest.epoch = worker_epoch
    and not exists (select from pgoffload.llm_result r where r.id = a.id)
$$;

-- API: Private, for workers. Which of these LLM requests have their result in the table; asked by workers of an earlier
-- version.
create or replace function pgoffload.answered_llm(ids bigint[]) returns setof bigint
language sql stable security definer
set search_path = pg_catalog, pg_temp
-- as in pgoffload.claim_llm_requests
set enable_seqscan = off
as $$
  select r.id from pgoffload.llm_result r where r.id = any (ids)
$$;

-- API: Private, for workers. Records immediate requests, whose callers insert no row.
create or replace function pgoffload.record_sql_requests(envelopes text[]) returns void
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  insert into ${public_schema}.sql_request (
    id, command, label, timeout, ordering_key, tags, queue_size, requested_by, requested_by_oid, login_oid, settings,
    session, submitted, parent, parent_ordinal, large_object, created_at, immediate, nonce)
  select (e ->> 'id')::bigint, p ->> 'command', p ->> 'label',
         make_interval(secs => (e ->> 'timeout_ms')::double precision / 1000), e ->> 'ordering_key', p -> 'tags',
         (p ->> 'queue_size')::integer, e #>> '{requested_by,user}', (e #>> '{requested_by,user_oid}')::oid,
         (p ->> 'login_oid')::oid, p -> 'settings', p ->> 'session', (p ->> 'submitted')::boolean,
         (p ->> 'parent')::bigint, (p ->> 'parent_ordinal')::integer, (p ->> 'large_object')::oid,
         timestamptz 'epoch' + coalesce(e ->> 'created_at_us', e ->> 'signed_at_us')::bigint * interval '1 microsecond', true,
         (e ->> 'nonce')::uuid
  from unnest(envelopes) envelope,
       lateral (select envelope::jsonb as e offset 0) parsed,  -- once, not for each of the fields
       lateral (select e -> 'payload' as p) payload
  where envelope is not null and e ->> 'kind' = 'sql'
  on conflict (id) do nothing
$$;

-- API: Private, for workers. Claims a batch of SQL requests. Each comes back as pgoffload.claim_requests says. A
-- claimed one, or one of the caller's own, is ended with what `ending` has, if there is something, instead of being
-- run.
create or replace function pgoffload.claim_sql_requests(
  worker_name text, worker_epoch bigint,
  ids bigint[],               -- distinct
  envelopes text[],           -- of immediate requests that are not recorded yet; otherwise null
  nonces uuid[],              -- as in pgoffload.claim_requests
  repeated boolean[])         -- likewise
returns table (
  id bigint, outcome text, attempt integer, claimed_at timestamptz, token uuid,
  login text, role text,      -- what the roles are called: of no weight, since a name may pass to another role
  ending jsonb,               -- {"status", "error"} if it must not be run
  sessions jsonb)             -- [{"pid", "started"}] of earlier attempts, to be ended first
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- a plan that was made while the tables were small must not scan them when they have grown
set enable_seqscan = off
-- and planning takes longer than a claim of few requests
set plan_cache_mode = force_generic_plan
as $$
declare
  claims record;   -- arrays, with a place for each request
begin
  if cardinality(array_remove(envelopes, null)) > 0 then
    perform pgoffload.record_sql_requests(envelopes);
  end if;
  -- in a statement of its own: the next one sees what was done until a claim was taken over
  select array_agg(c.id) as ids, array_agg(c.outcome) as outcomes, array_agg(c.attempt) as attempts,
         array_agg(c.claimed_at) as times, array_agg(c.token) as tokens
  into claims
  from pgoffload.claim_requests(worker_name, worker_epoch, ids, null, nonces, repeated, true) c;

  return query
  select c.id, c.outcome,
         case when c.outcome in ('claimed', 'own', 'held') then c.attempt end,
         case when c.outcome in ('claimed', 'own', 'held') then c.claimed_at end,
         mine.token, mine.login, mine.role, mine.ending, mine.sessions
  from unnest(claims.ids, claims.outcomes, claims.attempts, claims.times, claims.tokens)
    c (id, outcome, attempt, claimed_at, token)
  left join lateral (
    select c.token, roles.login, roles.role, earlier.sessions,
           case
             when earlier.unknown then jsonb_build_object('status', 'failed', 'error', jsonb_build_object(
               'sqlstate', '08006',
               'message', 'lost connection to worker process with PID ' || pgoffload.pid_of(q.id),
               'detail', 'The worker was lost while the command ran outside a transaction block: its outcome is unknown.',
               'hint', 'Look whether it took effect before you run it again.'))
             when exists (
                 select from pgoffload.cancellation k
                 where k.id = q.id and pgoffload.may_act_for(k.by_oid, q.requested_by_oid))
               then jsonb_build_object('status', 'cancelled', 'error', jsonb_build_object(
                 'sqlstate', '57014', 'message', 'canceling statement due to user request',
                 'detail', 'It was cancelled before it began.'))
             when clock_timestamp() >= q.created_at + q.timeout
               then jsonb_build_object('status', 'expired', 'error', jsonb_build_object(
                 'sqlstate', '57014', 'message', 'canceling statement due to the timeout of the request',
                 'detail', 'It was still queued.'))
             else (select jsonb_build_object('status', 'failed', 'error', r.refusal)
                   from (select pgoffload.login_refusal(q.login_oid, q.requested_by_oid) as refusal) r
                   where r.refusal is not null)
           end as ending
    from ${public_schema}.sql_request q
    left join lateral (
      select l.rolname::text as login, case when q.login_oid <> q.requested_by_oid then u.rolname::text end as role
      from pg_roles l, pg_roles u where l.oid = q.login_oid and u.oid = q.requested_by_oid) roles on true
    cross join lateral (
      select jsonb_agg(distinct jsonb_build_object('pid', s.pid, 'started', s.started)) as sessions, bool_or(s.autocommit) as unknown
      from pgoffload.sql_session s where s.id = q.id and s.attempt < c.attempt) earlier
    where q.id = c.id and c.outcome in ('claimed', 'own')
    limit 1) mine on true
  order by c.id;
end
$$;

-- API: Private, for workers. The same for a worker that knows its timeline, as in pgoffload.claim_llm_since.
create or replace function pgoffload.claim_sql_since(
  timeline_token uuid, worker_name text, worker_epoch bigint, ids bigint[], envelopes text[], nonces uuid[], repeated boolean[])
returns table (
  id bigint, outcome text, attempt integer, claimed_at timestamptz, token uuid,
  login text, role text, ending jsonb, sessions jsonb)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform pgoffload.require_token(timeline_token);
  return query select * from pgoffload.claim_sql_requests(worker_name, worker_epoch, ids, envelopes, nonces, repeated);
end
$$;

-- API: Private, for workers. The same for a worker of an earlier version, which compares no nonces.
create or replace function pgoffload.claim_sql(worker_name text, worker_epoch bigint, ids bigint[], envelopes text[])
returns table (
  id bigint, outcome text, attempt integer, claimed_at timestamptz, token uuid,
  login text, role text, ending jsonb, sessions jsonb)
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  select * from pgoffload.claim_sql_requests(worker_name, worker_epoch, ids, envelopes, null, null)
$$;

-- API: Private. Whether an attempt is the last one, and will be until this transaction ends.
create or replace function pgoffload.is_last_attempt(id bigint, attempt integer) returns boolean
language plpgsql volatile
as $$
#variable_conflict use_column
begin
  -- a takeover locks the same row before it looks
  perform from pgoffload.claim c where c.id = is_last_attempt.id and c.attempt = is_last_attempt.attempt for update;
  return found and not exists (
    select from pgoffload.claim c where c.id = is_last_attempt.id and c.attempt > is_last_attempt.attempt);
end
$$;

-- API: Private, for workers. A new attempt of the same worker, after it has lost the session of the last one: what that
-- one left, its chunks too, must not be taken for the new one's. No row when another has begun it, or it has ended.
create or replace function pgoffload.claim_sql_again(
  worker_name text, worker_epoch bigint, id bigint, lost_attempt integer)
returns table (attempt integer, claimed_at timestamptz, token uuid)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
  perform from pgoffload.worker w where w.name = worker_name and w.epoch = worker_epoch for key share;  -- as hold_lease
  if pgoffload.worker_is_alive(worker_name, worker_epoch)
     and pgoffload.is_last_attempt(claim_sql_again.id, lost_attempt)
     and not exists (select from pgoffload.sql_result r where r.id = claim_sql_again.id) then
    return query
      insert into pgoffload.claim as x (id, attempt, worker, epoch, requested_by_oid, token, nonce)
      select c.id, pgoffload.attempts_until(c.attempt, c.xmin) + 1, worker_name, worker_epoch, c.requested_by_oid,
             gen_random_uuid(), c.nonce
      from pgoffload.claim c
      where c.id = claim_sql_again.id and c.attempt = lost_attempt and c.worker = worker_name and c.epoch = worker_epoch
      returning x.attempt, x.claimed_at, x.token;
  end if;
end
$$;
