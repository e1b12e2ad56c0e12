-- How requests for background SQL are recorded, claimed, executed once, and answered: what workers call on
-- their own connection (role pgoffload_worker), and what they call on the session of a task.

-- API: Private. Records immediate requests, whose callers insert no row.
create or replace function pgoffload.record_sql_requests(envelopes text[]) returns void
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  insert into ${public_schema}.sql_request (
    id, command, label, timeout, ordering_key, tags, queue_size, requested_by, requested_by_oid, login_oid, settings,
    session, submitted, parent, parent_ordinal, large_object, created_at, immediate)
  select (e ->> 'id')::bigint, p ->> 'command', p ->> 'label',
         make_interval(secs => (e ->> 'timeout_ms')::double precision / 1000), e ->> 'ordering_key', p -> 'tags',
         (p ->> 'queue_size')::integer, e #>> '{requested_by,user}', (e #>> '{requested_by,user_oid}')::oid,
         (p ->> 'login_oid')::oid, p -> 'settings', p ->> 'session', (p ->> 'submitted')::boolean,
         (p ->> 'parent')::bigint, (p ->> 'parent_ordinal')::integer, (p ->> 'large_object')::oid,
         timestamptz 'epoch' + coalesce(e ->> 'created_at_us', e ->> 'signed_at_us')::bigint * interval '1 microsecond', true
  from unnest(envelopes) envelope,
       lateral (select envelope::jsonb as e offset 0) parsed,  -- once, not for each of the fields
       lateral (select e -> 'payload' as p) payload
  where envelope is not null and e ->> 'kind' = 'sql'
  on conflict (id) do nothing
$$;
comment on function pgoffload.record_sql_requests(text[]) is 'Private, for workers. Records immediate requests.';
revoke all on function pgoffload.record_sql_requests(text[]) from public;
grant execute on function pgoffload.record_sql_requests(text[]) to pgoffload_worker;

-- API: Private. Claims a batch of requests. Each comes back as
--   claimed   the caller runs it as this attempt, or ends it with what `ending` has
--   answered  it has its result
--   own       this very lease has claimed it before: the reply to that claim was lost
--   held      another live worker has it: ask again until it is answered or its holder is dead
--   missing   nothing is recorded of it (any more)
create or replace function pgoffload.claim_sql(
  worker_name text, worker_epoch bigint,
  ids bigint[],               -- distinct
  envelopes text[])           -- of immediate requests that are not recorded yet; otherwise null
returns table (
  id bigint, outcome text, attempt integer, claimed_at timestamptz, token uuid,
  login text, role text,      -- what the roles are called: of no weight, since a name may pass to another role
  ending jsonb,               -- {"status", "error"} if it must not be run
  sessions jsonb)             -- [{"pid", "started"}] of earlier attempts, to be ended first
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- a plan that was made while the tables were small must not scan them when they have grown
set enable_seqscan = off
as $$
#variable_conflict use_column
declare
  request record;
  latest record;
  unknown boolean;
