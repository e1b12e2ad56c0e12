-- Background SQL: its requests, the sessions that execute them, their results, and the types of pg_background.

-- The settings of a session that go with its task, each with the value that needs no telling. Launcher and task agree
-- on that value, so that only what differs travels.
create table pgoffload.forwarded_setting (
  name text not null,
  usual text not null,
  constraint forwarded_setting_pkey primary key (name)
);
comment on table pgoffload.forwarded_setting is
  'The settings that a task takes over from the session that launched it. Filled by the installer.';

-- The columns login_oid, settings and session have functions as their defaults, which R__04_sql_sending.sql sets.
create table ${public_schema}.sql_request (
  id bigint not null default pg_catalog.nextval('pgoffload.request_id'),
  command text not null,
  label text,
  timeout interval,
  ordering_key text,
  tags jsonb,
  -- stamped: only the owner may insert into the columns below
  queue_size integer not null default 65536,
  requested_by name not null default current_user,
  requested_by_oid oid not null default pg_catalog.quote_ident(current_user)::pg_catalog.regrole::oid,
  login_oid oid not null,
  settings jsonb not null,
  session text not null,
  submitted boolean not null default false,
  parent bigint,
  parent_ordinal integer,
  large_object oid,
  created_at timestamptz not null default pg_catalog.clock_timestamp(),
  created_xid xid8 not null default pg_catalog.pg_current_xact_id(),
  immediate boolean not null default false,
  retry_of bigint,
  installation uuid,
  constraint sql_request_pkey primary key (id)
) partition by range (id);
create table pgoffload.sql_request_0 partition of ${public_schema}.sql_request
  for values from (0) to (68719476736);
-- what a session launched, and what a role did
create index sql_request_session_idx on ${public_schema}.sql_request (session, id) where immediate;
create index sql_request_requested_by_idx on ${public_schema}.sql_request (requested_by_oid, id) where immediate;

do $$
begin
  execute pg_catalog.format('alter table ${public_schema}.sql_request alter column installation set default %L',
    (select i.id from pgoffload.installation i));
end
$$;

comment on table ${public_schema}.sql_request is
  'Insert a row to run SQL in the background; only command is needed. Append-only: state is in sql_status(id).';
comment on column ${public_schema}.sql_request.id is 'The request id, by RETURNING; the argument of sql_status, sql_result, sql_rows.';
comment on column ${public_schema}.sql_request.command is
  'One or more SQL statements, which run as one transaction with the rights of the role that inserts the row.';
comment on column ${public_schema}.sql_request.label is 'A name to find the task by, at most 64 bytes; shown in pg_stat_activity.';
comment on column ${public_schema}.sql_request.timeout is
  'How long after the request it may be queued and run in all; null: for as long as it takes.';
comment on column ${public_schema}.sql_request.ordering_key is 'Requests of one key run one after another, in the order of their commits.';
comment on column ${public_schema}.sql_request.tags is 'An object of your own, kept with the request.';
comment on column ${public_schema}.sql_request.queue_size is 'About how many bytes a chunk of the result holds.';
comment on column ${public_schema}.sql_request.requested_by is 'The role that asked; stamped.';
comment on column ${public_schema}.sql_request.requested_by_oid is 'Its oid, which decides who may read; stamped.';
comment on column ${public_schema}.sql_request.login_oid is
  'The role that the worker logs in as: who had logged in when requested_by was set with SET ROLE, requested_by otherwise; stamped.';
comment on column ${public_schema}.sql_request.settings is 'The session''s settings that go with the task; stamped.';
comment on column ${public_schema}.sql_request.session is 'The session that asked; stamped.';
comment on column ${public_schema}.sql_request.submitted is 'Whether its rows are not wanted (pg_background_submit).';
comment on column ${public_schema}.sql_request.parent is 'The task that launched this one; stamped.';
comment on column ${public_schema}.sql_request.parent_ordinal is 'Which of that task''s launches this is, counted from 1; stamped.';
comment on column ${public_schema}.sql_request.large_object is
  'Where a caller with an old snapshot looks for the answer; stamped.';
comment on column ${public_schema}.sql_request.created_at is 'When it was asked; stamped.';
comment on column ${public_schema}.sql_request.created_xid is
  'The transaction that inserted it: a row restored from a dump bears an old one and is not sent again.';
comment on column ${public_schema}.sql_request.immediate is 'Whether it was sent at once by a function, rather than with its transaction.';
comment on column ${public_schema}.sql_request.retry_of is 'The request that this one repeats; stamped.';
comment on column ${public_schema}.sql_request.installation is
  'The installation that the row was inserted in; null in a row that was restored. Another one''s is not executed here.';

-- The database sessions that execute claims: a takeover ends them first.
create table pgoffload.sql_session (
  id bigint not null,
  attempt integer not null,
  pid integer not null,
  started timestamptz not null,
  depth integer not null,
  autocommit boolean not null,
  recorded_at timestamptz not null default pg_catalog.clock_timestamp(),
  constraint sql_session_pkey primary key (id, attempt, pid, started, autocommit)
) partition by range (id);
create table pgoffload.sql_session_0 partition of pgoffload.sql_session
  for values from (0) to (68719476736);
-- by the backend, when a task has cleared the setting that names it
create index sql_session_backend_idx on pgoffload.sql_session (pid, recorded_at);
comment on table pgoffload.sql_session is
  'Sessions that execute requests; with autocommit, one whose command may have taken effect before it ended.';

