-- How a request for background SQL is stamped, checked and sent. Both ways in end in pgoffload.send_sql_request: a row
-- that is inserted, and a launch that is sent at once.

-- API: Private. The number by which a session knows a task: what pg_background shows as its pid. The
-- request id is its cookie, which names it for good. Names its operators with their schema instead of having a SET
-- clause, so that it is inlined.
create or replace function pgoffload.pid_of(id bigint) returns integer
language sql immutable parallel safe
as $$
  select case when id operator(pg_catalog.&) 2147483647 operator(pg_catalog.=) 0 then 2147483647
              else (id operator(pg_catalog.&) 2147483647)::pg_catalog.int4 end
$$;

-- The stamping functions run with the caller's rights, have no SET clause and use no unqualified function or operator: a
-- caller's own one, found first, could lie about who calls.

-- API: Private. The role that a worker logs in as to run what the caller launches. It is session_user only where the
-- session itself has called SET ROLE. Inside a security definer function or a maintenance command current_user differs
-- as well, but there the session's user has not asked for anything.
create or replace function pgoffload.login_oid() returns oid
language plpgsql volatile
as $$
begin
  if current_user::pg_catalog.text operator(pg_catalog.<>) session_user::pg_catalog.text
     and pg_catalog.current_setting('role') operator(pg_catalog.=) current_user::pg_catalog.text then
    begin
      -- setting it to what it is changes nothing, and is refused in exactly those contexts
      perform pg_catalog.set_config('role', pg_catalog.current_setting('role'), true);
      return pg_catalog.quote_ident(session_user)::pg_catalog.regrole::pg_catalog.oid;
    exception when insufficient_privilege then
      null;
    end;
  end if;
  return pg_catalog.quote_ident(current_user)::pg_catalog.regrole::pg_catalog.oid;
end
$$;

-- API: Private. The settings of the session that go with a task: those that differ from what needs no telling, and the
-- custom ones named in pgoffload.forward_settings.
create or replace function pgoffload.session_settings() returns jsonb
language plpgsql volatile
as $$
declare
  settings pg_catalog.jsonb;
  custom pg_catalog.text;
begin
  select coalesce(pg_catalog.jsonb_object_agg(f.name, pg_catalog.current_setting(f.name, true)), '{}')
  into settings
  from pgoffload.forwarded_setting f
  where pg_catalog.current_setting(f.name, true) operator(pg_catalog.<>) f.usual;
  if pg_catalog.current_setting('pgoffload.forward_settings', true) operator(pg_catalog.<>) '' then
    foreach custom in array pg_catalog.regexp_split_to_array(
        pg_catalog.current_setting('pgoffload.forward_settings'), '[[:space:]]*,[[:space:]]*') loop
      if pg_catalog.current_setting(custom, true) is not null then
        settings := pg_catalog.jsonb_set(
          settings, array[custom], pg_catalog.to_jsonb(pg_catalog.current_setting(custom)));
      end if;
    end loop;
  end if;
  return settings;
end
$$;

-- API: Private. Whether the session of the server serves another client after each transaction, as behind a pooler in its
-- transaction mode: pgoffload.pooling says so. What would be the session's is then the transaction's, and nothing of it is
-- left to the next client. Names everything with its schema instead of having a SET clause, so that it is inlined.
create or replace function pgoffload.is_pooled() returns boolean
language sql stable parallel safe
as $$
  select coalesce(
    pg_catalog.current_setting('pgoffload.pooling', true) operator(pg_catalog.<>) all (array['', 'session']), false)
$$;

-- API: Private. The name of the setting that keeps something for the session, or for the transaction of a pooled one. They
-- are two: a client that sets pgoffload.pooling for one transaction leaves a value to the session, which is none of the
-- next client's. Inlined, as pgoffload.is_pooled.
create or replace function pgoffload.setting_of(name text) returns text
language sql stable parallel safe
as $$
  select case when pgoffload.is_pooled() then 'pgoffload.pooled_' else 'pgoffload.' end operator(pg_catalog.||) name
$$;

-- API: Private. What is kept under a name, or null. Inlined, as pgoffload.is_pooled.
create or replace function pgoffload.kept(name text) returns text
language sql stable parallel safe
as $$
  select pg_catalog.current_setting(pgoffload.setting_of(name), true)
$$;

