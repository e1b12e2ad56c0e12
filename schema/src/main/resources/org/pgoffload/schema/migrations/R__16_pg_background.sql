-- The functions of pg_background, on top of sql_request. A task's pid is a number that is handy within a
-- session, its cookie is the request id. The names are those of 2.x; the older ones are a table at the end.
--
-- The session's settings remember which tasks it has attached, read and detached; a rollback takes this back. Of a pooled
-- session they are the transaction's, under other names (pgoffload.kept), and a handle is resolved by its cookie:
--   pgoffload.attached    ,pid=id/large/oid of the launcher   for each launch, and /label in hex, if it has one
--   pgoffload.left        ,pid=id/c or /d                     for each one read (c) or detached (d), the latest
--   pgoffload.timed_out   how many tasks a run has cancelled because their time was up
--   pgoffload.queued_ms   milliseconds/when: how long the last task that was waited for was queued. A pause of 50 ms at most
--                         depends on it, for a second, so that it is the session's also behind a pooler
--   pgoffload.launched    id/when, in milliseconds of the epoch, of the last launch

-- pg_background_launch(text, integer) returns something else in the other version of pg_background, and cannot be
-- replaced then. It is dropped, unless a user's object depends on it, and made again below.
do $do$
declare
  former constant regprocedure := pg_catalog.to_regprocedure('${public_schema}.pg_background_launch(text, integer)');
  wanted constant regtype :=
    case '${pg_background_api}' when '2' then '${public_schema}.pg_background_handle' else 'integer' end;
  dependents text;
begin
  if not exists (select from pg_catalog.pg_proc p where p.oid = former and p.prorettype <> wanted) then
    return;
  end if;
  select pg_catalog.string_agg(distinct case
           -- a view depends on it by its rule
           when d.classid = 'pg_catalog.pg_rewrite'::regclass
             then (select pg_catalog.pg_describe_object('pg_catalog.pg_class'::regclass, w.ev_class, 0)
                   from pg_catalog.pg_rewrite w where w.oid = d.objid)
           else pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid) end, ', ')
  into dependents
  from pg_catalog.pg_depend d
  where d.refclassid = 'pg_catalog.pg_proc'::regclass and d.refobjid = former;
  if dependents is not null then
    raise exception 'function % gets another result or other arguments, which it cannot while these depend on it: %',
        former, dependents
      using errcode = 'dependent_objects_still_exist',
            detail = 'Nothing has changed.',
            hint = 'Drop them, install, and create them anew for what the function is then.';
  end if;
  execute pg_catalog.format('drop function %s', former);
end
$do$;

-- API: Private. Notes a launch of this session; returns its pid.
create or replace function pgoffload.attach(id bigint, label text) returns integer
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  pid constant integer := pgoffload.pid_of(id);
  ignored text;
begin
  ignored := pgoffload.keep('attached',
    concat(pgoffload.kept('attached'), ',', pid, '=', id, '/',
      (current_setting('transaction_isolation') not in ('read committed', 'read uncommitted'))::integer, '/',
      quote_ident(current_user)::regrole::oid, '/' || nullif(encode(convert_to(label, 'UTF8'), 'hex'), '')));
  ignored := pgoffload.keep('launched', concat(id, '/', (date_part('epoch', clock_timestamp()) * 1000)::bigint));
  return pid;
end
$$;

-- API: Private. Notes that this session has read a task's result, or has detached it.
create or replace function pgoffload.leave(id bigint, how "char") returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  -- searched as plain text: of a session that has launched many it is long
  entry constant text := concat(',', pgoffload.pid_of(id), '=', id, '/');
  attached constant text := pgoffload.kept('attached');
  left_behind text := coalesce(pgoffload.kept('left'), '');
  ignored text;
begin
  if strpos(attached, entry) > 0 then
    ignored := pgoffload.keep('attached',
      replace(attached, entry || split_part(split_part(attached, entry, 2), ',', 1), ''));
  end if;
  left_behind := replace(replace(left_behind, entry || 'c', ''), entry || 'd', '');
  -- a session that reads thousands of tasks does not come back to the first of them
  if octet_length(left_behind) > 50000 then
    left_behind := regexp_replace(right(left_behind, 40000), '^[^,]*', '');
  end if;
  ignored := pgoffload.keep('left', concat(left_behind, entry, how));
end
$$;

-- API: Private. Finds the task of a handle, or raises pg_background's errors.
create or replace function pgoffload.resolve(
  pid integer,
  cookie bigint)        -- the request id; null for the functions that know the pid alone
returns pgoffload.attachment
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  -- the latest of a number that came twice
  entry constant text[] := regexp_match(
    left(split_part(',' || pgoffload.kept('attached'), concat(',', pid, '='), -1), 60),
    '^([0-9]+)/([0-9])/([0-9]+)');
  since timestamptz;
  on_its_way boolean;
  found_id bigint;
