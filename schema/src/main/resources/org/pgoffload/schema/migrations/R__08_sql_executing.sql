-- How a request for background SQL is executed once and gets its result.

-- What workers call on their own connections, as the role pgoffload_worker.

-- API: Private, for workers. Records what a task waits for before it can begin.
create or replace function pgoffload.record_wait(id bigint, attempt integer, reason text) returns void
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  insert into pgoffload.sql_progress (id, attempt, pct, message, waits) values (id, attempt, 0, reason, true)
$$;

-- API: Private. Whether an attempt was claimed before the last fail-over. Runs within its callers' rights and
-- search_path.
create or replace function pgoffload.is_of_before(id bigint, attempt integer) returns boolean
language plpgsql stable
as $$
begin
  return coalesce((
    select pgoffload.timelines_since(c.xmin) > 0 from pgoffload.claim c
    where c.id = is_of_before.id and c.attempt = is_of_before.attempt), false);
end
$$;

-- API: Private, for workers. Marks an attempt whose command is about to run outside a transaction block: its outcome
-- will be unknown if its worker dies. False: it is not to be run, another attempt has begun.
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

-- API: Private, for workers. The same for a worker that calls pgoffload.end_sql_attempt afterwards. False also where the
-- attempt was claimed before the last fail-over: its session may be one with the server before.
create or replace function pgoffload.begin_autocommit(id bigint, attempt integer) returns boolean
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  select case when not pgoffload.is_of_before(id, attempt) then pgoffload.mark_autocommit(id, attempt) else false end
$$;

-- API: Private, for workers. Stores a chunk of an attempt's rows, before the attempt's result is recorded: whoever sees
-- the result sees all chunks. The token proves that the caller has claimed this attempt, so that no other worker can
-- add to its rows, and readers take those of the attempt alone that the result names. Stored twice, a chunk is as it was
-- the first time.
create or replace function pgoffload.store_rows(
  id bigint, attempt integer, token uuid,
  number integer,       -- from 1
  columns text[],       -- as in the table
  ends boolean)         -- as in the table
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  claim pgoffload.claim;
begin
  select c.* into claim from pgoffload.claim c
  where c.id = store_rows.id and c.attempt = store_rows.attempt and c.token = store_rows.token;
  if not found then
    raise exception 'this is not the claim of request %', store_rows.id using errcode = 'insufficient_privilege';
  end if;
  if exists (select from pgoffload.claim c where c.id = store_rows.id and c.attempt > store_rows.attempt) then
    raise exception 'request % has been taken over', store_rows.id using errcode = 'PO002';
  end if;
  insert into pgoffload.sql_rows (id, attempt, number, requested_by_oid, columns, ends)
  values (store_rows.id, store_rows.attempt, store_rows.number, claim.requested_by_oid, store_rows.columns, store_rows.ends)
  on conflict do nothing;
  -- The result is committed later, and so stands behind this in the WAL: where it is durable, or on a standby, so are its
  -- rows. Nothing reads them before. A crash that loses them ends the task's session, which records the result, or
  -- pgoffload.end_sql misses them.
  perform set_config('synchronous_commit', 'off', true);
end
$$;

-- API: Private. Records a result, if it is the first; what identifies it comes from the claim, not from the message.
create or replace function pgoffload.insert_sql_result(
  claim pgoffload.claim,
  result text,               -- a sql-result message: its fields are columns
  read_under jsonb)          -- or null
returns boolean              -- false: there is one
language plpgsql volatile
as $$
declare
  told pgoffload.sql_result := jsonb_populate_record(null::pgoffload.sql_result, result::jsonb);
