-- What was sent again from the dead letters.

alter table ${public_schema}.sql_request add column retry_of bigint;
comment on column ${public_schema}.sql_request.retry_of is 'The request that this one repeats; stamped.';

-- So that replaying all letters twice sends nothing twice. Small: by hand alone.
create table pgoffload.replay (
  id bigint not null,
  replayed_as bigint not null,
  replayed_at timestamptz not null default pg_catalog.clock_timestamp(),
  constraint replay_pkey primary key (id, replayed_as)
);
comment on table pgoffload.replay is 'Which requests were sent again from the dead letters, and as which.';
