-- The backends in which tasks have been executed, each once: whether a session is a task's is asked with every launch, and
-- mostly it is none. Rows of sessions that have ended tell nothing, and are removed by pgoffload.remove_old_rows.
create table pgoffload.task_backend (
  pid integer not null,
  constraint task_backend_pkey primary key (pid)
);
alter table pgoffload.task_backend enable row level security;
comment on table pgoffload.task_backend is
  'The pids of sessions that have executed a task. One that is not here executes none.';

insert into pgoffload.task_backend (pid)
select distinct s.pid from pgoffload.sql_session s where s.recorded_at > pg_catalog.pg_postmaster_start_time();