begin
  insert into pgoffload.sql_result (
    id, status, requested_by_oid, attempt, tags, row_count, columns, rows, chunks, split, stored, read_under, error, notices,
    queued_ms, ran_ms, worker, finished_at)
  values (
    claim.id, told.status, claim.requested_by_oid, claim.attempt, coalesce(told.tags, '{}'), told.row_count, told.columns, told.rows,
    coalesce(told.chunks, 0), coalesce(told.split, false), coalesce(told.stored, 0), insert_sql_result.read_under, told.error, told.notices,
    (select greatest(0, extract(epoch from claim.claimed_at - q.created_at) * 1000)
     from ${public_schema}.sql_request q where q.id = claim.id),
    extract(epoch from clock_timestamp() - claim.claimed_at) * 1000, told.worker, clock_timestamp())
  on conflict (id) do nothing;
  return found;
end
$$;

-- API: Private. The same for a session that records a result while this version is installed.
create or replace function pgoffload.insert_sql_result(id bigint, attempt integer, result text, read_under jsonb) returns boolean
language sql volatile
as $$
  select pgoffload.insert_sql_result(c, insert_sql_result.result, insert_sql_result.read_under)
  from pgoffload.claim c
  where c.id = insert_sql_result.id and c.attempt = insert_sql_result.attempt
$$;

-- API: Private, for workers. Records a terminal result that is not bound to a task's transaction. False: another result
-- stands, or a later attempt has begun; the caller reports nothing.
create or replace function pgoffload.end_sql(id bigint, attempt integer, result text) returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  stored constant integer := result::jsonb -> 'stored';
  claim pgoffload.claim;
begin
  if not pgoffload.is_last_attempt(id, attempt) then
    return false;
  end if;
  -- A crash of the server may have lost rows that were stored before it, and this result is not of the session that
  -- would have been lost too.
  if stored > (
      select count(*) from pgoffload.sql_rows r
      where r.id = end_sql.id and r.attempt = end_sql.attempt and r.number between 1 and stored) then
    raise exception 'rows of request % are lost', id using errcode = 'no_data_found';
  end if;
  select c.* into strict claim from pgoffload.claim c where c.id = end_sql.id and c.attempt = end_sql.attempt;
  return pgoffload.insert_sql_result(claim, result, result::jsonb -> 'read_under');
end
$$;

-- API: Private, for workers. The same, where the database may have been failed over since the attempt began. What such an
-- attempt has done may be lost with the server before: that it has succeeded or failed is not recorded. The request is
-- claimed again, and is executed again, since nothing of a transaction has survived without its result. If the mark of
-- pgoffload.begin_autocommit has survived, the command may have survived too: then that claim ends it as unknown.
create or replace function pgoffload.end_sql_attempt(id bigint, attempt integer, result text) returns boolean
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  select case when result::jsonb ->> 'status' in ('succeeded', 'failed') and pgoffload.is_of_before(id, attempt) then false
              else pgoffload.end_sql(id, attempt, result) end
$$;

