-- Ids go up by ranges of 2^36, and each range has a partition of every table of requests (docs/decisions/0003):
-- a range is a day, begun by pgoffload.begin_id_range and removed whole.
create table pgoffload.id_range (
  number bigint not null,
  begun_at timestamptz not null default pg_catalog.clock_timestamp(),
  removing_since timestamptz,
  constraint id_range_pkey primary key (number),
  constraint id_range_fits_json check (number between 0 and 131071)
);
comment on table pgoffload.id_range is 'The ranges of ids, and when each was begun: range n has the ids from n * 2^36 up.';

insert into pgoffload.id_range (number, begun_at)
select s.last_value >> 36, i.since from pgoffload.request_id s, pgoffload.installation i;

-- What was sent before a break may not have been captured. A break is planned (without first_id) before a slot or a
-- topic is made anew, so that none is forgotten, and completed afterwards. What is recorded is looked through once and sent
-- again where it was lost; what was only sent at once is lost, and its callers are told.
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

grant select on pgoffload.capture_break, pgoffload.id_range to llm_user, pgbackground_role, pgoffload_producer, pgoffload_worker, pgoffload_results;

insert into pgoffload.setting (name, value, description) values
  ('id_range_lasts', '1 day',
   'How long a range of ids lasts, which is removed whole: requests are kept for retention and up to this much longer.'),
  ('usage_retention', '400 days',
   'How long the sums of llm_usage are kept; a budget needs them for its period.'),
  ('slot', 'pgoffload', 'The replication slot of this installation; set by pgoffload install.'),
  ('request_topics', '', 'The topics of requests and their ids, by which a topic that was made anew is recognised; set by pgoffload install.')
on conflict (name) do nothing;