-- API: Private. Keeps a value under a name. Inlined, as pgoffload.is_pooled.
create or replace function pgoffload.keep(name text, value text) returns text
language sql volatile
as $$
  select pg_catalog.set_config(pgoffload.setting_of(name), value, pgoffload.is_pooled())
$$;

-- API: Private. Names the session, or of a pooled one the transaction, for as long as its requests are kept: a pid alone
-- comes again. Rights do not depend on it.
create or replace function pgoffload.session_key() returns text
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  known text;
begin
  if pgoffload.is_pooled() then
    return concat(pg_backend_pid(), '.', (extract(epoch from transaction_timestamp()) * 1000000)::bigint);
  end if;
  known := current_setting('pgoffload.session', true);
  if split_part(known, '.', 1) = pg_backend_pid()::text then
    return known;
  end if;
  known := pg_backend_pid() || '.' || (extract(epoch from coalesce(
    (select a.backend_start from pg_stat_get_activity(pg_backend_pid()) a), pg_postmaster_start_time()))
    * 1000000)::bigint;
  perform set_config('pgoffload.session', known, false);
  return known;
end
$$;

-- API: Private. Whether an id may be that of a request which no worker has heard of: it is of a range whose rows are
-- kept, and not above what the sequence has drawn. Which ids an earlier range has drawn is not known, and ids of READ
-- ONLY callers and of tasks, in the upper half of a range, are none of the sequence's.
create or replace function pgoffload.may_be_on_its_way(id bigint) returns boolean
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  select (may_be_on_its_way.id >> 35 & 1 = 1 or may_be_on_its_way.id < s.last_value + s.is_called::integer)
    -- the transaction that has begun the current range may be open, or was rolled back
    and coalesce((select r.removing_since is null from pgoffload.id_range r where r.number = may_be_on_its_way.id >> 36),
                 may_be_on_its_way.id >> 36 = s.last_value >> 36)
  from pgoffload.request_id s
$$;

-- API: Private. Whether another transaction of the client, behind a pooler, may have launched this task, of which no worker
-- has heard yet.
create or replace function pgoffload.may_be_launched(id bigint) returns boolean
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  select pgoffload.is_pooled() and pgoffload.may_be_on_its_way(id)
    and not exists (select from ${public_schema}.llm_request q where q.id = may_be_launched.id)
    and not exists (select from ${public_schema}.sql_request q where q.id = may_be_launched.id)
    and not exists (select from pgoffload.claim c where c.id = may_be_launched.id)
$$;

do $$
begin
  if not exists (
      select from pg_catalog.pg_attrdef d
      where d.adrelid = '${public_schema}.sql_request'::regclass
        and pg_catalog.pg_get_expr(d.adbin, d.adrelid) like '%login_oid%') then
    alter table ${public_schema}.sql_request
      alter column login_oid set default pgoffload.login_oid(),
      alter column settings set default pgoffload.session_settings(),
      alter column session set default pgoffload.session_key();
  end if;
end
$$;

-- API: Private. What stands against logging in as a role to run SQL as another (or as itself), as the error to raise,
-- or null. Asked when a task is launched and again when it is claimed. Membership has to be direct: a member of a
-- member has not been given this right by itself.
create or replace function pgoffload.login_refusal(login oid, requester oid) returns jsonb
language plpgsql stable
as $$
declare
  account record;
  requester_exists boolean := true;
  group_oid constant oid := to_regrole('pgbackground_role');