begin
  if not pgoffload.worker_is_alive(worker_name, worker_epoch) then
    raise exception 'the lease of worker % epoch % is lost', worker_name, worker_epoch
      using errcode = 'PO001', hint = 'Register again; what it had claimed may have been taken over.';
  end if;
  if cardinality(array_remove(envelopes, null)) > 0 then
    perform pgoffload.record_sql_requests(envelopes);
  end if;

  -- two workers that claim the same requests must not wait for each other in a circle
  for claim_sql.id in select i from unnest(ids) i order by i loop
    attempt := null; claimed_at := null; token := null; login := null; role := null; ending := null; sessions := null;
    select q.requested_by_oid, q.login_oid, q.created_at + q.timeout as deadline
    into request from ${public_schema}.sql_request q where q.id = claim_sql.id;
    if not found then
      outcome := 'missing';
      return next;
      continue;
    end if;
    if exists (select from pgoffload.sql_result r where r.id = claim_sql.id) then
      outcome := 'answered';
      return next;
      continue;
    end if;
    select e.attempt, e.worker, e.epoch, e.claimed_at, e.token into latest
    from pgoffload.execution e where e.id = claim_sql.id order by e.attempt desc limit 1;
    if found and pgoffload.worker_is_alive(latest.worker, latest.epoch) then
      outcome := case when latest.worker = worker_name and latest.epoch = worker_epoch then 'own' else 'held' end;
      attempt := latest.attempt;
      claimed_at := latest.claimed_at;
      if outcome = 'own' then
        token := latest.token;
      end if;
    else
      if found then
        -- the dead one may be about to mark an autocommit command: whichever comes second sees the other
        perform from pgoffload.execution e where e.id = claim_sql.id and e.attempt = latest.attempt for update;
      end if;
      insert into pgoffload.execution as x (id, attempt, worker, epoch, requested_by_oid, token)
      values (claim_sql.id, coalesce(latest.attempt, 0) + 1, worker_name, worker_epoch, request.requested_by_oid, gen_random_uuid())
      on conflict do nothing
      returning x.attempt, x.claimed_at, x.token into attempt, claimed_at, token;
      outcome := case when found then 'claimed' else 'held' end;
    end if;

    if outcome in ('claimed', 'own') then
      select a.rolname, case when request.login_oid <> request.requested_by_oid then u.rolname end
      into login, role
      from pg_roles a, pg_roles u where a.oid = request.login_oid and u.oid = request.requested_by_oid;
      select jsonb_agg(distinct jsonb_build_object('pid', s.pid, 'started', s.started)), coalesce(bool_or(s.autocommit), false)
      into sessions, unknown
      from pgoffload.sql_session s where s.id = claim_sql.id and s.attempt < claim_sql.attempt;
      ending := case
        when unknown then jsonb_build_object('status', 'failed', 'error', jsonb_build_object(
          'sqlstate', '08006',
          'message', 'lost connection to worker process with PID ' || pgoffload.pid_of(claim_sql.id),
          'detail', 'The worker was lost while the command ran outside a transaction block: its outcome is unknown.',
          'hint', 'Look whether it took effect before you run it again.'))
        when exists (
            select from pgoffload.cancellation c
            where c.id = claim_sql.id and exists (select from pg_roles b where b.oid = c.by_oid)
              and pg_has_role(c.by_oid, request.requested_by_oid, 'usage'))
          then jsonb_build_object('status', 'cancelled', 'error', jsonb_build_object(
            'sqlstate', '57014', 'message', 'canceling statement due to user request',
            'detail', 'It was cancelled before it began.'))
        when clock_timestamp() >= request.deadline
          then jsonb_build_object('status', 'expired', 'error', jsonb_build_object(
            'sqlstate', '57014', 'message', 'canceling statement due to the timeout of the request',
            'detail', 'It was still queued.'))
        else (select jsonb_build_object('status', 'failed', 'error', r.refusal)
              from (select pgoffload.login_refusal(request.login_oid, request.requested_by_oid) as refusal) r
              where r.refusal is not null)
      end;
    end if;
    return next;
  end loop;
end
$$;
comment on function pgoffload.claim_sql(text, bigint, bigint[], text[]) is 'Private, for workers. Claims a batch of requests.';
revoke all on function pgoffload.claim_sql(text, bigint, bigint[], text[]) from public;
grant execute on function pgoffload.claim_sql(text, bigint, bigint[], text[]) to pgoffload_worker;

-- API: Private. Whether an attempt is the last one, and will be until this transaction ends.
create or replace function pgoffload.is_last_attempt(id bigint, attempt integer) returns boolean
language plpgsql volatile
as $$
#variable_conflict use_column
begin
  -- a takeover locks the same row before it looks
  perform from pgoffload.execution e where e.id = is_last_attempt.id and e.attempt = is_last_attempt.attempt for update;
  return found and not exists (
    select from pgoffload.execution e where e.id = is_last_attempt.id and e.attempt > is_last_attempt.attempt);
end
$$;
comment on function pgoffload.is_last_attempt(bigint, integer) is
  'Private. Whether an attempt is the last one. Runs within its callers'' rights and search_path.';
revoke all on function pgoffload.is_last_attempt(bigint, integer) from public;