-- The one terminal result of each request, and the mark that makes it the only one: a task writes it in its own
-- transaction. Column names are the field names of the message (sql-result.v1).
create table pgoffload.sql_result (
  id bigint not null,
  status text not null,
  requested_by_oid oid not null,
  attempt integer not null,
  tags text[] not null default '{}',
  row_count bigint,
  columns jsonb,
  rows jsonb,
  chunks integer not null default 0,
  split boolean not null default false,
  read_under jsonb,
  error jsonb,
  notices jsonb,
  queued_ms double precision,
  ran_ms double precision,
  worker text,
  finished_at timestamptz not null,
  constraint sql_result_pkey primary key (id),
  constraint sql_result_status_is_terminal check (status in ('succeeded', 'failed', 'cancelled', 'expired')),
  constraint sql_result_has_error_unless_succeeded check ((status = 'succeeded') = (error is null))
) partition by range (id);
create table pgoffload.sql_result_0 partition of pgoffload.sql_result
  for values from (0) to (68719476736);
comment on table pgoffload.sql_result is 'The one terminal result of each SQL request.';

-- Rows that were too many for the result itself, of every attempt: the result names the attempt that counts.
create table pgoffload.sql_chunk (
  id bigint not null,
  attempt integer not null,
  number integer not null,
  requested_by_oid oid not null,
  rows jsonb,
  piece text,
  ends boolean not null default true,
  constraint sql_chunk_pkey primary key (id, attempt, number),
  constraint sql_chunk_has_rows_or_a_piece check ((rows is null) <> (piece is null))
) partition by range (id);
create table pgoffload.sql_chunk_0 partition of pgoffload.sql_chunk
  for values from (0) to (68719476736);
comment on table pgoffload.sql_chunk is 'Rows of SQL requests, in chunks; a row larger than a chunk in pieces.';

create sequence pgoffload.progress_number as bigint;
create table pgoffload.sql_progress (
  id bigint not null,
  number bigint not null default pg_catalog.nextval('pgoffload.progress_number'),
  attempt integer not null,
  pct integer not null,
  message text,
  recorded_at timestamptz not null default pg_catalog.clock_timestamp(),
  waits boolean not null default false,
  constraint sql_progress_pkey primary key (id, number)
) partition by range (id);
create table pgoffload.sql_progress_0 partition of pgoffload.sql_progress
  for values from (0) to (68719476736);
comment on table pgoffload.sql_progress is 'What tasks said of their progress while they ran; the last one counts.';
comment on column pgoffload.sql_progress.waits is
  'Whether the worker says what the task waits for before it can begin; of no interest once it has begun.';

-- Rows are removed here, unlike in the tables of requests: a caller whose snapshot is older than any answer reads a
-- large object.
create table pgoffload.large_answer (
  id bigint not null,
  loid oid not null,
  written_at timestamptz not null default pg_catalog.clock_timestamp(),
  constraint large_answer_pkey primary key (id)
);
comment on table pgoffload.large_answer is 'Large objects that hold answers; swept after large_answer_kept.';

-- a handle, as the functions of pg_background find it
create type pgoffload.attachment as (id bigint, large boolean);

-- the types of pg_background
create type ${public_schema}.pg_background_handle as (pid integer, cookie bigint);
comment on type ${public_schema}.pg_background_handle is
  'A task: a number that is handy within a session, and the request id, by which every session of its role knows it.';
create type ${public_schema}.pg_background_result_info as (
  row_count bigint, command_tag text, completed boolean, has_error boolean, started_at timestamptz, finished_at timestamptz);
create type ${public_schema}.pg_background_error as (
  sqlstate text, message text, detail text, hint text, context text,
  schema_name text, table_name text, column_name text, constraint_name text);
create type ${public_schema}.pg_background_outcome as (
  pid integer, cookie bigint, state text, consumed boolean, completed boolean, has_error boolean, row_count bigint,
  command_tag text, sqlstate text, error_message text, label text, launched_at timestamptz);
create type ${public_schema}.pg_background_run_result as (
  pid integer, cookie bigint, state text, consumed boolean, completed boolean, has_error boolean, row_count bigint,
  command_tag text, sqlstate text, error_message text, label text, launched_at timestamptz,
  timed_out boolean, elapsed_ms bigint);
create type ${public_schema}.pg_background_stats as (
  workers_launched bigint, workers_completed bigint, workers_failed bigint, workers_canceled bigint,
  workers_timed_out bigint, workers_active integer, avg_execution_ms double precision, max_workers integer);
create type ${public_schema}.pg_background_progress_info as (progress_pct integer, progress_msg text);

alter table ${public_schema}.sql_request enable row level security;
alter table pgoffload.sql_session enable row level security;
alter table pgoffload.sql_result enable row level security;
alter table pgoffload.sql_chunk enable row level security;
alter table pgoffload.sql_progress enable row level security;

create policy own_requests on ${public_schema}.sql_request for select
  using (pg_catalog.pg_has_role(requested_by_oid, 'usage'));
create policy stamped_requests on ${public_schema}.sql_request for insert
  with check (true);
create policy own_sessions on pgoffload.sql_session for select
  using (exists (select from ${public_schema}.sql_request q where q.id = sql_session.id));
create policy own_results on pgoffload.sql_result for select
  using (pg_catalog.pg_has_role(requested_by_oid, 'usage'));
create policy own_chunks on pgoffload.sql_chunk for select
  using (pg_catalog.pg_has_role(requested_by_oid, 'usage'));
create policy own_progress on pgoffload.sql_progress for select
  using (exists (select from ${public_schema}.sql_request q where q.id = sql_progress.id));