begin
  if entry is not null then
    if cookie is not null and entry[1]::bigint <> cookie then
      raise exception 'cookie mismatch for PID %', pid
        using errcode = 'object_not_in_prerequisite_state',
              hint = 'The handle is stale, or of another task: use the one that the launch returned. '
                  '(pg_background_launch_v2(…)).* launches once for each column; select * from pg_background_launch_v2(…) launches once.';
    end if;
    if not pg_has_role(entry[3]::oid, 'usage') then
      raise exception 'permission denied for background worker with PID "%"', pid
        using errcode = 'insufficient_privilege', detail = 'Another role of this session has launched it.';
    end if;
    return row (entry[1]::bigint, entry[2] = '1');
  end if;

  -- Launched in a transaction that was rolled back, or by another session: it is found when it is recorded,
  -- which takes a moment, a second at most. Only an id that has been drawn, and by this session if only its pid is
  -- known, can still be on its way; those of READ ONLY callers and of tasks, in the upper half, may have been.
  if cookie is not null then
    on_its_way := pgoffload.pid_of(cookie) = pid and pgoffload.may_be_on_its_way(cookie);
  else
    begin
      on_its_way := pgoffload.pid_of(currval('pgoffload.request_id')) between pid and pid::bigint + 100000;
    exception when object_not_in_prerequisite_state then
      on_its_way := false;
    end;
  end if;
  since := clock_timestamp();
  loop
    if pgoffload.kept('left') ~ coalesce(',' || pid || '=' || cookie || '/', ',' || pid || '=') then
      exit;
    elsif cookie is null then
      select q.id into found_id from ${public_schema}.sql_request q
      where q.session = pgoffload.session_key() and q.immediate and pgoffload.pid_of(q.id) = pid
      order by q.id desc limit 1;
    elsif pgoffload.pid_of(cookie) = pid then
      select q.id into found_id from ${public_schema}.sql_request q where q.id = cookie;
    end if;
    if found_id is not null then
      return row (found_id, false);
    elsif on_its_way and pgoffload.may_be_launched(cookie) then
      return row (cookie, false);
    end if;
    exit when clock_timestamp() > since + interval '1 s'
      or current_setting('transaction_isolation') not in ('read committed', 'read uncommitted')
      or on_its_way is not true;
    perform pgoffload.pause_polling(since);
  end loop;
  raise exception 'PID % is not attached to this session', pid
    using errcode = 'undefined_object',
          hint = 'It was never launched by this session, or its result was read, or it was detached. '
              'Behind a pooler a pid is of its transaction: the handle (pid, cookie) is good in all of them.';
end
$$;

-- API: Private. Raises feature_not_supported for the rows of a task that was launched without a wish for them.
create or replace function pgoffload.refuse_results_of_submitted(id bigint, pid integer) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  -- launched here, and this session has submitted none
  if coalesce(pgoffload.kept('submitted'), '') = ''
     and strpos(pgoffload.kept('attached'), concat('=', id, '/')) > 0 then
    return;
  end if;
  if pgoffload.kept('submitted') ~ format(',%s,', id)
     or exists (select from ${public_schema}.sql_request q where q.id = refuse_results_of_submitted.id and q.submitted) then
    raise exception 'results are disabled for PID % (submitted via submit_v2)', pid
      using errcode = 'feature_not_supported', hint = 'Use pg_background_launch for a task whose rows are wanted.';
  end if;
end
$$;

-- The launching functions run with the caller's rights, have no SET clause and use no unqualified function or
-- operator: the caller's search_path goes with the task.

-- API: Public. Runs SQL in the background, at once and whatever becomes of the transaction; returns its handle.
create or replace function ${public_schema}.pg_background_launch(
  sql text,                              -- one or more statements, which run as one transaction
  queue_size integer,                    -- about how many bytes a chunk of its result holds; 0: the setting
  label text)                            -- a name to find the task by, or null
returns ${public_schema}.pg_background_handle
language plpgsql volatile
as $$
declare
  id pg_catalog.int8;
begin
  if sql is null then
    return null;
  end if;
  id := (select pgoffload.emit_sql_request(sql, queue_size, label, false));
  return row (pgoffload.attach(id, label), id);
end
$$;

-- API: Public. The one name that cannot mean both: pgoffload.setting says which pg_background it follows.
do $do$
begin
  update pgoffload.setting set value = '${pg_background_api}'
  where name = 'pg_background_api' and value <> '${pg_background_api}';
  if '${pg_background_api}' = '2' then
    create or replace function ${public_schema}.pg_background_launch(
      sql text,
      queue_size integer default 0)
    returns ${public_schema}.pg_background_handle
    language plpgsql volatile strict
    as $$
    begin
      return ${public_schema}.pg_background_launch(sql, queue_size, null);
    end
    $$;
    comment on function ${public_schema}.pg_background_launch(text, integer) is
      'Runs SQL in the background, at once and whatever becomes of the transaction; returns its handle.';
  else
    create or replace function ${public_schema}.pg_background_launch(
      sql text,
      queue_size integer default 65536)
    returns integer                      -- the pid, for pg_background_result(pid)
    language plpgsql volatile strict
    as $$
    begin
      return pgoffload.attach((select pgoffload.emit_sql_request(sql, queue_size, null, false)), null);
    end
    $$;
    comment on function ${public_schema}.pg_background_launch(text, integer) is
      'Runs SQL in the background, at once and whatever becomes of the transaction; returns a number for pg_background_result.';
  end if;
end
$do$;

-- API: Public. Runs SQL in the background whose rows are not wanted; returns its handle.
create or replace function ${public_schema}.pg_background_submit(
  sql text, queue_size integer default 0, label text default null)
returns ${public_schema}.pg_background_handle
language plpgsql volatile
as $$
declare
  id pg_catalog.int8;
begin
  if sql is null then
    return null;
  end if;
  id := (select pgoffload.emit_sql_request(sql, queue_size, label, true));
  perform pgoffload.keep('submitted',
    pg_catalog.concat(pg_catalog.right(pgoffload.kept('submitted'), 4000), ',', id, ','));
  return row (pgoffload.attach(id, label), id);
end
$$;

