-- What workers call: leases, claims, cancellations, and the cache of answers. All for the role pgoffload_worker
-- alone.

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
        started_at = clock_timestamp(), heartbeat_at = clock_timestamp(), released_at = null, doing = '{}'
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

-- API: Private. Renews a lease and says what the worker does; false when it is another epoch's by now.
create or replace function pgoffload.renew_lease(
  worker_name text, worker_epoch bigint, in_flight integer,
  doing jsonb)          -- numbers by name: see the columns of llm_worker
returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  update pgoffload.worker w
  set heartbeat_at = clock_timestamp(), in_flight = renew_lease.in_flight, doing = renew_lease.doing
  where w.name = worker_name and w.epoch = worker_epoch and w.released_at is null;
  return found;
end
$$;
comment on function pgoffload.renew_lease(text, bigint, integer, jsonb) is 'Private, for workers. Renews a lease and says what the worker does.';
revoke all on function pgoffload.renew_lease(text, bigint, integer, jsonb) from public;
grant execute on function pgoffload.renew_lease(text, bigint, integer, jsonb) to pgoffload_worker;

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

-- API: Private. How many workers live, by which limits that they share are divided; at least 1.
create or replace function pgoffload.live_workers() returns integer
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
  select greatest(1, count(*))::integer from pgoffload.worker w where pgoffload.worker_is_alive(w.name, w.epoch)
$$;
comment on function pgoffload.live_workers() is 'Private, for workers. How many of them live, at least 1.';
revoke all on function pgoffload.live_workers() from public;
grant execute on function pgoffload.live_workers() to pgoffload_worker;

-- API: Private. Refuses a worker whose lease is lost. Runs within its callers' rights and search_path.
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
comment on function pgoffload.require_lease(text, bigint) is 'Private. Raises PO001 for a worker whose lease is lost.';
revoke all on function pgoffload.require_lease(text, bigint) from public;

-- API: Private. Whether a worker is dead, and will be until this transaction ends: one that wakes up renews its lease
-- after that, and then finds what was taken from it. Runs within its callers' rights and search_path.
create or replace function pgoffload.may_be_taken_over(worker_name text, worker_epoch bigint) returns boolean
language plpgsql volatile
as $$
begin
  if pgoffload.worker_is_alive(worker_name, worker_epoch) then
    return false;
  end if;
  perform from pgoffload.worker w where w.name = worker_name and w.epoch = worker_epoch for share;
  return not pgoffload.worker_is_alive(worker_name, worker_epoch);
end
$$;
comment on function pgoffload.may_be_taken_over(text, bigint) is
  'Private. Whether a worker is dead, and will be until this transaction ends.';
revoke all on function pgoffload.may_be_taken_over(text, bigint) from public;

-- API: Private. Claims a batch of requests in one statement. Each comes back as
--   claimed      the caller runs it, as this attempt
--   cancelled    the caller's too, but not to be run: detail says who has cancelled it
--   over_budget  the caller's too, but not to be run: detail says which budget is used up, and until when
--   answered     it has its result
--   own          this very lease has claimed it before: the reply to that claim was lost
--   held         another live worker has it: ask again until it is answered or its holder is dead
-- An immediate request (with an envelope) is recorded with its claim: its caller inserted no row.
drop function if exists pgoffload.claim(text, bigint, bigint[], oid[], text[]);
create function pgoffload.claim(
  worker_name text, worker_epoch bigint,
  ids bigint[],               -- distinct
  requested_by_oids oid[],
  envelopes text[])           -- of immediate requests; null for inserted ones
returns table (id bigint, outcome text, attempt integer, claimed_at timestamptz, detail text)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- a plan that was made while the tables were small must not scan them when they have grown
set enable_seqscan = off
as $$
#variable_conflict use_column
declare
  cancelled jsonb;  -- who has cancelled it, by the id
  used_up jsonb;    -- which budget, by the role's oid
