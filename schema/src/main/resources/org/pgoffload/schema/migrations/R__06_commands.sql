-- Commands to running requests: cancel and progress. Callers send them at once. Every worker reads them, and obeys those
-- of roles that may give them.

-- API: Private. Stamps a command with the caller's identity.
create or replace function pgoffload.stamp_command(
  state ${public_schema}.sql_request, kind text, id bigint, pct integer, message text)
returns ${public_schema}.sql_request
language plpgsql volatile
as $$
begin
  if state.requested_by is not null then
    raise exception 'pgoffload.emit_command takes one command, not one for each row' using errcode = 'cardinality_violation';
  end if;
  state.id := stamp_command.id;
  state.command := stamp_command.kind;
  state.label := stamp_command.message;
  state.queue_size := stamp_command.pct;
  state.requested_by := current_user;
  state.requested_by_oid := pg_catalog.quote_ident(current_user)::pg_catalog.regrole::pg_catalog.oid;
  return state;
end
$$;

-- API: Private. Checks a stamped command, and sends it at once.
create or replace function pgoffload.send_command(request ${public_schema}.sql_request) returns bigint
language plpgsql volatile strict security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  -- nothing else may be signed this way
  if request.command is null or request.command not in ('cancel', 'progress') or request.id is null then
    raise exception 'unknown command' using errcode = 'invalid_parameter_value';
  end if;
  if request.command = 'progress' and request.id is distinct from (select t.task from pgoffload.current_task() t) then
    raise exception 'pg_background_progress can only be called from a background worker' using errcode = 'feature_not_supported';
  end if;
  perform pgoffload.send_envelope(
    request.id, request.command, null, null, true, null, false, request.requested_by, request.requested_by_oid,
    case request.command when 'cancel' then '' else concat_ws(',',
      '"pct":' || request.queue_size, '"message":' || to_json(left(request.label, 1000)), '"pid":' || pg_backend_pid()) end,
    null::uuid);
  return request.id;
end
$$;

-- API: Private. Sends one command (cancel, progress) to the workers at once, which decide who may give it.
create or replace aggregate pgoffload.emit_command(kind text, id bigint, pct integer, message text) (
  sfunc = pgoffload.stamp_command,
  stype = ${public_schema}.sql_request,
  finalfunc = pgoffload.send_command
);

-- API: Private. Remembers many cancellations at once, of requests of either kind. Any role may send any number: an
-- id that cannot become a request's costs no row. Waits for no caller's transaction: the rows that callers insert have
-- keys of their own. Runs within its callers' rights and search_path.
create or replace function pgoffload.remember_cancellations(ids bigint[], by_oids oid[]) returns void
language plpgsql volatile
as $$
#variable_conflict use_column
declare
  asked record;
begin
  begin
    insert into pgoffload.cancellation (id, by_oid)
    select distinct a.id, a.by_oid
    from unnest(ids, by_oids) a (id, by_oid)
    where pgoffload.may_be_on_its_way(a.id)
    -- every worker obeys the same ones: they must not wait for each other in a circle
    order by a.id, a.by_oid
    on conflict do nothing;
  exception when check_violation then
    -- one of the ranges is being removed: each by itself
    for asked in
        select distinct a.id, a.by_oid
        from unnest(ids, by_oids) a (id, by_oid)
        where pgoffload.may_be_on_its_way(a.id)
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

drop function if exists pgoffload.cancel_llm_requests(text, bigint, bigint[], oid[]);

-- API: Private, for workers. Obeys commands to cancel LLM requests, which every worker reads. Each command comes back
-- in its order as
--   claimed  no worker had begun the request, or its worker is dead: it is the caller's now, who publishes its end
--   held     a live worker has it, which interrupts it if it is the caller itself
--   ended    it has its result
--   denied   it is not by_oid's to cancel
--   unknown  nothing is recorded of it: if it comes later, its claim obeys
--
-- Of several commands to one request, one comes back as claimed.
create or replace function pgoffload.cancel_llm_requests(
  worker_name text, worker_epoch bigint,
  ids bigint[],
  by_oids oid[])             -- who wants it, of each
returns table (
  number bigint, id bigint, outcome text, kind text,
  attempt integer, claimed_at timestamptz,     -- of the claim, if there is one
  created_at timestamptz, requested_by name, requested_by_oid oid,
  nonce uuid,
  maintained text, maintained_key text[])      -- the maintained column and the row that it was made for
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- as in pgoffload.claim_llm_requests
set enable_seqscan = off
as $$
declare
  may_be bigint[];     -- requests that have not ended, and that the role may cancel if it is known already
  may_be_by oid[];
  -- as pgoffload.claim_requests: all claims of a request of before a fail-over may be lost
  first_id constant bigint := (select t.first_id from pgoffload.server_timeline t order by t.number desc limit 1);
