-- The settings that any user may change, on this version of the server. What is there keeps its value: it
-- has to be the same when a task is launched and when it is executed.
insert into pgoffload.forwarded_setting (name, usual)
select s.name, case s.name when 'DateStyle' then 'ISO, MDY' else pg_catalog.current_setting(s.name) end
from pg_catalog.pg_settings s
where s.context = 'user'
  and s.name not like 'transaction\_%' and s.name not like 'default\_transaction\_%' and s.name not like 'tcp\_%'
  and s.name not in (
    'role', 'session_authorization', 'seed', 'application_name',
    -- the worker's driver needs its own
    'client_encoding', 'extra_float_digits',
    -- the pauses of a worker between two statements, and of a pooled session, are not the launcher's
    'idle_in_transaction_session_timeout', 'idle_session_timeout', 'client_connection_check_interval')
on conflict (name) do nothing;