begin
  perform pgoffload.require_lease(worker_name, worker_epoch);

  if cardinality(array_remove(envelopes, null)) > 0 then
    insert into ${public_schema}.llm_request (
      id, kind, prompt, system, messages, model, options, timeout, ordering_key, tags, provider, response_schema,
      inputs, retry_of, requested_by, requested_by_oid, created_at, immediate)
    select (e ->> 'id')::bigint, e ->> 'kind', p ->> 'prompt', p ->> 'system', p -> 'messages', p ->> 'model',
           p -> 'options', make_interval(secs => (e ->> 'timeout_ms')::double precision / 1000),
           e ->> 'ordering_key', p -> 'tags', p ->> 'provider', p -> 'response_schema',
           case when p ? 'inputs' then array(select jsonb_array_elements_text(p -> 'inputs')) end,
           (p ->> 'retry_of')::bigint,
           e #>> '{requested_by,user}', (e #>> '{requested_by,user_oid}')::oid,
           timestamptz 'epoch' + coalesce(e ->> 'created_at_us', e ->> 'signed_at_us')::bigint * interval '1 microsecond', true
    from unnest(envelopes) envelope,
         lateral (select envelope::jsonb as e offset 0) parsed,  -- once, not for each of the fields
         lateral (select e -> 'payload' as p) payload
    where envelope is not null and e ->> 'kind' in ('ask', 'embed')
    on conflict (id) do nothing;
  end if;

  -- Where nobody has cancelled anything and there is no budget, this is a look into either table. A cancellation
  -- that comes later finds this claim, or makes its own first.
  if exists (select from pgoffload.cancellation k where k.id = any (ids)) then
    select jsonb_object_agg(k.id, pg_get_userbyid(k.by_oid)) into cancelled
    from unnest(ids, requested_by_oids) a (id, requested_by_oid)
    join pgoffload.cancellation k on k.id = a.id
    where pg_has_role(k.by_oid, a.requested_by_oid, 'usage');
  end if;
  if exists (select from pgoffload.budget) then
    used_up := pgoffload.used_up_budgets(requested_by_oids);
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
      and (a.attempt is null or pgoffload.may_be_taken_over(a.worker, a.epoch))
    order by a.id  -- two workers that claim the same requests must not wait for each other in a circle
    on conflict do nothing
    returning x.id, x.attempt, x.claimed_at
  )
  select a.id,
         case when c.id is not null then
                case when cancelled is not null and cancelled ? a.id::text then 'cancelled'
                     when used_up is not null and used_up ? a.requested_by_oid::text then 'over_budget'
                     else 'claimed' end
              when a.answered then 'answered'
              when a.worker = worker_name and a.epoch = worker_epoch then
                -- the reply to the first claim may have been lost, and what it said with it
                case when cancelled is not null and cancelled ? a.id::text then 'cancelled' else 'own' end
              else 'held' end,
         coalesce(c.attempt, a.attempt, 1),
         coalesce(c.claimed_at, clock_timestamp()),
         coalesce(cancelled ->> a.id::text, case when c.id is not null then used_up ->> a.requested_by_oid::text end)
  from asked a left join claimed c on c.id = a.id;
end
$$;
comment on function pgoffload.claim(text, bigint, bigint[], oid[], text[]) is 'Private, for workers. Claims a batch of requests.';
revoke all on function pgoffload.claim(text, bigint, bigint[], oid[], text[]) from public;
grant execute on function pgoffload.claim(text, bigint, bigint[], oid[], text[]) to pgoffload_worker;

-- API: Private. Which of these LLM requests are still the caller's: its attempt is the newest, under this very lease,
-- and there is no result. To be asked after the lease was renewed.
create or replace function pgoffload.still_claimed(
  worker_name text, worker_epoch bigint,
  ids bigint[],
  attempts integer[])         -- as which each was claimed
returns setof bigint
language sql stable security definer
set search_path = pg_catalog, pg_temp
-- as in pgoffload.claim
set enable_seqscan = off
as $$
  select a.id
  from unnest(ids, attempts) a (id, attempt)
  cross join lateral (
    select e.attempt, e.worker, e.epoch from pgoffload.execution e
    where e.id = a.id order by e.attempt desc limit 1) latest
  where latest.attempt = a.attempt and latest.worker = worker_name and latest.epoch = worker_epoch
    and not exists (select from pgoffload.llm_result r where r.id = a.id)
$$;
comment on function pgoffload.still_claimed(text, bigint, bigint[], integer[]) is
  'Private, for workers. Which of these LLM requests are still the caller''s.';
