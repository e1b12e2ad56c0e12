-- What is known of rows that have gone is forgotten by a walk through what is known, once a day. Not columns of
-- pgoffload.maintained_state, which writers read before they lock the tables of requests.
create table pgoffload.maintained_sweep (
  number integer not null,
  ended_at timestamptz not null default pg_catalog.clock_timestamp(),  -- the last one
  after uuid,                      -- the row that it has come to; null: none is under way
  constraint maintained_sweep_pkey primary key (number)
);
comment on table pgoffload.maintained_sweep is 'How far the walks have come that look for rows which have gone.';
insert into pgoffload.maintained_sweep (number) select c.number from pgoffload.maintained_column c;