-- API: Public. Forgets a task of this session. It goes on running; its result and notices are not to be had here any
-- more.
create or replace function ${public_schema}.pg_background_detach(pid integer) returns void
language plpgsql volatile strict
set search_path = pg_catalog, pg_temp
as $$
begin
  perform pgoffload.leave((pgoffload.resolve(pid, null)).id, 'd');
end
$$;

-- API: Public. Forgets a task in this session. It goes on running; other sessions of its role see it as before.
create or replace function ${public_schema}.pg_background_detach(pid integer, cookie bigint) returns void
language plpgsql volatile strict
set search_path = pg_catalog, pg_temp
as $$
begin
  -- a task that was read may still be listed here
  if pgoffload.kept('left') ~ format(',%s=%s/c', pid, cookie) then
    perform pgoffload.leave(cookie, 'd');
  else
    perform pgoffload.leave((pgoffload.resolve(pid, cookie)).id, 'd');
  end if;
end
$$;

-- API: Private. A handle's task, also when its result has been read.
create or replace function pgoffload.known(pid integer, cookie bigint) returns pgoffload.attachment
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  if pgoffload.kept('left') ~ format(',%s=%s/c', pid, cookie) then
    -- what this very transaction has launched and read, it sees in no table above READ COMMITTED
    return row (cookie, current_setting('transaction_isolation') not in ('read committed', 'read uncommitted'));
  end if;
  return pgoffload.resolve(pid, cookie);
end
$$;

-- API: Public. Waits until a task has ended, at most so many milliseconds if they are more than 0; whether it has.
create or replace function ${public_schema}.pg_background_wait(
  pid integer, cookie bigint,
  timeout_ms integer default 0)        -- 0 or less: as long as it takes
returns boolean                        -- whether it has ended
language plpgsql volatile strict
set search_path = pg_catalog, pg_temp
as $$
begin
  return pgoffload.await_sql(
    pgoffload.known(pid, cookie), case when timeout_ms > 0 then clock_timestamp() + timeout_ms * interval '1 ms' end);
end
$$;

-- API: Public. Asks at once that a task be cancelled: a queued one does not begin, a running statement is interrupted
-- within a second. Waits at most grace_ms for its end. Nothing is ever killed.
create or replace function ${public_schema}.pg_background_cancel(
  pid integer, cookie bigint,
  grace_ms integer default 0)          -- how long to wait for its end, an hour at most; 0 or less: not at all
returns void
language plpgsql volatile strict
set search_path = pg_catalog, pg_temp
as $$
declare
  handle pgoffload.attachment;
  is_known boolean := true;
  deadline timestamptz;
begin
  -- Of a task of which no worker has heard, behind a pooler, nobody can tell whose it is. One that is recorded for another
  -- role is answered alike, and the workers leave both alone.
  if pgoffload.is_pooled() and pgoffload.pid_of(cookie) = pid and pgoffload.may_be_on_its_way(cookie)
     and not pgoffload.is_launched_here(cookie) then
    handle := row (cookie, false);
    is_known := false;
  else
    handle := pgoffload.known(pid, cookie);
  end if;
  perform (select pgoffload.emit_command('cancel', handle.id, null, null));
  if grace_ms > 0 then
    deadline := clock_timestamp() + least(grace_ms, 3600000) * interval '1 ms';
    begin
      perform pgoffload.await_sql(handle, deadline);
    exception when undefined_object then
      if is_known then
        raise;
      end if;
      -- it is recorded for another role: it takes as long as a task of which no worker has heard
      perform pg_sleep(date_part('epoch', deadline - clock_timestamp()));
    end;
  end if;
end
$$;

-- API: Private. The tasks of the caller's roles that are recorded.
create or replace view pgoffload.recorded_task with (security_invoker) as
select pgoffload.pid_of(q.id) as pid, q.id as cookie, q.created_at as launched_at, q.requested_by_oid as user_id, q.queue_size,
       case when r.status = 'cancelled' then 'canceled'
            when r.status is not null then 'stopped'
            when pgoffload.is_running(q.id) then 'running'
            else 'starting' end as state,
       pg_catalog.left(q.command, 120) as sql_preview,
       r.error ->> 'message' as last_error,
       pg_catalog.strpos(pgoffload.kept('left'), pg_catalog.concat('=', q.id, '/c')) > 0 is true as consumed,
       q.label, q.session
from ${public_schema}.sql_request q
left join pgoffload.sql_result r on r.id = q.id
where q.immediate
  -- by the index, before row-level security asks for each row
  and q.requested_by_oid in (select o.oid from pg_catalog.pg_roles o where pg_catalog.pg_has_role(o.oid, 'usage'))
  and pg_catalog.strpos(pgoffload.kept('left'), pg_catalog.concat('=', q.id, '/d')) > 0 is not true;

-- API: Private. What this session has launched and finds in no table: no worker has heard of it yet, which takes a
-- moment, or the caller's snapshot is older.
create or replace function pgoffload.unrecorded_tasks(
  out pid integer, out cookie bigint, out user_id oid, out label text, out status text)
returns setof record
language sql volatile
set search_path = pg_catalog, pg_temp
as $$
  select m[1]::integer, m[2]::bigint, m[4]::oid, nullif(convert_from(decode(m[5], 'hex'), 'UTF8'), ''),
         (pgoffload.sql_outcome(row (m[2]::bigint, m[3] = '1')::pgoffload.attachment)).status
  from regexp_matches(pgoffload.kept('attached'), ',([0-9]+)=([0-9]+)/([0-9])/([0-9]+)/?((?:[0-9a-f]{2})*)', 'g') m
  where pg_has_role(m[4]::oid, 'usage')
    and not exists (select from ${public_schema}.sql_request q where q.id = m[2]::bigint)