-- API: Private, for workers. The recorded result as the message that goes to the results topic.
create or replace function pgoffload.sql_result_message(id bigint) returns text
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
  select (jsonb_build_object('version', 1, 'kind', 'sql', 'requested_by', q.requested_by)
          || jsonb_strip_nulls(to_jsonb(r) || jsonb_build_object('nonce', q.nonce))
          || jsonb_build_object('finished_at', to_char(r.finished_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')))::text
  from pgoffload.sql_result r
  join ${public_schema}.sql_request q on q.id = r.id
  where r.id = sql_result_message.id
$$;

-- API: Private, for workers. Which of these sessions do not exist any more, by their place. One that the owner may not
-- look at (without the rights of pg_read_all_stats) exists as long as its pid does.
create or replace function pgoffload.sessions_gone(pids integer[], started timestamptz[]) returns setof bigint
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  select s.number
  from unnest(pids, started) with ordinality s (pid, started, number)
  where not exists (
    select from pg_stat_get_activity(s.pid) a where a.backend_start = s.started or a.backend_start is null)
$$;

-- API: Private, for workers. Whether a request that was executed in this session, other than this one, has a later
-- attempt: a takeover ends the session, whatever it executes by then.
create or replace function pgoffload.is_taken_over(
  pid integer,
  started text,       -- when the session began, as the server has told the worker
  id bigint)
returns boolean
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  select exists (
    select from pgoffload.sql_session s
    join pgoffload.claim c on c.id = s.id and c.attempt > s.attempt
    where s.pid = is_taken_over.pid and s.started = is_taken_over.started::timestamptz and s.id <> is_taken_over.id)
$$;

-- What workers call on the session of a task, as the role that launched it.

-- API: Private, for workers. Records which session executes an attempt, and returns the role that it is to run as. The
-- token proves that the caller is the worker. An identity is an oid: a role may have been renamed since the claim, and
-- another may bear its name.
create or replace function pgoffload.record_task_session(
  id bigint, attempt integer, token uuid, started timestamptz, depth integer)
returns oid
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- as in pgoffload.claim_llm_requests
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
declare
  runs_as oid;
  taken_over boolean;
  known boolean;
begin
  select q.requested_by_oid,
         exists (select from pgoffload.claim l
                 where l.id = record_task_session.id and l.attempt > record_task_session.attempt),
         exists (select from pgoffload.task_backend b where b.pid = pg_backend_pid())
  into runs_as, taken_over, known
  from pgoffload.claim c
  left join ${public_schema}.sql_request q
    on q.id = record_task_session.id and q.login_oid = quote_ident(session_user)::regrole
  where c.id = record_task_session.id and c.attempt = record_task_session.attempt and c.token = record_task_session.token;
  if not found then
    raise exception 'this is not the claim of request %', id using errcode = 'insufficient_privilege';
  end if;
  if runs_as is null then
    raise exception 'this session is one of role "%", and request % was launched by another', session_user, id
      using errcode = 'insufficient_privilege';
  end if;
  if taken_over then
    raise exception 'request % has been taken over', id using errcode = 'PO002';
  end if;
  if not known then
    insert into pgoffload.task_backend (pid) values (pg_backend_pid()) on conflict do nothing;
  end if;
  insert into pgoffload.sql_session (id, attempt, pid, started, depth, autocommit)
  values (record_task_session.id, record_task_session.attempt, pg_backend_pid(), record_task_session.started,
          record_task_session.depth, false)
  on conflict do nothing;
  return runs_as;
end
$$;

-- API: Private, for workers. An older name: pgoffload.record_task_session.
create or replace function pgoffload.begin_sql_session(
  id bigint, attempt integer, token uuid, started timestamptz, depth integer)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  perform pgoffload.record_task_session(id, attempt, token, started, depth);
end
$$;

-- API: Private, for workers. The role that a request is to run as, for a session of the role that is to be logged in
-- as; null for any other. Older workers ask for it.
create or replace function pgoffload.role_of_task(id bigint) returns oid
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
  select q.requested_by_oid from ${public_schema}.sql_request q
  where q.id = role_of_task.id and q.login_oid = quote_ident(session_user)::regrole::oid
$$;

-- API: Private. The settings of which this session has another value than a task is to have, and that value. Becomes
-- part of the queries that name it, so that it has no SET clause.
create or replace function pgoffload.settings_to_apply(
  settings jsonb)           -- those that differ from what is usual
returns table (name text, value text)
language sql stable
as $$
  select f.name, w.value
  from pgoffload.forwarded_setting f,
  lateral (select coalesce(settings operator(pg_catalog.->>) f.name, f.usual)) l (value),
  -- the driver reads ISO alone; the order of day and month is the launcher's
  lateral (select case when f.name operator(pg_catalog.=) 'DateStyle'
                       then pg_catalog.concat('ISO, ', pg_catalog.split_part(l.value, ', ', 2)) else l.value end) w (value)
  -- what the server does not know (any more) is null; a custom one that was never set is no different from ''
  where coalesce(pg_catalog.current_setting(f.name, true), case when f.name operator(pg_catalog.~) '[.]' then '' end)
        operator(pg_catalog.<>) w.value
$$;

-- API: Private, for workers. Makes this session what the launcher's was, and returns which settings it has set for that,
-- with the time of the server's configuration. Has no SET clause, since its settings are to stay.
create or replace function pgoffload.begin_task(
  id bigint, attempt integer, token uuid,
  settings jsonb,           -- those that differ from what is usual, and custom ones
  application_name text,
  started text,             -- when this session began, as the server has told the worker; null: it is looked up
  depth integer,            -- how many tasks this one is nested in
  set_before jsonb)         -- what it has returned to the task before, if that one came with these settings and has left none of
                            -- them changed: a session at rest has its own settings, until the server reads new ones; or null
returns jsonb
language plpgsql volatile
as $$
declare
  began pg_catalog.timestamptz := started::pg_catalog.timestamptz;
  runs_as pg_catalog.oid;
  wanted pg_catalog.record;
begin
  if began is null then
    -- this copies what the server tells of all its sessions
    began := (select a.backend_start from pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid()) a);
  end if;
  runs_as := pgoffload.record_task_session(id, attempt, token, began, depth);
  -- Readers wait for this lock, which wakes them and shows a deadlock to the server. A reader may hold it at just this
  -- moment. Any session may hold it for ever, which costs nothing but the wake-up.
  for i in 1 .. 5 loop
    exit when pg_catalog.pg_try_advisory_lock(1885826918, pgoffload.pid_of(id));
    perform pg_catalog.pg_sleep(0.001);
  end loop;
  perform pg_catalog.set_config('application_name', begin_task.application_name, false),
          pg_catalog.set_config('pgoffload.task', pg_catalog.concat_ws('/', id, attempt), false),
          pg_catalog.set_config('default_transaction_read_only', 'off', false),
          pg_catalog.set_config('default_transaction_deferrable', 'off', false),
          pg_catalog.set_config('default_transaction_isolation', 'read committed', false),
          pg_catalog.set_config('idle_in_transaction_session_timeout', '0', false);
  if set_before is null
     or set_before operator(pg_catalog.->) 'since' operator(pg_catalog.<>) pg_catalog.to_jsonb(pg_catalog.pg_conf_load_time()) then
    set_before := (
      select pg_catalog.jsonb_build_object(
        'since', pg_catalog.pg_conf_load_time(), 'settings', coalesce(pg_catalog.jsonb_object_agg(s.name, s.value), '{}'))
      from pgoffload.settings_to_apply(settings) s);
  end if;
  for wanted in
    select s.key as name, s.value from pg_catalog.jsonb_each_text(set_before operator(pg_catalog.->) 'settings') s
    union all
    select s.key, s.value from pg_catalog.jsonb_each_text(settings) s
    where s.key operator(pg_catalog.~) '[.]' and s.key operator(pg_catalog.!~*) '^pgoffload[.]'
  loop
    perform pg_catalog.set_config(wanted.name, wanted.value, false);
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
  -- until this call commits: a crash of the server, which may lose this commit, ends the session that it records as well
  perform pg_catalog.set_config('synchronous_commit', 'off', true);
  return set_before;
end
$$;

-- an argument may have had another name
drop function if exists pgoffload.enter_task(bigint, integer, uuid, jsonb, text, text, integer);

-- API: Private, for workers. An older name: pgoffload.begin_task.
create or replace function pgoffload.enter_task(
  id bigint, attempt integer, token uuid, settings jsonb, application_name text, started text, depth integer)
returns void
language plpgsql volatile
as $$
begin
  perform pgoffload.begin_task(id, attempt, token, settings, application_name, started, depth, null);
end
$$;

-- API: Private, for workers. Names the memberships and attributes of the session's role and of the role that it has set:
-- the policies in a plan went by them, and not every version of PostgreSQL plans anew when they change.
create or replace function pgoffload.memberships() returns text
language plpgsql stable
as $$
begin
  return (
    with recursive held (oid) as (
      select pg_catalog.quote_ident(session_user)::pg_catalog.regrole::pg_catalog.oid
      union
      select pg_catalog.quote_ident(current_user)::pg_catalog.regrole::pg_catalog.oid
      union
      select m.roleid from held h join pg_catalog.pg_auth_members m on m.member operator(pg_catalog.=) h.oid
    )
    select pg_catalog.string_agg(pg_catalog.concat_ws('/', r.oid, r.rolsuper, r.rolinherit, r.rolbypassrls, m.roleid, m.xmin), ' '
                                 order by r.oid, m.roleid)
    from held h
    join pg_catalog.pg_roles r on r.oid operator(pg_catalog.=) h.oid
    left join pg_catalog.pg_auth_members m on m.member operator(pg_catalog.=) h.oid);
end
$$;

-- API: Private, for workers. Undoes, until the end of the transaction, what a task may have set, and returns what its
-- rows were written under, for those who read them on the topic. The worker has set role none before it: a task may
-- have set any role.
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

-- API: Private, for workers. Records the success of a task in its own transaction: its work and its result are
-- committed together or not at all.
create or replace function pgoffload.complete_sql(id bigint, attempt integer, token uuid, result text, read_under jsonb) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- as in pgoffload.claim_llm_requests
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
declare
  claim pgoffload.claim;
begin
  select c.* into claim from pgoffload.claim c
  where c.id = complete_sql.id and c.attempt = complete_sql.attempt and c.token = complete_sql.token;
  if not found then
    raise exception 'this is not the claim of request %', complete_sql.id using errcode = 'insufficient_privilege';
  end if;
  if not pgoffload.insert_sql_result(claim, result, read_under) then
    raise exception 'request % has a result', complete_sql.id using errcode = 'PO002';
  end if;
end
$$;

-- API: Private, for workers. Ends a task but for the commit. The worker has set role none and no timeouts before it.
create or replace function pgoffload.finish_task(
  id bigint, attempt integer, token uuid,
  result text,                  -- a sql-result message
  settings jsonb,               -- that it came with
  out read_under jsonb,         -- as pgoffload.leave_task says it
  out recorded boolean,         -- a read-only transaction that has changed nothing can record nothing, and needs none
  out keeps_plans boolean)      -- whether the plans of its functions serve a next task of the same role and settings
language plpgsql volatile
as $$
begin
  recorded := not pg_catalog.current_setting('transaction_read_only')::pg_catalog.bool
    or pg_catalog.pg_current_xact_id_if_assigned() is not null;
  -- Plans have constants that were made under the settings, and may name the types of temporary tables. None depends on
  -- a timeout, and PostgreSQL compares the search_path itself.
  keeps_plans := pg_catalog.pg_my_temp_schema() operator(pg_catalog.=) 0::pg_catalog.oid
    -- does not go with tasks, and is in a float's text: from 1 up all are the same
    and pg_catalog.current_setting('extra_float_digits')::pg_catalog.int4 operator(pg_catalog.>) 0
    -- a type (so a table) or function that was made or dropped, also by a function, or by CREATE TABLE AS, whose tag is
    -- SELECT; counted even if it was rolled back
    and pg_catalog.pg_stat_get_xact_tuples_inserted('pg_catalog.pg_type'::pg_catalog.regclass) operator(pg_catalog.=) 0
    and pg_catalog.pg_stat_get_xact_tuples_deleted('pg_catalog.pg_type'::pg_catalog.regclass) operator(pg_catalog.=) 0
    and pg_catalog.pg_stat_get_xact_tuples_inserted('pg_catalog.pg_proc'::pg_catalog.regclass) operator(pg_catalog.=) 0
    and not exists (
      select from pgoffload.settings_to_apply(settings) s
      where s.name operator(pg_catalog.<>) all (array['search_path', 'statement_timeout', 'lock_timeout']));
  read_under := pgoffload.leave_task();
  -- the offset of the request is committed once this is: a crash must not take it back
  if pg_catalog.current_setting('synchronous_commit') operator(pg_catalog.=) 'off' then
    perform pg_catalog.set_config('synchronous_commit', 'on', true);
  end if;
  if recorded then
    perform pgoffload.complete_sql(id, attempt, token, result, read_under);
  end if;
end
$$;
