-- Which server takes this installation's writes, as far as a database can know it. The record that decides is in Kafka,
-- in the topic control: one inside the database would travel with an old primary, and agree with it.

-- Each timeline of a server that was made the installation's own. The newest row is the present one. A server whose row
-- has another token than Kafka's record is an old primary, a copy or another fork. Append-only.
create table pgoffload.server_timeline (
  number integer generated always as identity,
  timeline integer not null,
  forked_at pg_lsn,
  token uuid not null default pg_catalog.gen_random_uuid(),
  accepted_at timestamptz not null default pg_catalog.clock_timestamp(),
  reason text not null,
  constraint server_timeline_pkey primary key (number),
  constraint server_timeline_reason_is_known check (reason in ('installed', 'promoted', 'accepted', 'adopted'))
);
comment on table pgoffload.server_timeline is
  'The timelines of the server that were made this installation''s own; the newest row is the present one.';
comment on column pgoffload.server_timeline.timeline is 'The timeline of the server''s WAL.';
comment on column pgoffload.server_timeline.forked_at is 'Where it begins; null: not known, or the first timeline.';
comment on column pgoffload.server_timeline.token is 'What this row and the record in Kafka share.';
comment on column pgoffload.server_timeline.reason is
  'installed; promoted: accepted by the producer; accepted: by pgoffload promote --accept; adopted: by pgoffload adopt.';

insert into pgoffload.server_timeline (timeline, reason)
select ('x' || pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8))::bit(32)::integer, 'installed';

insert into pgoffload.setting (name, value, description) values
  ('failover_permitted_lag', '64MB',
   'How far behind the recorded position a promoted standby may have left the recorded timeline, and is still accepted without an administrator.'),
  ('control_topic', '',
   'The topic in which the record of the primary was written first; set by pgoffload install and promote.');