begin
  -- what nearly all are: an ordinary role that launches as itself
  if login = requester and pg_has_role(login, group_oid, 'usage')
     and has_database_privilege(login, current_database(), 'connect')
     and exists (
       select from pg_roles r
       where r.oid = login and r.rolcanlogin and not (r.rolsuper or r.rolcreaterole or r.rolreplication)
         and exists (select from pg_auth_members m where m.roleid = group_oid and m.member = login)) then
    return null;
  end if;
  -- one query: each more of them is planned in every new session
  select r.oid, r.rolname, r.rolcanlogin, r.rolsuper, r.rolcreaterole, r.rolreplication,
         r.rolname = any (select trim(n) from pgoffload.setting s, string_to_table(s.value, ',') n
                          where s.name = 'privileged_sql_roles') as is_privileged,
         exists (select from pg_auth_members m where m.member = login and m.roleid = group_oid) as is_direct_member
  into account
  from pg_roles r where r.oid = login;
  if login <> requester then
    requester_exists := exists (select from pg_roles q where q.oid = requester);
  end if;
  if account.oid is null or not requester_exists then
    return jsonb_build_object('sqlstate', '42704', 'message', 'the role that launched the task does not exist any more',
      'detail', 'role with OID ' || case when account.oid is null then login else requester end);
  end if;
  if not account.rolcanlogin then
    return jsonb_build_object('sqlstate', '42501',
      'message', format('role "%s" is not permitted to log in, so no worker can run SQL as it', account.rolname),
      'hint', format('Have an administrator run: alter role %I login; or launch as a role that may, after set role.', account.rolname));
  end if;
  if not has_database_privilege(login, current_database(), 'connect') then
    return jsonb_build_object('sqlstate', '42501',
      'message', format('role "%s" may not connect to database "%s", so no worker can run SQL as it',
        account.rolname, current_database()),
      'hint', format('Have an administrator run: grant connect on database %I to %I', current_database(), account.rolname));
  end if;
  if account.is_privileged then
    return null;
  end if;
  if account.rolsuper or account.rolcreaterole or account.rolreplication then
    return jsonb_build_object('sqlstate', '42501',
      'message', format('role "%s" has %s, so no worker may log in as it', account.rolname,
        case when account.rolsuper then 'SUPERUSER' when account.rolcreaterole then 'CREATEROLE' else 'REPLICATION' end),
      'hint', 'Launch as an ordinary role, or have the owner name this one in privileged_sql_roles of pgoffload.setting.');
  end if;
  if not account.is_direct_member then
    return jsonb_build_object('sqlstate', '42501',
      'message', format('role "%s" is not a direct member of pgbackground_role, so no worker may log in as it', account.rolname),
      'hint', format('Have an administrator run: select grant_pg_background_privileges(%L)', account.rolname));
  end if;
  -- it has to call what only members may, before any role is set
  if not pg_has_role(login, group_oid, 'usage') then
    return jsonb_build_object('sqlstate', '42501',
      'message', format('role "%s" does not inherit the rights of pgbackground_role, so no worker can run SQL as it', account.rolname),
      'hint', format('Have an administrator run: alter role %1$I inherit; select grant_pg_background_privileges(%1$L)', account.rolname));
  end if;
  if login <> requester and not pg_has_role(login, requester, 'member') then
    return jsonb_build_object('sqlstate', '42501',
      'message', format('role "%s" is not a member of the role that the task has to be run as', account.rolname));
  end if;
  return null;
end
$$;

-- API: Private. The task that this session executes, or nulls: a setting names it, and only what the worker has
-- recorded of this very backend makes it true. A task that clears the setting is found by that record.
create or replace function pgoffload.current_task(out task bigint, out attempt integer, out depth integer)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  named text[] := regexp_match(current_setting('pgoffload.task', true), '^([0-9]{1,18})/([0-9]{1,9})$');
  latest record;
begin
  -- a task that began while this schema was being installed is in no such table, but has its setting
  if named is null and not exists (select from pgoffload.task_backend b where b.pid = pg_backend_pid()) then
    return;
  end if;
  if named is not null then
    select s.id, s.attempt, s.depth into task, attempt, depth
    from pgoffload.sql_session s
    join ${public_schema}.sql_request q on q.id = s.id
    where s.id = named[1]::bigint and s.attempt = named[2]::integer and s.pid = pg_backend_pid()
      -- the server gives the number of a backend to another one later
      and q.login_oid = quote_ident(session_user)::regrole
      and not exists (select from pgoffload.sql_result r where r.id = s.id)
    order by s.started desc
    limit 1;
  end if;
  if task is not null then
    return;
  end if;
  select s.id, s.attempt, s.depth, s.started into latest
  from pgoffload.sql_session s
  -- an earlier server's process may have had the number
  where s.pid = pg_backend_pid() and s.recorded_at > pg_postmaster_start_time()
  order by s.recorded_at desc limit 1;
  if found
     -- null where the owner may not see it, without the rights of pg_read_all_stats
     and coalesce((select a.backend_start from pg_stat_get_activity(pg_backend_pid()) a), latest.started) = latest.started
     and exists (
       select from ${public_schema}.sql_request q
       where q.id = latest.id and q.login_oid = quote_ident(session_user)::regrole)
     and not exists (select from pgoffload.sql_result r where r.id = latest.id)
     and not exists (select from pgoffload.claim c where c.id = latest.id and c.attempt > latest.attempt) then
    task := latest.id;
    attempt := latest.attempt;
    depth := latest.depth;
  end if;
