-- The installation itself: its settings, its identity, its keys, and the publication.

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
   'A worker whose lease is older than this counts as dead.'),
  ('privileged_sql_roles', '',
   'Roles, separated by commas, that may launch SQL although they are superusers, have CREATEROLE or REPLICATION, '
   'or are no direct members of pgbackground_role. Whoever may become such a role gains all that it may do.'),
  ('large_answer_kept', '1 hour',
   'How long an answer that was sent to a REPEATABLE READ or SERIALIZABLE caller is kept as a large object.'),
  ('cache_across_roles', 'off',
   'Whether an answer that one role asked for is given to another role that asks exactly the same with the option cache: on or off.'),
  ('id_range_lasts', '1 day',
   'How long a range of ids lasts, which is removed whole: requests are kept for retention and up to this much longer.'),
  ('usage_retention', '400 days',
   'How long the sums of llm_usage are kept; a budget needs them for its period.'),
  ('slot', 'pgoffload', 'The replication slot of this installation; set by pgoffload install.'),
  ('request_topics', '',
   'The topics of requests and their ids, by which a topic that was made anew is recognised; set by pgoffload install.'),
  ('topic_faults', '',
   'Settings of topics by which requests or results can be lost; set by pgoffload install and maintain.'),
  ('pg_background_api', '1',
   'What pg_background_launch(text, integer) returns: 1 the pid, as in pg_background 1.x; 2 a handle, as in 2.x. '
   'Changed by: pgoffload install --pg-background-api.');

-- One row. A copy of the database has the same row on another server or in another database. The parts compare the
-- two and refuse to run on a copy until `pgoffload adopt` has given it an identity of its own.
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

-- A key signs until it is retired. It is sealed when the last transaction that may sign with it has ended, and removed
-- when nothing that it has signed is kept. What a revoked key has signed is refused. The owner reads this table; the
-- worker role reads the accepted keys through a function.
create table pgoffload.signing_key (
  key_id integer generated always as identity,
  key bytea not null,
  created_at timestamptz not null default pg_catalog.clock_timestamp(),
  retired_at timestamptz,
  retired_xid xid8,
  sealed_at timestamptz,
  revoked_at timestamptz,
  constraint signing_key_pkey primary key (key_id),
  constraint signing_key_is_256_bits check (pg_catalog.octet_length(key) = 32)
);
comment on table pgoffload.signing_key is
  'HMAC-SHA256 keys. The newest that is not retired signs; the worker accepts every key in this table that is not revoked.';
comment on column pgoffload.signing_key.retired_at is 'When another key took its place. What it has signed is still accepted.';
comment on column pgoffload.signing_key.retired_xid is 'The transaction that retired it: older ones may sign with it until they end.';
comment on column pgoffload.signing_key.sealed_at is 'When the last of them had ended.';
comment on column pgoffload.signing_key.revoked_at is 'When it was revoked: what it has signed is refused.';

-- What every request needs, in one row, because it is read with every request: one scan of one page costs a fifth of
-- the joins that it stands for. Derived by pgoffload.refresh_signer().
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

-- Requests travel as logical decoding messages (docs/decisions/0001), so the publication names no table. pgoutput
-- needs a publication all the same.
create publication pgoffload;