-- API: Private. A new attempt of the same worker, after it has lost the session of the last one: what that one
-- left, its chunks too, must not be taken for the new one's. No row when another has begun it, or it has ended.
create or replace function pgoffload.claim_sql_again(
  worker_name text, worker_epoch bigint, id bigint, lost_attempt integer)
returns table (attempt integer, claimed_at timestamptz, token uuid)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
  if pgoffload.worker_is_alive(worker_name, worker_epoch)
     and pgoffload.is_last_attempt(claim_sql_again.id, lost_attempt)
     and not exists (select from pgoffload.sql_result r where r.id = claim_sql_again.id) then
    return query
      insert into pgoffload.execution as x (id, attempt, worker, epoch, requested_by_oid, token)
      select e.id, lost_attempt + 1, worker_name, worker_epoch, e.requested_by_oid, gen_random_uuid()
      from pgoffload.execution e
      where e.id = claim_sql_again.id and e.attempt = lost_attempt and e.worker = worker_name and e.epoch = worker_epoch
      returning x.attempt, x.claimed_at, x.token;
  end if;
end
$$;
comment on function pgoffload.claim_sql_again(text, bigint, bigint, integer) is 'Private, for workers. A new attempt of the same worker.';
revoke all on function pgoffload.claim_sql_again(text, bigint, bigint, integer) from public;
grant execute on function pgoffload.claim_sql_again(text, bigint, bigint, integer) to pgoffload_worker;

-- API: Private. Marks an attempt whose command is about to run outside a transaction block. False: it is not
-- to be run, another attempt has begun.
create or replace function pgoffload.mark_autocommit(id bigint, attempt integer) returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
  if not pgoffload.is_last_attempt(mark_autocommit.id, mark_autocommit.attempt) then
    return false;
  end if;
  insert into pgoffload.sql_session (id, attempt, pid, started, depth, autocommit)
  select s.id, s.attempt, s.pid, s.started, s.depth, true
  from pgoffload.sql_session s where s.id = mark_autocommit.id and s.attempt = mark_autocommit.attempt and not s.autocommit
  on conflict do nothing;
  return true;
end
$$;
comment on function pgoffload.mark_autocommit(bigint, integer) is
  'Private, for workers. Marks an attempt whose outcome will be unknown if its worker dies.';
revoke all on function pgoffload.mark_autocommit(bigint, integer) from public;
grant execute on function pgoffload.mark_autocommit(bigint, integer) to pgoffload_worker;

-- API: Private. Records a result; what identifies it comes from the claim, not from the message.
create or replace function pgoffload.insert_sql_result(
  id bigint, attempt integer,
  result text,               -- a sql-result message: its fields are columns
  read_under jsonb)          -- or null
returns boolean              -- false: there is one
language plpgsql volatile
as $$
#variable_conflict use_column
begin
  insert into pgoffload.sql_result
  select r.*
  from pgoffload.execution e,
       jsonb_populate_record(null::pgoffload.sql_result,
         jsonb_build_object('tags', '[]'::jsonb, 'chunks', 0, 'split', false)
         || result::jsonb
         || jsonb_build_object('id', e.id, 'attempt', e.attempt, 'requested_by_oid', e.requested_by_oid,
              'read_under', insert_sql_result.read_under, 'finished_at', clock_timestamp(),
              'queued_ms', (select greatest(0, extract(epoch from e.claimed_at - q.created_at) * 1000)
                            from ${public_schema}.sql_request q where q.id = e.id),
              'ran_ms', extract(epoch from clock_timestamp() - e.claimed_at) * 1000)) r
  where e.id = insert_sql_result.id and e.attempt = insert_sql_result.attempt
  on conflict (id) do nothing;
  return found;
end
$$;
comment on function pgoffload.insert_sql_result(bigint, integer, text, jsonb) is
  'Private. Records a result, if it is the first. Runs within its callers'' rights and search_path.';
revoke all on function pgoffload.insert_sql_result(bigint, integer, text, jsonb) from public;