$$;

-- API: Private. The tasks of the caller's roles, as pg_background_list shows them.
create or replace view pgoffload.task with (security_invoker) as
select * from pgoffload.recorded_task
union all
select u.pid, u.cookie, null, u.user_id, null,
       case when u.status is null then 'starting' when u.status operator(pg_catalog.=) 'cancelled' then 'canceled' else 'stopped' end,
       null, null, false, u.label, pgoffload.session_key()
from pgoffload.unrecorded_tasks() u;

-- API: Public. A column definition list of the first nine columns (as in 1.6 to 1.8) or of all ten. Both names have
-- the body, because only the function itself knows the caller's list.
-- Makes: ${public_schema}.pg_background_list()
-- Makes: ${public_schema}.pg_background_list_v2()
do $do$
declare
  name text;
begin
  foreach name in array array['${public_schema}.pg_background_list', '${public_schema}.pg_background_list_v2'] loop
    execute pg_catalog.format($function$
      create or replace function %s() returns setof record
      language plpgsql volatile
      set search_path = pg_catalog, pg_temp
      as $$
      begin
        begin
          return query
            select t.pid, t.cookie, t.launched_at, t.user_id, t.queue_size, t.state, t.sql_preview, t.last_error, t.consumed, t.label
            from pgoffload.task t order by t.cookie;
        exception when datatype_mismatch then
          return query
            select t.pid, t.cookie, t.launched_at, t.user_id, t.queue_size, t.state, t.sql_preview, t.last_error, t.consumed
            from pgoffload.task t order by t.cookie;
        end;
      end
      $$;
      comment on function %1$s() is
        'The tasks that the caller may see, of other sessions too: as (pid int4, cookie int8, launched_at timestamptz, user_id oid, queue_size int4, state text, sql_preview text, last_error text, consumed bool, label text). The view pg_background_list needs no list.'
      $function$, name);
  end loop;
end
$do$;

-- API: Public. The tasks that the reader may see, of other sessions too.
create or replace view ${public_schema}.pg_background_list with (security_invoker) as
select t.pid, t.cookie, t.launched_at, t.user_id, t.queue_size, t.state, t.sql_preview, t.last_error, t.consumed, t.label
from pgoffload.task t;

-- API: Public. pg_background_list with what pg_stat_activity says of each task's session.
create or replace view ${public_schema}.pg_background_activity with (security_invoker) as
select t.pid, t.cookie, t.launched_at, t.user_id, t.queue_size, t.state as pgbg_state, t.sql_preview, t.last_error, t.consumed,
       t.label, a.state as backend_state, a.wait_event_type, a.wait_event, a.xact_start, a.query_start, a.backend_start, a.query
from pgoffload.task t
left join lateral (
  select s.pid, s.started from pgoffload.sql_session s
  where s.id = t.cookie and t.state = 'running' order by s.attempt desc limit 1) s on true
left join pg_catalog.pg_stat_activity a on a.pid = s.pid and a.backend_start = s.started;

-- Of this session's launches.
-- API: Public. Counts of what this session has launched; a task that is still queued counts as active, one that a run
-- has cancelled because its time was up as timed out, and as canceled once it is.
create or replace function ${public_schema}.pg_background_stats() returns ${public_schema}.pg_background_stats
language sql volatile
set search_path = pg_catalog, pg_temp
as $$
  select count(*), count(*) filter (where t.status = 'succeeded'), count(*) filter (where t.status in ('failed', 'expired')),
         count(*) filter (where t.status = 'cancelled'),
         coalesce(substring(pgoffload.kept('timed_out') from '^[0-9]{1,9}$')::bigint, 0),
         count(*) filter (where t.status is null)::integer,
         coalesce(avg(t.ran_ms), 0), pgoffload.integer_setting('pg_background.max_workers', 16, 1)
  from (
    select r.status, r.ran_ms from ${public_schema}.sql_request q left join pgoffload.sql_result r on r.id = q.id
    where q.immediate and q.session = (select pgoffload.session_key())
    union all
    select u.status, null from pgoffload.unrecorded_tasks() u) t
$$;

-- To be called inside a task.
-- API: Public. Tells how far the calling task is, in per cent: others see it at once, though its transaction is open.
create or replace function ${public_schema}.pg_background_report_progress(pct integer, msg text default null) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  task bigint := (select t.task from pgoffload.current_task() t);
begin
  if task is null then
    raise exception 'pg_background_progress can only be called from a background worker' using errcode = 'feature_not_supported';
  end if;
  if pct is null or pct not between 0 and 100 then
    raise exception 'progress must be 0 to 100, not %', coalesce(pct::text, 'null') using errcode = 'invalid_parameter_value';
  end if;
  perform (select pgoffload.emit_command('progress', task, pct, msg));
end
$$;

-- API: Public. What a task last said of its progress, or what it waits for before it can begin; null if there is
-- nothing to say.
create or replace function ${public_schema}.pg_background_get_progress(pid integer, cookie bigint)
returns ${public_schema}.pg_background_progress_info
language plpgsql volatile strict
set search_path = pg_catalog, pg_temp
as $$
declare
  handle constant pgoffload.attachment := pgoffload.known(pid, cookie);
begin
  return (
    select row (p.pct, p.message)::${public_schema}.pg_background_progress_info
    from pgoffload.last_progress(handle.id) p where p.pct is not null);
end
$$;