begin
  perform pgoffload.require_lease(worker_name, worker_epoch);
  select array_agg(a.id), array_agg(a.by_oid) into may_be, may_be_by
  from unnest(ids, by_oids) a (id, by_oid)
  left join lateral (
    select q.requested_by_oid from ${public_schema}.llm_request q where q.id = a.id limit 1) q on true
  where (q.requested_by_oid is null or pgoffload.may_act_for(a.by_oid, q.requested_by_oid))
    and not exists (select from pgoffload.llm_result r where r.id = a.id);
  if may_be is not null then
    perform pgoffload.remember_cancellations(may_be, may_be_by);
  end if;

  return query
  with asked as materialized (
    select a.number, a.id, q.kind, q.created_at, q.requested_by, q.requested_by_oid, q.nonce, q.maintained,
           q.maintained_key,
           case when q.kind is not null then pgoffload.may_act_for(a.by_oid, q.requested_by_oid) end as allowed
    from unnest(ids, by_oids) with ordinality a (id, by_oid, number)
    left join lateral (
      select r.kind, r.created_at, r.requested_by, r.requested_by_oid, r.nonce, r.maintained, r.maintained_key
      from ${public_schema}.llm_request r where r.id = a.id limit 1) q on true
  ), first as materialized (
    select a.id, a.requested_by_oid, a.nonce, min(a.number) as number
    from asked a where a.allowed group by a.id, a.requested_by_oid, a.nonce
  ), claims as materialized (
    select c.id, c.outcome, c.attempt, c.claimed_at
    from (select array_agg(f.id) as ids, array_agg(f.requested_by_oid) as requested_by_oids, array_agg(f.nonce) as nonces,
                 array_agg(f.id < first_id) as repeated
          from first f) f
    cross join lateral pgoffload.claim_requests(
      worker_name, worker_epoch, f.ids, f.requested_by_oids, f.nonces, f.repeated, false) c
  )
  select a.number, a.id,
         case when not a.allowed then 'denied'
              when a.kind is null then 'unknown'
              when c.outcome = 'answered' then 'ended'
              when c.outcome = 'claimed' and f.number = a.number then 'claimed'
              else 'held' end,
         a.kind, c.attempt, c.claimed_at, a.created_at, a.requested_by, a.requested_by_oid,
         coalesce(a.nonce, gen_random_uuid()),  -- a row of an earlier version has none
         (select m.name from pgoffload.maintained_column m where m.number = a.maintained), a.maintained_key
  from asked a
  left join first f on a.allowed and f.id = a.id
  left join claims c on a.allowed and c.id = a.id
  order by a.number;
end
$$;

-- API: Private, for workers. An older name: pgoffload.cancel_llm_requests.
create or replace function pgoffload.cancel_llm(worker_name text, worker_epoch bigint, ids bigint[], by_oids oid[])
returns table (
  number bigint, id bigint, outcome text, kind text, attempt integer, claimed_at timestamptz,
  created_at timestamptz, requested_by name, requested_by_oid oid)
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  select c.number, c.id, c.outcome, c.kind, c.attempt, c.claimed_at, c.created_at, c.requested_by, c.requested_by_oid
  from pgoffload.cancel_llm_requests(worker_name, worker_epoch, ids, by_oids) c
$$;

-- API: Private, for workers. Remembers cancellations of SQL requests. Returns the ids of the requests that have not
-- ended and that the role may cancel: the worker that runs them interrupts them then.
create or replace function pgoffload.record_cancellations(ids bigint[], by_oids oid[]) returns setof bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- as in pgoffload.claim_llm_requests
set enable_seqscan = off
as $$
begin
  perform pgoffload.remember_cancellations(ids, by_oids);
  return query
  select distinct a.id
  from unnest(ids, by_oids) a (id, by_oid)
  cross join lateral (
    select q.requested_by_oid from ${public_schema}.sql_request q where q.id = a.id limit 1) q
  where pgoffload.may_act_for(a.by_oid, q.requested_by_oid)
    and not exists (select from pgoffload.sql_result r where r.id = a.id);
end
$$;

-- API: Private, for workers. Records what a running task says of its progress.
create or replace function pgoffload.record_progress(id bigint, attempt integer, pct integer, message text) returns void
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  insert into pgoffload.sql_progress (id, attempt, pct, message) values (id, attempt, pct, message)
$$;