-- API: Private. Records a terminal result that is not bound to a task's transaction. False: another result
-- stands, or a later attempt has begun; the caller reports nothing.
create or replace function pgoffload.end_sql(id bigint, attempt integer, result text) returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return pgoffload.is_last_attempt(id, attempt)
    and pgoffload.insert_sql_result(id, attempt, result, result::jsonb -> 'read_under');
end
$$;
comment on function pgoffload.end_sql(bigint, integer, text) is 'Private, for workers. Records a result outside a task''s transaction.';
revoke all on function pgoffload.end_sql(bigint, integer, text) from public;
grant execute on function pgoffload.end_sql(bigint, integer, text) to pgoffload_worker;

-- API: Private. The recorded result as the message that goes to the results topic.
create or replace function pgoffload.sql_result_message(id bigint) returns text
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
  select (jsonb_build_object('version', 1, 'kind', 'sql', 'requested_by', q.requested_by)
          || jsonb_strip_nulls(to_jsonb(r))
          || jsonb_build_object('finished_at', to_char(r.finished_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')))::text
  from pgoffload.sql_result r
  join ${public_schema}.sql_request q on q.id = r.id
  where r.id = sql_result_message.id
$$;
comment on function pgoffload.sql_result_message(bigint) is 'Private, for workers. A recorded result as a message.';
revoke all on function pgoffload.sql_result_message(bigint) from public;
grant execute on function pgoffload.sql_result_message(bigint) to pgoffload_worker;

-- API: Private. Remembers who wants a request cancelled. True when there is such a request, it has not ended,
-- and they may: whoever runs it interrupts it then.
create or replace function pgoffload.record_cancellation(id bigint, by_oid oid) returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
  begin
    insert into pgoffload.cancellation (id, by_oid) values (record_cancellation.id, record_cancellation.by_oid)
    on conflict do nothing;
  exception when check_violation then
    return false;  -- no partition holds it: anybody may send any number
  end;
  return exists (
    select from ${public_schema}.sql_request q
    where q.id = record_cancellation.id
      and exists (select from pg_roles b where b.oid = record_cancellation.by_oid)
      and pg_has_role(record_cancellation.by_oid, q.requested_by_oid, 'usage')
      and not exists (select from pgoffload.sql_result r where r.id = q.id));
end
$$;
comment on function pgoffload.record_cancellation(bigint, oid) is 'Private, for workers. Remembers a cancellation.';
revoke all on function pgoffload.record_cancellation(bigint, oid) from public;
grant execute on function pgoffload.record_cancellation(bigint, oid) to pgoffload_worker;

-- API: Private. The same for many at once. Returns the ids of the requests that are to be interrupted.
create or replace function pgoffload.record_cancellations(ids bigint[], by_oids oid[]) returns setof bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- as in pgoffload.claim_sql
set enable_seqscan = off
as $$
begin
  perform pgoffload.remember_cancellations(ids, by_oids);
  return query
  select distinct a.id
  from unnest(ids, by_oids) a (id, by_oid)
  cross join lateral (
    select q.requested_by_oid from ${public_schema}.sql_request q where q.id = a.id limit 1) q
  where case when exists (select from pg_roles b where b.oid = a.by_oid)
             then pg_has_role(a.by_oid, q.requested_by_oid, 'usage') else false end
    and not exists (select from pgoffload.sql_result r where r.id = a.id);
end
$$;
comment on function pgoffload.record_cancellations(bigint[], oid[]) is 'Private, for workers. Remembers many cancellations.';
revoke all on function pgoffload.record_cancellations(bigint[], oid[]) from public;
grant execute on function pgoffload.record_cancellations(bigint[], oid[]) to pgoffload_worker;

-- API: Private. Which of these sessions do not exist any more, by their place. One that the owner may not look at
-- (without the rights of pg_read_all_stats) exists as long as its pid does.
create or replace function pgoffload.sessions_gone(pids integer[], started timestamptz[]) returns setof bigint
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  select s.number
  from unnest(pids, started) with ordinality s (pid, started, number)
  where not exists (
    select from pg_stat_get_activity(s.pid) a where a.backend_start = s.started or a.backend_start is null)
$$;
comment on function pgoffload.sessions_gone(integer[], timestamptz[]) is
  'Private, for workers. Which of these sessions do not exist any more.';
revoke all on function pgoffload.sessions_gone(integer[], timestamptz[]) from public;
grant execute on function pgoffload.sessions_gone(integer[], timestamptz[]) to pgoffload_worker;

-- API: Private. Records what a running task says of its progress.
create or replace function pgoffload.record_progress(id bigint, attempt integer, pct integer, message text) returns void
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  insert into pgoffload.sql_progress (id, attempt, pct, message) values (id, attempt, pct, message)
$$;
comment on function pgoffload.record_progress(bigint, integer, integer, text) is 'Private, for workers. Records a task''s progress.';
revoke all on function pgoffload.record_progress(bigint, integer, integer, text) from public;
grant execute on function pgoffload.record_progress(bigint, integer, integer, text) to pgoffload_worker;

-- API: Private. Records what a task waits for before it can begin.
create or replace function pgoffload.record_wait(id bigint, attempt integer, reason text) returns void
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  insert into pgoffload.sql_progress (id, attempt, pct, message, waits) values (id, attempt, 0, reason, true)
$$;
comment on function pgoffload.record_wait(bigint, integer, text) is 'Private, for workers. Records what a task waits for.';
revoke all on function pgoffload.record_wait(bigint, integer, text) from public;
grant execute on function pgoffload.record_wait(bigint, integer, text) to pgoffload_worker;

-- What follows is called on the session of a task, as the role that launched it.

-- API: Private. The role that a request is to run as, for a session of the role that is to be logged in as; null for
-- any other. An identity is an oid: a role may have been renamed since the claim, and another may bear its name.
create or replace function pgoffload.role_of_task(id bigint) returns oid
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
  select q.requested_by_oid from ${public_schema}.sql_request q
  where q.id = role_of_task.id and q.login_oid = quote_ident(session_user)::regrole::oid
$$;
comment on function pgoffload.role_of_task(bigint) is 'Private, for workers. The role that a request is to run as.';
revoke all on function pgoffload.role_of_task(bigint) from public;
grant execute on function pgoffload.role_of_task(bigint) to pgbackground_role;

-- API: Private. Records which session executes an attempt. The token proves that it is the worker who asks.
create or replace function pgoffload.begin_sql_session(
  id bigint, attempt integer, token uuid, started timestamptz, depth integer)
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
  if not exists (
      select from pgoffload.execution e
      where e.id = begin_sql_session.id and e.attempt = begin_sql_session.attempt and e.token = begin_sql_session.token) then
    raise exception 'this is not the claim of request %', begin_sql_session.id using errcode = 'insufficient_privilege';
  end if;
  if pgoffload.role_of_task(begin_sql_session.id) is null then
    raise exception 'this session is one of role "%", and request % was launched by another', session_user, begin_sql_session.id
      using errcode = 'insufficient_privilege';
  end if;
  insert into pgoffload.sql_session (id, attempt, pid, started, depth, autocommit)
  values (begin_sql_session.id, begin_sql_session.attempt, pg_backend_pid(), begin_sql_session.started,
          begin_sql_session.depth, false)
  on conflict do nothing;
  if exists (
      select from pgoffload.execution e
      where e.id = begin_sql_session.id and e.attempt > begin_sql_session.attempt) then
    raise exception 'request % has been taken over', begin_sql_session.id using errcode = 'PO002';
  end if;
end
$$;
comment on function pgoffload.begin_sql_session(bigint, integer, uuid, timestamptz, integer) is
  'Private, for workers. Records the session that executes an attempt.';
revoke all on function pgoffload.begin_sql_session(bigint, integer, uuid, timestamptz, integer) from public;
grant execute on function pgoffload.begin_sql_session(bigint, integer, uuid, timestamptz, integer) to pgbackground_role;

-- API: Private. Makes this session what the launcher's was. Has no SET clause, since its settings are to stay.
create or replace function pgoffload.enter_task(
  id bigint, attempt integer, token uuid,
  settings jsonb,           -- those that differ from what is usual, and custom ones
  application_name text,
  role text,                -- of no weight: the request has the role
  depth integer)            -- how many tasks this one is nested in
returns void
language plpgsql volatile
as $$
declare
  runs_as pg_catalog.oid := pgoffload.role_of_task(id);
  wanted pg_catalog.record;
begin
  perform pgoffload.begin_sql_session(id, attempt, token,
    (select a.backend_start from pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid()) a), depth);
  -- Readers wait for this lock, which wakes them and shows a deadlock to the server. A reader may look at
  -- just this moment; somebody else may hold it for ever, which costs nothing but the wake-up.
  for i in 1 .. 5 loop
    exit when pg_catalog.pg_try_advisory_lock(1885826918, pgoffload.pid_of(id));
    perform pg_catalog.pg_sleep(0.001);
  end loop;
  perform pg_catalog.set_config('application_name', enter_task.application_name, false),
          pg_catalog.set_config('pgoffload.task', pg_catalog.concat_ws('/', id, attempt), false),
          pg_catalog.set_config('default_transaction_read_only', 'off', false),
          pg_catalog.set_config('default_transaction_deferrable', 'off', false),
          pg_catalog.set_config('default_transaction_isolation', 'read committed', false),
          pg_catalog.set_config('idle_in_transaction_session_timeout', '0', false);
  for wanted in
    select f.name, coalesce(settings operator(pg_catalog.->>) f.name, f.usual) as value
    from pgoffload.forwarded_setting f
    -- what the server does not know (any more) is null; a custom one that was never set is no different from ''
    where coalesce(pg_catalog.current_setting(f.name, true), case when f.name operator(pg_catalog.~) '[.]' then '' end)
          operator(pg_catalog.<>) coalesce(settings operator(pg_catalog.->>) f.name, f.usual)
    union all
    select s.key, s.value from pg_catalog.jsonb_each_text(settings) s
    where s.key operator(pg_catalog.~) '[.]' and s.key operator(pg_catalog.!~*) '^pgoffload[.]'
  loop
    perform pg_catalog.set_config(wanted.name,
      -- the driver reads ISO alone; the order of day and month is the launcher's
      case when wanted.name operator(pg_catalog.=) 'DateStyle'
        then pg_catalog.concat('ISO, ', pg_catalog.split_part(wanted.value, ', ', 2)) else wanted.value end,
      false);
  end loop;
  -- a role that ALTER ROLE … SET has set would stay
  perform pg_catalog.set_config('role',
    case when runs_as operator(pg_catalog.=) pg_catalog.quote_ident(session_user)::pg_catalog.regrole::pg_catalog.oid then 'none'
         else pg_catalog.pg_get_userbyid(runs_as)::pg_catalog.text end, false);
  -- a name may have passed to another role between two looks at it
  if pg_catalog.quote_ident(current_user)::pg_catalog.regrole::pg_catalog.oid operator(pg_catalog.<>) runs_as then
    raise exception 'this session has become role "%", and not the one with OID %', current_user, runs_as
      using errcode = 'insufficient_privilege';
  end if;
  -- until this call commits: what a crash of the server would forget of it, the crash has ended as well
  perform pg_catalog.set_config('synchronous_commit', 'off', true);
end
$$;
comment on function pgoffload.enter_task(bigint, integer, uuid, jsonb, text, text, integer) is
  'Private, for workers. Makes a session what the launcher''s was.';
revoke all on function pgoffload.enter_task(bigint, integer, uuid, jsonb, text, text, integer) from public;
grant execute on function pgoffload.enter_task(bigint, integer, uuid, jsonb, text, text, integer) to pgbackground_role;

-- API: Private. Undoes, until the end of the transaction, what a task may have set, and returns what its rows
-- were written under, for those who read them on the topic. The worker has set role none before it: a task may have set any role.
create or replace function pgoffload.leave_task() returns jsonb
language plpgsql volatile
as $$
declare
  read_under pg_catalog.jsonb := pg_catalog.jsonb_build_object(
    'IntervalStyle', pg_catalog.current_setting('IntervalStyle'));
begin
  perform pg_catalog.set_config('role', 'none', true),
          pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
  -- its end must not come between the last check and the commit
  if pg_catalog.current_setting('transaction_timeout', true) operator(pg_catalog.<>) '0' then
    perform pg_catalog.set_config('transaction_timeout', '0', true);
  end if;
  return read_under;
end
$$;
comment on function pgoffload.leave_task() is 'Private, for workers. Undoes what a task may have set.';
revoke all on function pgoffload.leave_task() from public;
grant execute on function pgoffload.leave_task() to pgbackground_role;

-- API: Private. Records the success of a task in its own transaction: its work and its result are committed
-- together or not at all.
create or replace function pgoffload.complete_sql(id bigint, attempt integer, token uuid, result text, read_under jsonb) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
  if not exists (
      select from pgoffload.execution e
      where e.id = complete_sql.id and e.attempt = complete_sql.attempt and e.token = complete_sql.token) then
    raise exception 'this is not the claim of request %', complete_sql.id using errcode = 'insufficient_privilege';
  end if;
  if not pgoffload.insert_sql_result(complete_sql.id, complete_sql.attempt, result, read_under) then
    raise exception 'request % has a result', complete_sql.id using errcode = 'PO002';
  end if;
end
$$;
comment on function pgoffload.complete_sql(bigint, integer, uuid, text, jsonb) is
  'Private, for workers. Records a task''s success in its own transaction.';
revoke all on function pgoffload.complete_sql(bigint, integer, uuid, text, jsonb) from public;
grant execute on function pgoffload.complete_sql(bigint, integer, uuid, text, jsonb) to pgbackground_role;

-- What follows is for the results application.

-- API: Private. Whether all chunks of a result are here: they take another way than the result. Chunks of other
-- numbers than the result's own are nobody's.
create or replace function pgoffload.has_all_chunks(result pgoffload.sql_result) returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  return result.chunks = 0 or result.chunks = (
    select count(*) from pgoffload.sql_chunk c
    where c.id = result.id and c.attempt = result.attempt and c.number between 1 and result.chunks);
end
$$;
comment on function pgoffload.has_all_chunks(pgoffload.sql_result) is 'Private. Whether all chunks of a result are here.';
revoke all on function pgoffload.has_all_chunks(pgoffload.sql_result) from public;
grant execute on function pgoffload.has_all_chunks(pgoffload.sql_result) to pgbackground_role, llm_user;

-- API: Private. Keeps an answer where a caller with an old snapshot finds it: a large object is read as it is
-- now, whatever the snapshot. The first line is the result, the others are its chunks.
-- Anybody may make a large object of any number: before them stands the mark by which ours are known.
create or replace function pgoffload.write_large_answer(id bigint, first_loid oid) returns void
language plpgsql volatile
as $$
#variable_conflict use_column
declare
  mark constant bytea := convert_to(encode(pgoffload.large_answer_mark(write_large_answer.id), 'hex') || E'\n', 'UTF8');
  loid oid;
  at bigint := octet_length(mark);
  line record;
begin
  -- anybody who can write to the results topic can say that a request has ended
  if exists (select from pgoffload.large_answer a where a.id = write_large_answer.id)
     or not exists (
       select from pgoffload.sql_result r where r.id = write_large_answer.id and pgoffload.has_all_chunks(r)) then
    return;
  end if;
  for i in 0 .. 7 loop
    begin
      loid := lo_create((first_loid::bigint + i)::oid);
      exit;
    exception when unique_violation then
      loid := null;  -- somebody else's
    end;
  end loop;
  if loid is null then
    raise warning 'the answer to request % has no large object, since all eight are taken', write_large_answer.id;
    return;
  end if;
  perform lo_put(loid, 0, mark);
  for line in
    select convert_to(to_jsonb(r)::text || E'\n', 'UTF8') as bytes, 0 as number
    from pgoffload.sql_result r where r.id = write_large_answer.id
    union all
    select convert_to(coalesce(c.rows::text, c.piece) || case when c.ends then E'\n' else '' end, 'UTF8'), c.number
    from pgoffload.sql_chunk c join pgoffload.sql_result r on r.id = c.id and r.attempt = c.attempt
    where c.id = write_large_answer.id and c.number between 1 and r.chunks
    order by number
  loop
    perform lo_put(loid, at, line.bytes);
    at := at + octet_length(line.bytes);
  end loop;
  insert into pgoffload.large_answer (id, loid) values (write_large_answer.id, loid);
exception when others then
  -- one caller waits until its own timeout; everybody else's results must not wait with it
  raise warning 'the answer to request % could not be kept as a large object: %', write_large_answer.id, sqlerrm;
end
$$;
comment on function pgoffload.write_large_answer(bigint, oid) is
  'Private. Keeps an answer as a large object. Runs within its callers'' rights and search_path.';
revoke all on function pgoffload.write_large_answer(bigint, oid) from public;

-- API: Private. Reads an answer from its large object, for who may: stamped with the caller's rights, read
-- with the owner's, like the sending (docs/decisions/0004). Null while it is not there.
create or replace function pgoffload.stamp_reader(state ${public_schema}.sql_request, id bigint) returns ${public_schema}.sql_request
language plpgsql volatile
as $$
begin
  state.id := stamp_reader.id;
  state.requested_by_oid := pg_catalog.quote_ident(current_user)::pg_catalog.regrole::pg_catalog.oid;
  return state;
end
$$;
comment on function pgoffload.stamp_reader(${public_schema}.sql_request, bigint) is 'Private. Stamps who reads.';
revoke all on function pgoffload.stamp_reader(${public_schema}.sql_request, bigint) from public;

create or replace function pgoffload.read_large_answer_as(reader ${public_schema}.sql_request) returns text
language plpgsql volatile strict security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  mark constant bytea := convert_to(encode(pgoffload.large_answer_mark(reader.id), 'hex') || E'\n', 'UTF8');
  first_loid constant bigint := pgoffload.large_object_of(reader.id);
  opened integer;
  content text;
begin
  for i in 0 .. 7 loop
    begin
      -- for writing too: only then is it read as it is now
      opened := lo_open((first_loid + i)::oid, x'60000'::integer);
    exception when undefined_object or insufficient_privilege then
      continue;
    end;
    if loread(opened, octet_length(mark)) = mark then
      content := convert_from(
        loread(opened, (lo_lseek64(opened, 0, 2) - lo_lseek64(opened, octet_length(mark), 0))::integer), 'UTF8');
    end if;
    perform lo_close(opened);
    if content is not null then
      return case when pg_has_role(
        reader.requested_by_oid, (split_part(content, E'\n', 1)::jsonb ->> 'requested_by_oid')::oid, 'usage') then content end;
    end if;
  end loop;
  return null;
end
$$;
comment on function pgoffload.read_large_answer_as(${public_schema}.sql_request) is 'Private. Reads an answer for who may read it.';
revoke all on function pgoffload.read_large_answer_as(${public_schema}.sql_request) from public;

create or replace aggregate pgoffload.read_large_answer(id bigint) (
  sfunc = pgoffload.stamp_reader,
  stype = ${public_schema}.sql_request,
  finalfunc = pgoffload.read_large_answer_as
);
comment on aggregate pgoffload.read_large_answer(bigint) is
  'Private. The answer of one request as a caller with an old snapshot reads it, or null while it is not there.';
revoke all on function pgoffload.read_large_answer(bigint) from public;
grant execute on function pgoffload.read_large_answer(bigint) to pgbackground_role;

-- API: Private. Removes what was kept for callers with an old snapshot. Returns how many.
create or replace function pgoffload.sweep_large_answers() returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  swept integer;
begin
  with expired as (
    delete from pgoffload.large_answer a
    where a.written_at < clock_timestamp()
      - (select s.value::interval from pgoffload.setting s where s.name = 'large_answer_kept')
    returning a.loid
  )
  select count(lo_unlink(e.loid)) into swept
  -- the number of one that is gone may be somebody else's by now
  from expired e where exists (
    select from pg_largeobject_metadata m where m.oid = e.loid and m.lomowner = quote_ident(current_user)::regrole);
  return swept;
end
$$;
comment on function pgoffload.sweep_large_answers() is 'Private, for workers. Removes large objects that have been kept long enough.';
revoke all on function pgoffload.sweep_large_answers() from public;
grant execute on function pgoffload.sweep_large_answers() to pgoffload_worker;