revoke all on function pgoffload.still_claimed(text, bigint, bigint[], integer[]) from public;
grant execute on function pgoffload.still_claimed(text, bigint, bigint[], integer[]) to pgoffload_worker;

-- API: Private. Which of these LLM requests have their result in the table.
create or replace function pgoffload.answered_llm(ids bigint[]) returns setof bigint
language sql stable security definer
set search_path = pg_catalog, pg_temp
-- as in pgoffload.claim
set enable_seqscan = off
as $$
  select r.id from pgoffload.llm_result r where r.id = any (ids)
$$;
comment on function pgoffload.answered_llm(bigint[]) is 'Private, for workers. Which of these LLM requests have their result in the table.';
revoke all on function pgoffload.answered_llm(bigint[]) from public;
grant execute on function pgoffload.answered_llm(bigint[]) to pgoffload_worker;

-- API: Private. Obeys a command to cancel an LLM request, which every worker reads. It comes back as
--   claimed  nobody had begun it, or its worker is dead: it is the caller's now, who publishes its end
--   held     a live worker has it, which interrupts it if it is the caller itself
--   ended    it has its result
--   denied   it is not by_oid's to cancel
--   unknown  nothing is recorded of it: if it comes later, its claim obeys
create or replace function pgoffload.cancel_llm(
  worker_name text, worker_epoch bigint,
  request_id bigint,
  by_oid oid)                -- who wants it
returns table (
  outcome text, kind text,
  attempt integer, claimed_at timestamptz,     -- of the claim, if there is one
  created_at timestamptz, requested_by name, requested_by_oid oid)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- as in pgoffload.claim
set enable_seqscan = off
as $$
#variable_conflict use_column
declare
  latest record;
begin
  perform pgoffload.require_lease(worker_name, worker_epoch);
  select q.kind, q.created_at, q.requested_by, q.requested_by_oid
  into kind, created_at, requested_by, requested_by_oid
  from ${public_schema}.llm_request q where q.id = request_id;
  if found and not (exists (select from pg_roles b where b.oid = cancel_llm.by_oid)
                    and pg_has_role(cancel_llm.by_oid, requested_by_oid, 'usage')) then
    outcome := 'denied';
    return next;
    return;
  end if;
  if exists (select from pgoffload.llm_result r where r.id = request_id) then
    outcome := 'ended';
    return next;
    return;
  end if;
  outcome := 'unknown';
  begin
    insert into pgoffload.cancellation (id, by_oid) values (request_id, cancel_llm.by_oid) on conflict do nothing;
  exception when check_violation then
    null;  -- no partition holds it: anybody may send any number
  end;
  while kind is not null loop
    select e.attempt, e.claimed_at, e.worker, e.epoch into latest
    from pgoffload.execution e where e.id = request_id order by e.attempt desc limit 1;
    if found and not pgoffload.may_be_taken_over(latest.worker, latest.epoch) then
      outcome := case when exists (select from pgoffload.llm_result r where r.id = request_id) then 'ended' else 'held' end;
      attempt := latest.attempt;
      claimed_at := latest.claimed_at;
      exit;
    end if;
    -- one of all workers gets it, and none that claims it to run it
    insert into pgoffload.execution as x (id, attempt, worker, epoch, requested_by_oid)
    values (request_id, coalesce(latest.attempt, 0) + 1, worker_name, worker_epoch, cancel_llm.requested_by_oid)
    on conflict do nothing
    returning x.attempt, x.claimed_at into attempt, claimed_at;
    if found then
      outcome := 'claimed';
      exit;
    end if;
  end loop;
  return next;
end
$$;
comment on function pgoffload.cancel_llm(text, bigint, bigint, oid) is 'Private, for workers. Obeys a command to cancel an LLM request.';
revoke all on function pgoffload.cancel_llm(text, bigint, bigint, oid) from public;
grant execute on function pgoffload.cancel_llm(text, bigint, bigint, oid) to pgoffload_worker;

-- API: Private. Remembers many cancellations at once, of requests of either kind. Anybody may send any number: what
-- cannot become a request costs no row. Runs within its callers' rights and search_path.
create or replace function pgoffload.remember_cancellations(ids bigint[], by_oids oid[]) returns void
language plpgsql volatile
as $$
#variable_conflict use_column
declare
  -- those of READ ONLY callers and of tasks come from the upper half of a range, every other one from the sequence
  last_id constant bigint := (select s.last_value from pgoffload.request_id s);
  asked record;