-- API: Public. What became of a task, without reading its rows.
create or replace function ${public_schema}.pg_background_result_info(pid integer, cookie bigint)
returns ${public_schema}.pg_background_result_info
language plpgsql volatile strict
set search_path = pg_catalog, pg_temp
as $$
declare
  handle constant pgoffload.attachment := pgoffload.known(pid, cookie);
  r constant pgoffload.sql_result := pgoffload.sql_outcome(handle);
  tag constant text := r.tags[cardinality(r.tags)];
begin
  return row (coalesce(r.row_count, substring(tag from ' ([0-9]+)$')::bigint), tag, r.id is not null, r.error is not null,
    case when r.id is not null then r.finished_at - r.ran_ms * interval '1 ms'
         else (select c.claimed_at from pgoffload.claim c where c.id = handle.id order by c.attempt desc limit 1) end,
    r.finished_at);
end
$$;

-- API: Public. A task's error, without raising it; nulls if there is none.
create or replace function ${public_schema}.pg_background_error_info(pid integer, cookie bigint)
returns ${public_schema}.pg_background_error
language plpgsql volatile strict
set search_path = pg_catalog, pg_temp
as $$
declare
  r pgoffload.sql_result := pgoffload.sql_outcome(pgoffload.known(pid, cookie));
begin
  return row (r.error ->> 'sqlstate', r.error ->> 'message', r.error ->> 'detail', r.error ->> 'hint', r.error ->> 'context',
    r.error ->> 'schema', r.error ->> 'table', r.error ->> 'column', r.error ->> 'constraint');
end
$$;

-- Never raises: what is not known is null.
-- API: Public. Everything that is known of a task; never raises.
create or replace function ${public_schema}.pg_background_outcome(p_pid integer, p_cookie bigint)
returns ${public_schema}.pg_background_outcome
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  outcome ${public_schema}.pg_background_outcome;
  r pgoffload.sql_result;
begin
  outcome.pid := p_pid;
  outcome.cookie := p_cookie;
  begin
    r := pgoffload.sql_outcome(pgoffload.known(p_pid, p_cookie));
  exception when undefined_object or object_not_in_prerequisite_state or insufficient_privilege then
    return outcome;
  end;
  select t.state, t.consumed, t.label, t.launched_at
  into outcome.state, outcome.consumed, outcome.label, outcome.launched_at
  from pgoffload.recorded_task t where t.cookie = p_cookie;
  if not found then
    select t.state, t.consumed, t.label into outcome.state, outcome.consumed, outcome.label
    from pgoffload.task t where t.cookie = p_cookie;
    -- launched by another transaction, behind a pooler
    if not found and r.id is null then
      outcome.state := 'starting';
    end if;
  end if;
  outcome.completed := r.id is not null;
  outcome.has_error := r.error is not null;
  outcome.command_tag := r.tags[cardinality(r.tags)];
  outcome.row_count := coalesce(r.row_count, substring(outcome.command_tag from ' ([0-9]+)$')::bigint);
  outcome.sqlstate := r.error ->> 'sqlstate';
  outcome.error_message := r.error ->> 'message';
  return outcome;
end
$$;

-- API: Public. A task's whole command.
create or replace function ${public_schema}.pg_background_full_sql(pid integer, cookie bigint) returns text
language plpgsql volatile strict
set search_path = pg_catalog, pg_temp
as $$
declare
  handle constant pgoffload.attachment := pgoffload.known(pid, cookie);
begin
  return (select q.command from ${public_schema}.sql_request q where q.id = handle.id);
end
$$;

-- API: Private. Waits for a task that a run has launched, and cancels it when its time is up.
create or replace function pgoffload.await_run(pid integer, cookie bigint, timeout_ms integer)
returns boolean                        -- whether it has ended in time
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  if ${public_schema}.pg_background_wait(pid, cookie, coalesce(timeout_ms, 0)) then
    return true;
  end if;
  perform ${public_schema}.pg_background_cancel(pid, cookie, 1000);
  perform pgoffload.keep('timed_out', ((${public_schema}.pg_background_stats()).workers_timed_out + 1)::text);
  return false;
end
$$;

-- Runs with the caller's search_path, which goes with the task.
-- API: Public. Launches a task, waits for it, cancels it when the time is up, and returns what became of it, without
-- its rows.
create or replace function ${public_schema}.pg_background_run(
  sql text,
  queue_size integer default 0,
  timeout_ms integer default 0,        -- 0 or less: as long as it takes; then it is cancelled
  label text default null)
returns ${public_schema}.pg_background_run_result
language plpgsql volatile
as $$
declare
  began pg_catalog.timestamptz := pg_catalog.clock_timestamp();
  handle ${public_schema}.pg_background_handle := ${public_schema}.pg_background_launch(sql, queue_size, label);
begin
  if sql is null then
    return null;
  end if;
  return pgoffload.finish_run(handle.pid, handle.cookie, timeout_ms, began);
end
$$;

-- API: Private. The rest of pg_background_run.
create or replace function pgoffload.finish_run(pid integer, cookie bigint, timeout_ms integer, began timestamptz)
returns ${public_schema}.pg_background_run_result
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  in_time constant boolean := pgoffload.await_run(pid, cookie, timeout_ms);
  o constant ${public_schema}.pg_background_outcome := ${public_schema}.pg_background_outcome(pid, cookie);
begin
  perform ${public_schema}.pg_background_detach(pid, cookie);
  return row (o.pid, o.cookie, o.state, o.consumed, coalesce(o.completed, false), coalesce(o.has_error, false), o.row_count,
    o.command_tag, o.sqlstate, o.error_message, o.label, o.launched_at,
    not in_time, (extract(epoch from clock_timestamp() - began) * 1000)::bigint);