end
$$;

-- API: Private. An id for what a task launches, the same when the task is executed again: a launch takes
-- effect at once, so that only its id keeps a second execution from launching it a second time.
create or replace function pgoffload.next_child_id(task bigint, out id bigint, out ordinal integer)
language plpgsql volatile
as $$
#variable_conflict use_variable
declare
  probe integer := 0;
  known record;
begin
  ordinal := coalesce(nullif(current_setting('pgoffload.children', true), '')::integer, 0);
  -- A rollback to a savepoint takes the setting back, but not the launches. Of the session's state only prepared
  -- statements outlast it.
  loop
    ordinal := ordinal + 1;
    exit when not exists (select from pg_prepared_statements p where p.name = 'pgoffload_child_' || ordinal);
  end loop;
  execute format('prepare %I as select', 'pgoffload_child_' || ordinal);
  perform set_config('pgoffload.children', ordinal::text, false);
  loop
    -- in the upper half of the task's own range, like those of READ ONLY callers
    id := (task >> 36 << 36) + (1::bigint << 35)
      + (('x' || left(encode(sha256(convert_to(concat_ws('/', task, ordinal, probe), 'UTF8')), 'hex'), 12))::bit(48)::bigint
         & ((1::bigint << 35) - 1));
    select q.parent, q.parent_ordinal into known from ${public_schema}.sql_request q where q.id = next_child_id.id;
    exit when found and known.parent = task and known.parent_ordinal = ordinal
      or not found
         and not exists (select from ${public_schema}.llm_request q where q.id = next_child_id.id)
         and not exists (select from pgoffload.llm_result r where r.id = next_child_id.id);
    probe := probe + 1;
  end loop;
end
$$;

-- API: Private. Raises invalid_parameter_value for what is wrong with a request, before anything is stored or sent.
create or replace function pgoffload.check_sql_request(request ${public_schema}.sql_request) returns void
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  -- a plain launch, which is most of them, has nothing else to be checked
  if request.queue_size between 64 and 268435456
     and num_nonnulls(request.label, request.timeout, request.ordering_key, request.tags) = 0 then
    return;
  end if;
  if request.queue_size < 64 then
    raise exception 'queue size must be at least 64 bytes' using errcode = 'invalid_parameter_value', column = 'queue_size';
  end if;
  if request.queue_size > 268435456 then
    raise exception 'queue size must not exceed 268435456 bytes' using errcode = 'invalid_parameter_value', column = 'queue_size';
  end if;
  if octet_length(request.label) > 64 then
    raise exception 'a label must be at most 64 bytes long, not %', octet_length(request.label)
      using errcode = 'string_data_right_truncation', column = 'label';
  end if;
  -- a deadline that no timestamp holds would make each claim of it fail
  if not coalesce(request.timeout > interval '0' and request.timeout <= interval '1000 days', true) then
    raise exception 'timeout must be more than 0 and at most 1000 days, not %', request.timeout
      using errcode = 'invalid_parameter_value', column = 'timeout', hint = 'Leave it out (null) for as long as it takes.';
  end if;
  if not coalesce(octet_length(request.ordering_key) between 1 and 1024, true) then
    raise exception 'ordering_key must be 1 to 1024 bytes long'
      using errcode = 'invalid_parameter_value', column = 'ordering_key';
  end if;
  if jsonb_typeof(request.tags) <> 'object' then
    raise exception 'tags must be a JSON object, not a JSON %', jsonb_typeof(request.tags)
      using errcode = 'invalid_parameter_value', column = 'tags', hint = 'For example: {"team": "search"}';
  end if;
  -- a request that a worker cannot read would never be answered
  if request.tags is not null and jsonb_path_exists(request.tags, '$.**{65}') then
    raise exception 'tags must not be nested deeper than 64 levels'
      using errcode = 'invalid_parameter_value', column = 'tags';
  end if;
end
$$;

-- API: Private. What is to be executed, as fields of JSON; what is null is left out. Runs within the search_path of
-- its callers.
create or replace function pgoffload.sql_payload(
  request ${public_schema}.sql_request, max_workers integer, depth integer, large_object oid)
