-- The ranges of ids, and what becomes of requests whose way to Kafka was interrupted.

-- Ids go up by ranges of 2^36, and each range has a partition of every table of requests (docs/decisions/0003):
-- a range is a day, begun by pgoffload.begin_id_range and removed whole.
create table pgoffload.id_range (
  number bigint not null,
  begun_at timestamptz not null default pg_catalog.clock_timestamp(),
  removing_since timestamptz,
  kept_for bigint,
  constraint id_range_pkey primary key (number),
  constraint id_range_fits_json check (number between 0 and 131071)
);
comment on table pgoffload.id_range is 'The ranges of ids, and when each was begun: range n has the ids from n * 2^36 up.';
comment on column pgoffload.id_range.kept_for is
  'A request without a result that kept the range from being removed when maintain looked last.';

insert into pgoffload.id_range (number, begun_at) select 0, i.since from pgoffload.installation i;

-- A request that was sent before a break may not have been captured. A break is planned (without first_id) before a
-- slot or a topic is made anew, so that no break is forgotten, and completed afterwards. One sweep then looks through
-- the recorded requests and sends the lost ones again. A request that was only sent at once is lost, and its caller is
-- told.
create table pgoffload.capture_break (
  number integer generated always as identity,
  reason text not null,
  broken_at timestamptz not null default pg_catalog.clock_timestamp(),
  first_id bigint,
  swept_at timestamptz,
  sent_again bigint,
  worked_off boolean,
  constraint capture_break_pkey primary key (number),
  constraint capture_break_is_swept_or_not check ((swept_at is null) = (sent_again is null) and (swept_at is null) = (worked_off is null))
);
comment on table pgoffload.capture_break is
  'When the capture of requests was interrupted for good: each is followed by one sweep of the requests below first_id.';

-- What was sent again from the dead letters, so that replaying all letters twice sends nothing twice. Only pgoffload
-- dead-letters replay adds rows.
create table pgoffload.replay (
  id bigint not null,
  replayed_as bigint not null,
  replayed_at timestamptz not null default pg_catalog.clock_timestamp(),
  constraint replay_pkey primary key (id, replayed_as)
);
comment on table pgoffload.replay is 'Which requests were sent again from the dead letters, and as which.';
