-- Which session a task has, and what it waits for before it has one.

-- by the backend, when a task has cleared the setting that names it
create index sql_session_backend_idx on pgoffload.sql_session (pid, recorded_at);
-- sql_status looks whether a request has begun
grant select on pgoffload.sql_session to llm_user;

alter table pgoffload.sql_progress add column waits boolean not null default false;
comment on column pgoffload.sql_progress.waits is
  'Whether the worker says what the task waits for before it can begin; of no interest once it has begun.';