returns text
language sql stable
as $$
  select concat(
    '"command":', to_json(request.command),
    ',"label":' || to_json(request.label),
    ',"queue_size":', request.queue_size,
    ',"login_oid":', request.login_oid,
    ',"settings":', request.settings,
    ',"session":', to_json(request.session),
    ',"max_workers":' || max_workers,
    ',"depth":' || depth,
    ',"submitted":', case when request.submitted then 'true' else 'false' end,
    ',"parent":' || request.parent,
    ',"parent_ordinal":' || request.parent_ordinal,
    ',"large_object":' || large_object,
    ',"tags":' || request.tags::text)
$$;

-- API: Private. Validates, signs and sends a stamped request. Only its two callers are security definers.
create or replace function pgoffload.send_sql_request(
  request ${public_schema}.sql_request,
  share_group text,         -- of a launch: its session, whose tasks one worker counts
  max_workers integer,      -- how many tasks of the session may run at once; null: any number
  depth integer,            -- 0, or one more than the task that launches it
  large_object oid)         -- where a caller with an old snapshot looks for the answer, or null
returns void
language plpgsql volatile
as $$
declare
  refusal constant jsonb := pgoffload.login_refusal(request.login_oid, request.requested_by_oid);
  ignored text;
begin
  if refusal is not null then
    raise exception '%', refusal ->> 'message'
      using errcode = refusal ->> 'sqlstate', detail = coalesce(refusal ->> 'detail', 'Nothing was sent.'),
            hint = coalesce(refusal ->> 'hint', 'Nothing was sent.');
  end if;
  ignored := pgoffload.check_sql_request(request);
  if depth > 8 then
    raise exception 'tasks that launch tasks are nested deeper than 8 levels'
      using errcode = 'program_limit_exceeded', detail = 'Nothing was sent.';
  end if;
  ignored := pgoffload.send_envelope(
    request.id, 'sql', share_group, request.ordering_key, request.immediate, request.timeout, false,
    request.requested_by, request.requested_by_oid,
    pgoffload.sql_payload(request, max_workers, depth, large_object), request.nonce);
end
$$;

-- API: Private. Sends an inserted request with its transaction.
create or replace function pgoffload.send_inserted_sql_request() returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform pgoffload.send_sql_request(
    new, null, null,
    -- what a task of a maintained column launches for it is the next one, not a part of it
    case when new.maintained is null then coalesce((select t.depth + 1 from pgoffload.current_task() t), 0) else 0 end, null);
  return null;
end
$$;

create or replace trigger send_sql_request
  after insert on ${public_schema}.sql_request
  for each row
  when (not new.immediate and new.created_xid = pg_catalog.pg_current_xact_id())
  execute function pgoffload.send_inserted_sql_request();

-- API: Private. Reads a number, or a size in bytes, that came as text from a setting.
create or replace function pgoffload.integer_setting(setting_name text, usual integer, least_value integer) returns integer
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  value constant text := coalesce(nullif(current_setting(setting_name, true), ''), usual::text);
  read bigint;
begin
  -- a plain number or kilobytes, as it mostly is, need no subtransaction
  if value ~ '^[0-9]{1,9}(kB)?$' then
    read := pg_size_bytes(value);
  else
    begin
      read := case when value ~ '^ *[0-9]+ *$' then value::bigint else pg_size_bytes(value) end;
    exception when others then
      read := null;
    end;
  end if;
  if not coalesce(read between least_value and 2147483647, false) then
    raise exception 'the setting % is not a number from % up: "%"', setting_name, least_value, value
      using errcode = 'invalid_parameter_value', hint = format('For example: set %s = ''%s''', setting_name, usual);
  end if;
  return read;
end
$$;

-- API: Private. Reads pg_background.worker_timeout: a number without a unit is milliseconds, as in pg_background. Null
-- is for as long as it takes.
create or replace function pgoffload.parse_worker_timeout(value text) returns interval
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  timeout interval;
begin
  begin
    timeout := case when value ~* '^ *[-+]?([0-9]+[.]?[0-9]*|[.][0-9]+)(e[-+]?[0-9]+)? *$'
                    then value::double precision * interval '1 ms' else value::interval end;
  exception when data_exception then
    null;
  end;
  -- a deadline that no timestamp holds would make each claim of it fail
  if not coalesce(timeout >= interval '0' and timeout <= interval '1000 days', false) then
    raise exception 'the setting pg_background.worker_timeout is not a time from 0 to 1000 days: "%"', value
      using errcode = 'invalid_parameter_value',
            hint = 'A number is milliseconds; 0 is for as long as it takes. For example: set pg_background.worker_timeout = ''30 s''';
  end if;
  return nullif(timeout, interval '0');
