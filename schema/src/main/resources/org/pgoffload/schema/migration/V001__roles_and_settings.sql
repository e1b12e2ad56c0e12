-- Roles are shared by all databases of a cluster: another installation may have made them.

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

-- Settings of the installation, changed by its owner with a plain UPDATE.
create table pgoffload.setting (
  name text not null,
  value text not null,
  description text not null,
  constraint setting_pkey primary key (name)
);
comment on table pgoffload.setting is
  'Settings of this installation. Change them with UPDATE, as the role that installed pgoffload.';

insert into pgoffload.setting (name, value, description) values
  ('max_request_bytes', '16777216',
   'Largest request in bytes, as signed JSON. The topics must take it: run pgoffload install after a change.'),
  ('default_timeout', '5 min',
   'How long an answer is wanted when neither the request nor the setting llm.timeout says so.'),
  ('retention', '7 days',
   'How long terminal requests and their results are kept; requests older than half of it are not executed.'),
  ('public_schema', '${public_schema}',
   'Where the public tables and functions are; fixed when pgoffload was installed.'),
  ('worker_dead_after', '4 s',
   'A worker whose lease is older than this counts as dead.');

-- One row. A copy of the database has the same row, but not the same system and database: the parts
-- compare them and refuse to run on a copy until `pgoffload adopt` has given it an identity of its own.
create table pgoffload.installation (
  singleton boolean not null default true,
  id text not null,
  system_identifier bigint not null,
  database_oid oid not null,
  since timestamptz not null default pg_catalog.clock_timestamp(),
  constraint installation_pkey primary key (singleton),
  constraint installation_is_one_row check (singleton)
);
comment on table pgoffload.installation is 'Which installation this is; requests of another are not executed.';

insert into pgoffload.installation (id, system_identifier, database_oid)
select pg_catalog.gen_random_uuid()::text, s.system_identifier, d.oid
from pg_catalog.pg_control_system() s, pg_catalog.pg_database d
where d.datname = pg_catalog.current_database();

-- Readable by its owner and, through a function, by the worker role alone.
create table pgoffload.signing_key (
  key_id integer generated always as identity,
  key bytea not null,
  created_at timestamptz not null default pg_catalog.clock_timestamp(),
  retired_at timestamptz,
  constraint signing_key_pkey primary key (key_id),
  constraint signing_key_is_256_bits check (pg_catalog.octet_length(key) = 32)
);
comment on table pgoffload.signing_key is
  'HMAC-SHA256 keys. The newest that is not retired signs; the worker accepts every one that is here.';

-- What every request needs, in one row, because it is read with every request: one scan of one page
-- costs a fifth of the joins that it stands for. Derived by pgoffload.refresh_signer().
create table pgoffload.signer (
  singleton boolean not null default true,
  installation text not null,
  key_id integer not null,
  inner_pad bytea not null,
  outer_pad bytea not null,
  max_request_bytes integer not null,
  default_timeout interval not null,
  constraint signer_pkey primary key (singleton),
  constraint signer_is_one_row check (singleton),
  constraint signer_pads_are_blocks
    check (pg_catalog.octet_length(inner_pad) = 64 and pg_catalog.octet_length(outer_pad) = 64)
);
comment on table pgoffload.signer is 'The key that signs, as HMAC blocks, and the settings that go with every request. Derived.';