end
$$;

-- API: Public. Waits for tasks, returns what became of each in the order given, and detaches those that it came to
-- before the time was up.
create or replace function ${public_schema}.pg_background_drain(
  handles ${public_schema}.pg_background_handle[],
  timeout_ms integer default 0)        -- for all of them together; 0: as long as it takes
returns setof ${public_schema}.pg_background_outcome
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  deadline timestamptz := case when timeout_ms > 0 then clock_timestamp() + timeout_ms * interval '1 ms' end;
  handle ${public_schema}.pg_background_handle;
begin
  foreach handle in array coalesce(handles, '{}') loop
    continue when handle is null;
    -- the others may be drained again
    if clock_timestamp() >= deadline then
      return next ${public_schema}.pg_background_outcome(handle.pid, handle.cookie);
      continue;
    end if;
    begin
      perform pgoffload.await_sql(pgoffload.known(handle.pid, handle.cookie), deadline);
      return next ${public_schema}.pg_background_outcome(handle.pid, handle.cookie);
      perform ${public_schema}.pg_background_detach(handle.pid, handle.cookie);
    exception when undefined_object or object_not_in_prerequisite_state or insufficient_privilege then
      return next ${public_schema}.pg_background_outcome(handle.pid, handle.cookie);
    end;
  end loop;
end
$$;

-- API: Public. Waits until any of the tasks has ended and returns its handle; null when the time is up.
create or replace function ${public_schema}.pg_background_wait_any(
  handles ${public_schema}.pg_background_handle[],
  timeout_ms integer default 0)        -- 0: as long as it takes
returns ${public_schema}.pg_background_handle     -- the first that has ended; null when the time is up
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  since constant timestamptz := clock_timestamp();
  handle ${public_schema}.pg_background_handle;
  known pgoffload.attachment[];
  waited_for ${public_schema}.pg_background_handle[];
  next_look timestamptz := since + interval '2 s';
begin
  foreach handle in array coalesce(handles, '{}') loop
    continue when handle is null;
    begin
      known := known || pgoffload.known(handle.pid, handle.cookie);
      waited_for := waited_for || handle;
    exception when undefined_object or object_not_in_prerequisite_state or insufficient_privilege then
      null;  -- the others count
    end;
  end loop;
  if cardinality(known) = 1 then
    begin
      -- shows the server a task that waits for its caller
      if pgoffload.await_sql(known[1], case when timeout_ms > 0 then since + timeout_ms * interval '1 ms' end) then
        return waited_for[1];
      end if;
    exception when undefined_object then
      null;  -- another role has launched it
    end;
  elsif cardinality(known) > 1 then
    loop
      for i in 1 .. cardinality(known) loop
        if (pgoffload.sql_outcome(known[i])).id is not null then
          return waited_for[i];
        end if;
      end loop;
      exit when timeout_ms > 0 and clock_timestamp() >= since + timeout_ms * interval '1 ms';
      if clock_timestamp() >= next_look then
        exit when not exists (select from unnest(known) k where pgoffload.may_be_visible(k.id));
        next_look := clock_timestamp() + least(interval '10 s', (clock_timestamp() - since) / 2);
      end if;
      -- raises where no answer can be seen; otherwise a look at the first
      perform pgoffload.await_sql(known[1], clock_timestamp());
      perform pgoffload.pause_polling_until(since, case when timeout_ms > 0 then since + timeout_ms * interval '1 ms' end);
    end loop;
  end if;
  return null;
end
$$;

-- API: Private. What this session has launched with a role of the caller's, and neither read nor detached.
create or replace function pgoffload.attached_handles() returns setof ${public_schema}.pg_background_handle
language sql volatile
set search_path = pg_catalog, pg_temp
as $$
  select m[1]::integer, m[2]::bigint
  from regexp_matches(pgoffload.kept('attached'), ',([0-9]+)=([0-9]+)/[0-9]/([0-9]+)', 'g') m
  where pg_has_role(m[3]::oid, 'usage')
  union
  -- launched in a transaction that was rolled back
  select t.pid, t.cookie from pgoffload.task t where t.session = (select pgoffload.session_key()) and not t.consumed
$$;

-- API: Public. Detaches all tasks of this session; returns how many.
create or replace function ${public_schema}.pg_background_detach_all() returns integer
language sql volatile
set search_path = pg_catalog, pg_temp
as $$
  select count(pgoffload.leave(h.cookie, 'd'))::integer from pgoffload.attached_handles() h
$$;

-- API: Public. Cancels all tasks of this session that have not ended; returns how many.
create or replace function ${public_schema}.pg_background_cancel_all() returns integer
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  handle ${public_schema}.pg_background_handle;
  cancelled integer := 0;
begin
  for handle in select * from pgoffload.attached_handles() loop
    if (pgoffload.sql_outcome(pgoffload.handle_of(handle.cookie))).id is null then
      perform ${public_schema}.pg_background_cancel(handle.pid, handle.cookie);
      cancelled := cancelled + 1;
    end if;
  end loop;
  return cancelled;
end
$$;

-- API: Public. Cancels the tasks that the caller may see, have not ended, and bear such a label; returns how many.
create or replace function ${public_schema}.pg_background_cancel_by_label(
  pattern text,                        -- as LIKE takes it
  grace_ms integer default 0)
returns integer
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  task record;
  cancelled integer := 0;
