-- Roles are shared by all databases of a server: another installation may have made them.

do $$
declare
  role_name text;
begin
  foreach role_name in array array[
    'llm_user',            -- the right to the LLM surface
    'pgbackground_role',   -- the right to launch SQL; pg_background's own name for it
    'pgoffload_producer',  -- capture
    'pgoffload_worker',    -- claims, leases, signing keys
    'pgoffload_results'    -- write-back
  ] loop
    if not exists (select from pg_catalog.pg_roles r where r.rolname = role_name) then
      execute pg_catalog.format('create role %I nologin', role_name);
    end if;
  end loop;
end
$$;

do $$
begin
  if not (select rolreplication from pg_catalog.pg_roles where rolname = 'pgoffload_producer') then
    alter role pgoffload_producer replication;
  end if;
exception when insufficient_privilege then
  raise notice 'role pgoffload_producer could not be given REPLICATION'
    using hint = 'Have an administrator run: alter role pgoffload_producer replication '
                 '(Amazon RDS: grant rds_replication to pgoffload_producer).';
end
$$;
