-- Dead letters that are done with. Kafka removes no single record of a topic, so the database keeps which ones these are.

-- Append-only. Only settle_letter inserts, one row for one action.
create table pgoffload.settled_letter (
  action bigint not null,
  position text not null,
  came_at timestamptz not null,
  replayed_as bigint,
  settled_at timestamptz not null default pg_catalog.clock_timestamp(),
  constraint settled_letter_pkey primary key (action)
);
create index settled_letter_position_idx on pgoffload.settled_letter (position);
create index settled_letter_settled_at_idx on pgoffload.settled_letter (settled_at);
comment on table pgoffload.settled_letter is
  'Which dead letters were replayed or discarded; lists leave them out. Append-only; rows are removed once Kafka has removed the letters.';
comment on column pgoffload.settled_letter.action is 'The number of the action that settled it, in pgoffload.action.';
comment on column pgoffload.settled_letter.position is 'Where the letter is: topic-partition@offset.';
comment on column pgoffload.settled_letter.came_at is 'The time of its record: offsets of a topic that was made anew begin again.';
comment on column pgoffload.settled_letter.replayed_as is 'The request that it was sent again as; null: it was discarded.';