begin
  for task in
    select t.pid, t.cookie from pgoffload.task t where t.label like pattern and t.state in ('starting', 'running')
  loop
    perform ${public_schema}.pg_background_cancel(task.pid, task.cookie, coalesce(grace_ms, 0));
    cancelled := cancelled + 1;
  end loop;
  return cancelled;
end
$$;

-- API: Public. Detaches the tasks of this session that have ended; returns how many.
create or replace function ${public_schema}.pg_background_purge() returns integer
language sql volatile
set search_path = pg_catalog, pg_temp
as $$
  select count(pgoffload.leave(t.cookie, 'd'))::integer
  from pgoffload.task t
  where t.session = (select pgoffload.session_key()) and t.state in ('stopped', 'canceled')
$$;

-- The right to all this is membership in pgbackground_role. The helpers run with the caller's rights, and are for the
-- owner alone.

-- API: Public. Gives a role the right to run SQL in the background: membership in pgbackground_role. For the owner
-- alone.
create or replace function ${public_schema}.pg_background_grant_privileges(
  role_name text,
  print_commands boolean default false)      -- whether to show them as INFO
returns boolean                              -- whether it was granted
language plpgsql volatile strict
set search_path = pg_catalog, pg_temp
as $$
declare
  account pg_roles;
  command text := format('GRANT pgbackground_role TO %I', role_name);
begin
  -- which it is given with every installation
  if role_name = 'pgbackground_role' then
    return true;
  end if;
  select * into account from pg_roles r where r.rolname = role_name;
  if not found then
    raise notice 'Error granting pg_background privileges to %: role "%" does not exist', role_name, role_name;
    return false;
  end if;
  if (account.rolsuper or account.rolcreaterole or account.rolreplication) and not exists (
      select from pgoffload.setting s, string_to_table(s.value, ',') n
      where s.name = 'privileged_sql_roles' and trim(n) = role_name) then
    raise notice 'Error granting pg_background privileges to %: no worker may log in as a role with SUPERUSER, CREATEROLE or REPLICATION', role_name
      using hint = 'Grant it to an ordinary role, or name this one in privileged_sql_roles of pgoffload.setting.';
    return false;
  end if;
  if print_commands then
    raise info '%', command;
  end if;
  execute command;
  return true;
exception when others then
  raise notice 'Error granting pg_background privileges to %: %', role_name, sqlerrm;
  return false;
end
$$;

-- API: Public. Takes the right to run SQL in the background from a role. For the owner alone.
create or replace function ${public_schema}.pg_background_revoke_privileges(
  role_name text,
  print_commands boolean default false)      -- whether to show them as INFO
returns boolean                              -- whether the role has the right no more
language plpgsql volatile strict
set search_path = pg_catalog, pg_temp
as $$
declare
  command text := format('REVOKE pgbackground_role FROM %I', role_name);
  grantors text;
begin
  if not exists (select from pg_roles r where r.rolname = role_name) then
    raise notice 'Error revoking pg_background privileges from %: role "%" does not exist', role_name, role_name;
    return false;
  end if;
  if print_commands then
    raise info '%', command;
  end if;
  execute command;
  -- from 16 on, a grant by another role stays
  select string_agg(m.grantor::regrole::text, ', ') into grantors
  from pg_auth_members m
  where m.roleid = 'pgbackground_role'::regrole and m.member = quote_ident(role_name)::regrole;
  if grantors is not null then
    raise notice 'Error revoking pg_background privileges from %: it is still a member of pgbackground_role, granted by %', role_name, grantors
      using hint = format('Run: revoke pgbackground_role from %I granted by …', role_name);
    return false;
  end if;
  return true;
exception when others then
  raise notice 'Error revoking pg_background privileges from %: %', role_name, sqlerrm;
  return false;
end
$$;

-- API: Public. Drops pgbackground_role, once nothing is granted to it: not while pgoffload is installed. For the owner
-- alone.
create or replace function ${public_schema}.pg_background_drop_executor_role() returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  drop role if exists pgbackground_role;
exception when dependent_objects_still_exist then
  raise exception 'pgbackground_role cannot be dropped while pgoffload is installed'
    using errcode = 'dependent_objects_still_exist', detail = sqlerrm,
          hint = 'To take the right to launch from a role: select pg_background_revoke_privileges(''…''). The role goes with the installation.';
end
$$;

-- The names of pg_background 1.x. Each calls what does its work by its qualified name and pins no search_path: the
-- caller's goes with a launch. Those with a column definition list have a body, and are made beside the newer name.
--
-- Makes: ${public_schema}.pg_background_launch_v2(text, integer, text)
-- Makes: ${public_schema}.pg_background_submit_v2(text, integer, text)
-- Makes: ${public_schema}.pg_background_detach_v2(integer, bigint)
-- Makes: ${public_schema}.pg_background_cancel_v2(integer, bigint, integer)
-- Makes: ${public_schema}.pg_background_cancel_v2_grace(integer, bigint, integer)
-- Makes: ${public_schema}.pg_background_wait_v2(integer, bigint, integer)
-- Makes: ${public_schema}.pg_background_wait_v2_timeout(integer, bigint, integer)
-- Makes: ${public_schema}.pg_background_stats_v2()
-- Makes: ${public_schema}.pg_background_progress(integer, text)
-- Makes: ${public_schema}.pg_background_get_progress_v2(integer, bigint)
-- Makes: ${public_schema}.pg_background_result_info_v2(integer, bigint)
-- Makes: ${public_schema}.pg_background_error_info_v2(integer, bigint)
-- Makes: ${public_schema}.pg_background_outcome_v2(integer, bigint)
-- Makes: ${public_schema}.pg_background_status_v2(integer, bigint)
-- Makes: ${public_schema}.pg_background_full_sql_v2(integer, bigint)
-- Makes: ${public_schema}.pg_background_run_v2(text, integer, integer, text)
-- Makes: ${public_schema}.pg_background_drain_v2(${public_schema}.pg_background_handle[], integer)
-- Makes: ${public_schema}.pg_background_wait_any_v2(${public_schema}.pg_background_handle[], integer)
-- Makes: ${public_schema}.pg_background_cancel_by_label_v2(text, integer)
-- Makes: ${public_schema}.pg_background_cancel_all_v2()
-- Makes: ${public_schema}.pg_background_detach_all_v2()
-- Makes: ${public_schema}.pg_background_purge_v2()
-- Makes: ${public_schema}.grant_pg_background_privileges(text, boolean)
-- Makes: ${public_schema}.revoke_pg_background_privileges(text, boolean)
--
-- API: Public.
do $do$
declare
  former record;
  arguments text;
  signature text;
