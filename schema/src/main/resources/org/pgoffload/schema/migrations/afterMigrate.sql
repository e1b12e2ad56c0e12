-- The settings that any user may change, on this version of the server. A row that is there keeps its value, which has
-- to be the same when a task is launched and when it is executed.
insert into pgoffload.forwarded_setting (name, usual)
select s.name,
       case when s.name = 'DateStyle' then 'ISO, MDY'
            -- what this session is pinned to is not what a session of the application has
            when s.source in ('client', 'session') and s.name <> 'TimeZone' then s.boot_val
            else pg_catalog.current_setting(s.name) end
from pg_catalog.pg_settings s
where s.context = 'user'
  and s.name !~ '^(default_transaction|tcp)_'
  and s.name not in (
    'role', 'session_authorization', 'seed', 'application_name',
    'transaction_isolation', 'transaction_read_only', 'transaction_deferrable',
    -- they would show a task's claim in an error's context, and in a notice the plans of functions of the owner
    'log_parameter_max_length_on_error', 'debug_print_parse', 'debug_print_plan', 'debug_print_rewritten',
    -- the worker's driver needs its own
    'client_encoding', 'extra_float_digits',
    -- the pauses of a worker between two statements, and of a pooled session, are not the launcher's
    'idle_in_transaction_session_timeout', 'idle_session_timeout', 'client_connection_check_interval')
on conflict (name) do nothing;

-- Our own, of which the server knows nothing.
insert into pgoffload.forwarded_setting (name, usual)
values ('llm.model', ''), ('llm.provider', ''), ('llm.timeout', ''), ('pgoffload.forward_settings', '')
on conflict (name) do nothing;

-- Those of pg_background. Every session shows them from its start on where the installer may set them for the
-- database: as a superuser, or as its owner with the right to set them. Elsewhere they are unknown until a session sets
-- them, and mean the same.
insert into pgoffload.forwarded_setting (name, usual)
values ('pg_background.max_workers', '16'), ('pg_background.default_queue_size', '64kB'), ('pg_background.worker_timeout', '0')
on conflict (name) do update set usual = excluded.usual where forwarded_setting.usual <> excluded.usual;
do $$
declare
  setting record;
begin
  -- two installers at once
  lock table pgoffload.forwarded_setting in share row exclusive mode;
  for setting in
    select f.name, f.usual from pgoffload.forwarded_setting f
    where f.name ~ '^pg_background[.]' and not exists (
      select from pg_catalog.pg_db_role_setting s, unnest(s.setconfig) c
      where s.setdatabase = (select d.oid from pg_catalog.pg_database d where d.datname = current_database())
        and s.setrole = 0 and lower(split_part(c, '=', 1)) = f.name)
  loop
    execute format('alter database %I set %s = %L', current_database(), setting.name, setting.usual);
  end loop;
exception when insufficient_privilege then
  null;
end
$$;
