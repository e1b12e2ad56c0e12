-- The types of pg_background 2.0, and which pg_background the one name that has two meanings follows.

insert into pgoffload.setting (name, value, description) values
  ('pg_background_api', '1',
   'What pg_background_launch(text, integer) returns: 1 the pid, as in pg_background 1.x; 2 a handle, as in 2.x. '
   'Changed by: pgoffload install --pg-background-api.');

create type ${public_schema}.pg_background_stats as (
  workers_launched bigint, workers_completed bigint, workers_failed bigint, workers_canceled bigint,
  workers_timed_out bigint, workers_active integer, avg_execution_ms double precision, max_workers integer);
create type ${public_schema}.pg_background_progress_info as (progress_pct integer, progress_msg text);

alter type ${public_schema}.pg_background_result_info
  add attribute started_at timestamptz,
  add attribute finished_at timestamptz;
alter type ${public_schema}.pg_background_error
  add attribute schema_name text,
  add attribute table_name text,
  add attribute column_name text,
  add attribute constraint_name text;

-- It begins with other columns now. The functions that return it are made again in their own file.
drop function if exists ${public_schema}.pg_background_run_v2(text, integer, integer, text);
drop function if exists pgoffload.finish_run(integer, bigint, integer, timestamptz);
drop type ${public_schema}.pg_background_run_result;
create type ${public_schema}.pg_background_run_result as (
  pid integer, cookie bigint, state text, consumed boolean, completed boolean, has_error boolean, row_count bigint,
  command_tag text, sqlstate text, error_message text, label text, launched_at timestamptz,
  timed_out boolean, elapsed_ms bigint);