begin
  for former in
    select * from (values
      ('pg_background_launch_v2', 'sql text, queue_size integer default 0, label text default null',
       'pg_background_handle', 'pg_background_launch(sql, queue_size, label)'),
      ('pg_background_submit_v2', 'sql text, queue_size integer default 0, label text default null',
       'pg_background_handle', 'pg_background_submit(sql, queue_size, label)'),
      ('pg_background_detach_v2', 'pid integer, cookie bigint', 'void', 'pg_background_detach(pid, cookie)'),
      ('pg_background_cancel_v2', 'pid integer, cookie bigint, grace_ms integer default 0', 'void',
       'pg_background_cancel(pid, cookie, grace_ms)'),
      ('pg_background_cancel_v2_grace', 'pid integer, cookie bigint, grace_ms integer', 'void',
       'pg_background_cancel(pid, cookie, grace_ms)'),
      ('pg_background_wait_v2', 'pid integer, cookie bigint, timeout_ms integer default 0', 'boolean',
       'pg_background_wait(pid, cookie, timeout_ms)'),
      -- here 0 is a look
      ('pg_background_wait_v2_timeout', 'pid integer, cookie bigint, timeout_ms integer', 'boolean',
       'pg_background_wait(pid, cookie, greatest(timeout_ms, 1))'),
      ('pg_background_stats_v2', '', 'pg_background_stats', 'pg_background_stats()'),
      ('pg_background_progress', 'pct integer, msg text default null', 'void', 'pg_background_report_progress(pct, msg)'),
      ('pg_background_get_progress_v2', 'pid integer, cookie bigint', 'pg_background_progress_info',
       'pg_background_get_progress(pid, cookie)'),
      ('pg_background_result_info_v2', 'pid integer, cookie bigint', 'pg_background_result_info',
       'pg_background_result_info(pid, cookie)'),
      ('pg_background_error_info_v2', 'pid integer, cookie bigint', 'pg_background_error',
       'pg_background_error_info(pid, cookie)'),
      ('pg_background_outcome_v2', 'p_pid integer, p_cookie bigint', 'pg_background_outcome',
       'pg_background_outcome(p_pid, p_cookie)'),
      ('pg_background_status_v2', 'pid integer, cookie bigint', 'jsonb',
       'pg_catalog.to_jsonb(pg_background_outcome(pid, cookie))'),
      ('pg_background_full_sql_v2', 'pid integer, cookie bigint', 'text', 'pg_background_full_sql(pid, cookie)'),
      ('pg_background_run_v2', 'sql text, queue_size integer default 0, timeout_ms integer default 0, label text default null',
       'pg_background_run_result', 'pg_background_run(sql, queue_size, timeout_ms, label)'),
      ('pg_background_drain_v2', 'handles pg_background_handle[], timeout_ms integer default 0',
       'setof pg_background_outcome', 'pg_background_drain(handles, timeout_ms)'),
      ('pg_background_wait_any_v2', 'handles pg_background_handle[], timeout_ms integer default 0',
       'pg_background_handle', 'pg_background_wait_any(handles, timeout_ms)'),
      ('pg_background_cancel_by_label_v2', 'pattern text, grace_ms integer default 0', 'integer',
       'pg_background_cancel_by_label(pattern, grace_ms)'),
      ('pg_background_cancel_all_v2', '', 'integer', 'pg_background_cancel_all()'),
      ('pg_background_detach_all_v2', '', 'integer', 'pg_background_detach_all()'),
      ('pg_background_purge_v2', '', 'integer', 'pg_background_purge()'),
      ('grant_pg_background_privileges', 'user_name text, print_commands boolean default false', 'boolean',
       'pg_background_grant_privileges(user_name, print_commands)'),
      ('revoke_pg_background_privileges', 'user_name text, print_commands boolean default false', 'boolean',
       'pg_background_revoke_privileges(user_name, print_commands)')
    ) known (name, arguments, result, call)
  loop
    arguments := replace(former.arguments, 'pg_background_', '${public_schema}.pg_background_');
    execute format(
      'create or replace function ${public_schema}.%s(%s) returns %s language sql volatile as %L',
      former.name, arguments, replace(former.result, 'pg_background_', '${public_schema}.pg_background_'),
      'select ' || replace(former.call, 'pg_background_', '${public_schema}.pg_background_'));
    signature := format('${public_schema}.%s(%s)', former.name, regexp_replace(arguments, ' default [^,]+', '', 'g'));
    execute format('comment on function %s is %L', signature, 'An older name: ' || former.call || '.');
  end loop;
end
$do$;
