-- What workers call: leases and claims. All for the role pgoffload_worker alone.

-- API: Private. Registers a worker process; returns the epoch of its lease.
create or replace function pgoffload.register_worker(
  worker_name text,     -- unique to the process
  provider text,        -- what it resolved: openai, anthropic, …
  model text,           -- its default model
  version text)
returns bigint
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  insert into pgoffload.worker as w (name, epoch, provider, model, version)
  values (worker_name, 1, provider, model, version)
  on conflict (name) do update
    set epoch = w.epoch + 1, provider = excluded.provider, model = excluded.model, version = excluded.version,
        started_at = clock_timestamp(), heartbeat_at = clock_timestamp(), released_at = null
  returning epoch
$$;
comment on function pgoffload.register_worker(text, text, text, text) is 'Private, for workers. Registers a lease; returns its epoch.';
revoke all on function pgoffload.register_worker(text, text, text, text) from public;
grant execute on function pgoffload.register_worker(text, text, text, text) to pgoffload_worker;

-- API: Private. Renews a lease; false when it is another epoch's by now.
create or replace function pgoffload.renew_lease(worker_name text, worker_epoch bigint, in_flight integer) returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  update pgoffload.worker w set heartbeat_at = clock_timestamp(), in_flight = renew_lease.in_flight
  where w.name = worker_name and w.epoch = worker_epoch and w.released_at is null;
  return found;
end
$$;
comment on function pgoffload.renew_lease(text, bigint, integer) is 'Private, for workers. Renews a lease.';
revoke all on function pgoffload.renew_lease(text, bigint, integer) from public;
grant execute on function pgoffload.renew_lease(text, bigint, integer) to pgoffload_worker;

-- API: Private. Gives a lease up: what the worker had claimed and not finished is taken over at once.
create or replace function pgoffload.release_lease(worker_name text, worker_epoch bigint) returns void
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  update pgoffload.worker set released_at = clock_timestamp(), in_flight = 0
  where name = worker_name and epoch = worker_epoch
$$;
comment on function pgoffload.release_lease(text, bigint) is 'Private, for workers. Gives a lease up.';
revoke all on function pgoffload.release_lease(text, bigint) from public;
grant execute on function pgoffload.release_lease(text, bigint) to pgoffload_worker;

-- API: Private. Whether the worker that holds this lease lives, by the database's clock.
create or replace function pgoffload.worker_is_alive(worker_name text, worker_epoch bigint) returns boolean
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
  select exists (
    select from pgoffload.worker w
    where w.name = worker_name and w.epoch = worker_epoch and w.released_at is null
      -- nobody could renew while the server was down: that alone kills no worker
      and greatest(w.heartbeat_at, least(pg_postmaster_start_time(), clock_timestamp())) > clock_timestamp()
          - (select s.value::interval from pgoffload.setting s where s.name = 'worker_dead_after'))
$$;
comment on function pgoffload.worker_is_alive(text, bigint) is 'Private. Whether a lease is held and fresh, or could not be renewed because the server has just started.';
revoke all on function pgoffload.worker_is_alive(text, bigint) from public;
grant execute on function pgoffload.worker_is_alive(text, bigint) to pgoffload_worker, llm_user, pgbackground_role;

-- API: Private. Claims a batch of requests in one statement. Each comes back as
--   claimed   the caller runs it, as this attempt
--   answered  it has its result
--   own       this very lease has claimed it before: the reply to that claim was lost
--   held      another live worker has it: ask again until it is answered or its holder is dead
-- An immediate request (with an envelope) is recorded with its claim: its caller inserted no row.
create or replace function pgoffload.claim(
  worker_name text, worker_epoch bigint,
  ids bigint[],               -- distinct
  requested_by_oids oid[],
  envelopes text[])           -- of immediate requests; null for inserted ones
returns table (id bigint, outcome text, attempt integer, claimed_at timestamptz)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- a plan that was made while the tables were small must not scan them when they have grown
set enable_seqscan = off
as $$
#variable_conflict use_column
begin
  if not pgoffload.worker_is_alive(worker_name, worker_epoch) then
    raise exception 'the lease of worker % epoch % is lost', worker_name, worker_epoch
      using errcode = 'PO001', hint = 'Register again; what it had claimed may have been taken over.';
  end if;

  if cardinality(array_remove(envelopes, null)) > 0 then
    insert into ${public_schema}.llm_request (
      id, kind, prompt, system, messages, model, options, timeout, ordering_key, tags,
      requested_by, requested_by_oid, created_at, immediate)
    select (e ->> 'id')::bigint, e ->> 'kind', p ->> 'prompt', p ->> 'system', p -> 'messages', p ->> 'model',
           p -> 'options', make_interval(secs => (e ->> 'timeout_ms')::double precision / 1000),
           e ->> 'ordering_key', p -> 'tags',
           e #>> '{requested_by,user}', (e #>> '{requested_by,user_oid}')::oid,
           timestamptz 'epoch' + (e ->> 'signed_at_us')::bigint * interval '1 microsecond', true
    from unnest(envelopes) envelope,
         lateral (select envelope::jsonb as e) parsed,
         lateral (select e -> 'payload' as p) payload
    where envelope is not null and e ->> 'kind' in ('ask')
    on conflict (id) do nothing;
  end if;

  return query
  with asked as (
    -- lateral with a limit: one look into the index for each request, never a scan of all results
    select a.id, a.requested_by_oid, latest.attempt, latest.worker, latest.epoch,
           coalesce(result.found, false) as answered
    from unnest(ids, requested_by_oids) a (id, requested_by_oid)
    left join lateral (
      select true as found from pgoffload.llm_result r where r.id = a.id limit 1) result on true
    left join lateral (
      select e.attempt, e.worker, e.epoch from pgoffload.execution e
      where e.id = a.id order by e.attempt desc limit 1) latest on true
  ), claimed as (
    insert into pgoffload.execution as x (id, attempt, worker, epoch, requested_by_oid)
    select a.id, coalesce(a.attempt, 0) + 1, worker_name, worker_epoch, a.requested_by_oid
    from asked a
    where not a.answered
      and (a.attempt is null or not pgoffload.worker_is_alive(a.worker, a.epoch))
    order by a.id  -- two workers that claim the same requests must not wait for each other in a circle
    on conflict do nothing
    returning x.id, x.attempt, x.claimed_at
  )
  select a.id,
         case when c.id is not null then 'claimed'
              when a.answered then 'answered'
              when a.worker = worker_name and a.epoch = worker_epoch then 'own'
              else 'held' end,
         coalesce(c.attempt, a.attempt, 1),
         coalesce(c.claimed_at, clock_timestamp())
  from asked a left join claimed c on c.id = a.id;
end
$$;
comment on function pgoffload.claim(text, bigint, bigint[], oid[], text[]) is 'Private, for workers. Claims a batch of requests.';
revoke all on function pgoffload.claim(text, bigint, bigint[], oid[], text[]) from public;
grant execute on function pgoffload.claim(text, bigint, bigint[], oid[], text[]) to pgoffload_worker;