begin
  begin
    insert into pgoffload.cancellation (id, by_oid)
    select distinct a.id, a.by_oid
    from unnest(ids, by_oids) a (id, by_oid)
    where a.id >= 0 and (a.id <= last_id or a.id & (1::bigint << 35) <> 0)
      and exists (select from pgoffload.id_range r where r.number = a.id >> 36)
    -- every worker obeys the same ones: they must not wait for each other in a circle
    order by a.id, a.by_oid
    on conflict do nothing;
  exception when check_violation then
    -- a range that is just being removed
    for asked in
        select distinct a.id, a.by_oid
        from unnest(ids, by_oids) a (id, by_oid)
        where a.id >= 0 and (a.id <= last_id or a.id & (1::bigint << 35) <> 0)
          and exists (select from pgoffload.id_range r where r.number = a.id >> 36)
        order by a.id, a.by_oid loop
      begin
        insert into pgoffload.cancellation (id, by_oid) values (asked.id, asked.by_oid) on conflict do nothing;
      exception when check_violation then
        null;
      end;
    end loop;
  end;
end
$$;
comment on function pgoffload.remember_cancellations(bigint[], oid[]) is
  'Private. Remembers many cancellations. Runs within its callers'' rights and search_path.';
revoke all on function pgoffload.remember_cancellations(bigint[], oid[]) from public;

-- API: Private. The same for many commands in one statement, each with an outcome of its own, in their order. Of
-- several to one request, one is told that it is claimed.
drop function if exists pgoffload.cancel_llm(text, bigint, bigint[], oid[]);
create function pgoffload.cancel_llm(
  worker_name text, worker_epoch bigint,
  ids bigint[],
  by_oids oid[])             -- who wants it, of each
returns table (
  number bigint, id bigint, outcome text, kind text,
  attempt integer, claimed_at timestamptz,     -- of the claim, if there is one
  created_at timestamptz, requested_by name, requested_by_oid oid)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- as in pgoffload.claim
set enable_seqscan = off
as $$
#variable_conflict use_column
declare
  may_be bigint[];     -- what is neither another's nor ended
  may_be_by oid[];
begin
  perform pgoffload.require_lease(worker_name, worker_epoch);
  select array_agg(a.id), array_agg(a.by_oid) into may_be, may_be_by
  from unnest(ids, by_oids) a (id, by_oid)
  left join lateral (
    select q.requested_by_oid from ${public_schema}.llm_request q where q.id = a.id limit 1) q on true
  where case when q.requested_by_oid is null then true
             when not exists (select from pg_roles b where b.oid = a.by_oid) then false
             else pg_has_role(a.by_oid, q.requested_by_oid, 'usage') end
    and not exists (select from pgoffload.llm_result r where r.id = a.id);
  if may_be is not null then
    perform pgoffload.remember_cancellations(may_be, may_be_by);
  end if;

  return query
  with asked as (
    select a.number, a.id, q.kind, q.created_at, q.requested_by, q.requested_by_oid,
           case when q.kind is null then null
                when not exists (select from pg_roles b where b.oid = a.by_oid) then false
                else pg_has_role(a.by_oid, q.requested_by_oid, 'usage') end as allowed,
           coalesce(result.found, false) as ended,
           latest.attempt, latest.claimed_at, latest.worker, latest.epoch
    from unnest(ids, by_oids) with ordinality a (id, by_oid, number)
    left join lateral (
      select r.kind, r.created_at, r.requested_by, r.requested_by_oid
      from ${public_schema}.llm_request r where r.id = a.id limit 1) q on true
    left join lateral (
      select true as found from pgoffload.llm_result r where r.id = a.id limit 1) result on true
    left join lateral (
      select e.attempt, e.claimed_at, e.worker, e.epoch from pgoffload.execution e
      where e.id = a.id order by e.attempt desc limit 1) latest on true
  ), to_claim as (
    select distinct on (a.id) a.number, a.id, a.attempt, a.requested_by_oid
    from asked a
    where a.allowed and not a.ended
      and (a.attempt is null or pgoffload.may_be_taken_over(a.worker, a.epoch))
    order by a.id, a.number
  ), claimed as (
    -- one of all workers gets it, and none that claims it to run it
    insert into pgoffload.execution as x (id, attempt, worker, epoch, requested_by_oid)
    select c.id, coalesce(c.attempt, 0) + 1, worker_name, worker_epoch, c.requested_by_oid
    from to_claim c
    order by c.id
    on conflict do nothing
    returning x.id, x.attempt, x.claimed_at
  )
  select a.number, a.id,
         case when not a.allowed then 'denied'
              when a.ended then 'ended'
              when a.kind is null then 'unknown'
              when c.id is not null then 'claimed'
              else 'held' end,
         a.kind, coalesce(c.attempt, a.attempt), coalesce(c.claimed_at, a.claimed_at), a.created_at, a.requested_by,
         a.requested_by_oid
  from asked a
  left join to_claim t on t.number = a.number
  left join claimed c on c.id = t.id
  order by a.number;