end
$$;

-- API: Private. The way in at once: stamps an immediate request with the caller's identity, session and settings, with
-- the caller's rights (docs/decisions/0004).
create or replace function pgoffload.stamp_sql_request(
  state ${public_schema}.sql_request, command text, queue_size integer, label text, submitted boolean)
returns ${public_schema}.sql_request
language plpgsql volatile
as $$
declare
  timeout pg_catalog.text := pg_catalog.current_setting('pg_background.worker_timeout', true);
begin
  if state.requested_by is not null then
    raise exception 'pgoffload.emit_sql_request takes one request, not one for each row'
      using errcode = 'cardinality_violation', hint = 'Call pg_background_launch in the select list.';
  end if;
  if command is null then
    raise exception 'the command to launch must not be null' using errcode = 'null_value_not_allowed';
  end if;
  -- before anything is sent: an answer would have no way back
  if not submitted and pg_catalog.current_setting('transaction_read_only') operator(pg_catalog.=) 'on'
     and pg_catalog.current_setting('transaction_isolation') operator(pg_catalog.<>) 'read committed'
     and pg_catalog.current_setting('transaction_isolation') operator(pg_catalog.<>) 'read uncommitted' then
    raise exception 'cannot launch in a READ ONLY transaction that is %',
        pg_catalog.upper(pg_catalog.current_setting('transaction_isolation'))
      using errcode = 'feature_not_supported',
            detail = 'It sees neither rows that are committed after its first statement nor large objects. Nothing was sent.',
            hint = 'Launch in READ COMMITTED or in a READ WRITE transaction, or use pg_background_submit.';
  end if;
  state.requested_by := current_user;
  state.requested_by_oid := pg_catalog.quote_ident(current_user)::pg_catalog.regrole::pg_catalog.oid;
  state.login_oid := pgoffload.login_oid();
  state.settings := pgoffload.session_settings();
  state.session := pgoffload.session_key();
  state.command := stamp_sql_request.command;
  state.label := stamp_sql_request.label;
  state.submitted := stamp_sql_request.submitted;
  state.queue_size := stamp_sql_request.queue_size;
  if state.queue_size is null or state.queue_size operator(pg_catalog.=) 0 then
    state.queue_size := pgoffload.integer_setting('pg_background.default_queue_size', 65536, 64);
  end if;
  if timeout operator(pg_catalog.~) '[^0 ]' then
    state.timeout := pgoffload.parse_worker_timeout(timeout);
  end if;
  return state;
end
$$;

-- API: Private. The final function: signs and sends a stamped request at once, with the owner's rights.
create or replace function pgoffload.send_stamped_sql_request(request ${public_schema}.sql_request) returns bigint
language plpgsql volatile strict security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  executing constant record := pgoffload.current_task();
  ignored text;
begin
  if executing.task is null then
    request.id := pgoffload.next_request_id();
  else
    select c.id, c.ordinal into request.id, request.parent_ordinal from pgoffload.next_child_id(executing.task) c;
    request.parent := executing.task;
    -- launched again by a task that is executed again, it is the same request
    select md5(concat_ws('/', q.nonce, request.id))::uuid into request.nonce
    from ${public_schema}.sql_request q where q.id = executing.task;
  end if;
  request.immediate := true;
  ignored := pgoffload.send_sql_request(
    request, 'session ' || request.session,
    pgoffload.integer_setting('pg_background.max_workers', 16, 1),
    coalesce(executing.depth + 1, 0),
    case when not request.submitted
          and current_setting('transaction_isolation') not in ('read committed', 'read uncommitted')
         then pgoffload.large_object_of(request.id) end);
  return request.id;
end
$$;

-- API: Private. Sends one request for background SQL at once, whatever becomes of the transaction; returns its id.
-- pg_background_launch calls it.
create or replace aggregate pgoffload.emit_sql_request(command text, queue_size integer, label text, submitted boolean) (
  sfunc = pgoffload.stamp_sql_request,
  stype = ${public_schema}.sql_request,
  finalfunc = pgoffload.send_stamped_sql_request
);