end
$$;
comment on function pgoffload.cancel_llm(text, bigint, bigint[], oid[]) is
  'Private, for workers. Obeys many commands to cancel LLM requests.';
revoke all on function pgoffload.cancel_llm(text, bigint, bigint[], oid[]) from public;
grant execute on function pgoffload.cancel_llm(text, bigint, bigint[], oid[]) to pgoffload_worker;

-- API: Private. Finds the answer to a request that others have asked for before. It comes back as
--   hit     result is the answer's row, succeeded within max_age
--   lead    the caller makes the call; asking again as the leader gives lead again
--   follow  a live worker makes it for leader_id: ask again later
-- A leader that has ended otherwise, or whose worker is dead, is succeeded by who asks next; of two that ask
-- at the same time the primary key lets one lead.
create or replace function pgoffload.consult_cache(
  worker_name text, worker_epoch bigint,
  request_id bigint,          -- which the caller has claimed
  cache_key bytea,            -- SHA-256 of all that makes an answer: provider, model and every parameter
  max_age interval)
returns table (outcome text, leader_id bigint, result jsonb)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- as in pgoffload.claim
set enable_seqscan = off
as $$
#variable_conflict use_column
declare
  role_scope oid;
  leader record;
  answer pgoffload.llm_result;
begin
  perform pgoffload.require_lease(worker_name, worker_epoch);
  select e.requested_by_oid into role_scope
  from pgoffload.execution e where e.id = request_id order by e.attempt desc limit 1;
  if not found then
    raise exception 'request % is not claimed', request_id using errcode = 'object_not_in_prerequisite_state';
  end if;
  if (select s.value = 'on' from pgoffload.setting s where s.name = 'cache_across_roles') then
    role_scope := 0;
  end if;
  loop
    select c.number, c.id into leader
    from pgoffload.llm_cache c
    where c.scope = role_scope and c.key = cache_key order by c.number desc limit 1;
    if found then
      leader_id := leader.id;
      if leader.id = request_id then
        outcome := 'lead';
        exit;
      end if;
      select r.* into answer from pgoffload.llm_result r where r.id = leader.id;
      if found then
        if answer.status = 'succeeded' and answer.finished_at > clock_timestamp() - max_age then
          outcome := 'hit';
          result := to_jsonb(answer);
          exit;
        end if;
      elsif (select pgoffload.worker_is_alive(e.worker, e.epoch)
             from pgoffload.execution e where e.id = leader.id order by e.attempt desc limit 1) then
        outcome := 'follow';
        exit;
      end if;
    end if;
    insert into pgoffload.llm_cache (scope, key, number, id)
    values (role_scope, cache_key, coalesce(leader.number, 0) + 1, request_id)
    on conflict do nothing;
    if found then
      outcome := 'lead';
      leader_id := request_id;
      exit;
    end if;
  end loop;
  return next;
end
$$;
comment on function pgoffload.consult_cache(text, bigint, bigint, bytea, interval) is
  'Private, for workers. Finds the answer to a request that others have asked for before, or who asks for it.';
revoke all on function pgoffload.consult_cache(text, bigint, bigint, bytea, interval) from public;
grant execute on function pgoffload.consult_cache(text, bigint, bigint, bytea, interval) to pgoffload_worker;
