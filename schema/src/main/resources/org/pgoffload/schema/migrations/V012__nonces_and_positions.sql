-- After a fail-over to a standby that had not got everything, Kafka knows more than the database: an id may be drawn a
-- second time, and consumers have gone on past what the database has lost. So each request has a nonce, by which two
-- requests of one id are told apart, and the database keeps the positions up to which it knows what Kafka has.

-- in two steps: a column that is added with a volatile default would have the table written anew
alter table ${public_schema}.llm_request add column nonce uuid;
alter table ${public_schema}.llm_request alter column nonce set default pg_catalog.gen_random_uuid();
comment on column ${public_schema}.llm_request.nonce is
  'Tells the request from another one of its id, whose row was lost in a fail-over; stamped. Null in a row of an earlier version.';
alter table ${public_schema}.sql_request add column nonce uuid;
alter table ${public_schema}.sql_request alter column nonce set default pg_catalog.gen_random_uuid();
comment on column ${public_schema}.sql_request.nonce is
  'Tells the request from another one of its id, whose row was lost in a fail-over; stamped. Null in a row of an earlier version.';
alter table pgoffload.claim add column nonce uuid;
comment on column pgoffload.claim.nonce is 'The request''s; null in a claim of a worker of an earlier version.';
-- not to the results, which every waiting caller holds: the nonce of a result is its request's

-- Which requests may have been lost with the server before: those below this id whose row is not here when every
-- transaction that was under way at the acceptance has ended.
alter table pgoffload.server_timeline add column first_id bigint, add column accepted_xid xid8;
comment on column pgoffload.server_timeline.first_id is
  'Every request of before has an id below it; null: nothing was lost, because pgoffload was installed then.';
comment on column pgoffload.server_timeline.accepted_xid is 'The transaction that has accepted it.';

-- How far consumers have come, as the database knows it: of the topics of requests, everything below is finished, and
-- its claims are in this database; of the topics that are written back, everything below is written. Updated in place;
-- its few rows stay on one page.
create table pgoffload.consumer_position (
  topic text not null,
  partition integer not null,
  next_offset bigint not null,
  token uuid not null,
  repeated_below bigint,
  recorded_at timestamptz not null default pg_catalog.clock_timestamp(),
  constraint consumer_position_pkey primary key (topic, partition)
) with (fillfactor = 20);
comment on table pgoffload.consumer_position is
  'How far the consumers of a partition have come. After a fail-over they go back to it.';
comment on column pgoffload.consumer_position.token is 'Of the server''s timeline that it was recorded on.';
comment on column pgoffload.consumer_position.repeated_below is
  'Where the partition ended when its consumer went back after the last fail-over: records below may have come before it.';

-- Results that came again after a fail-over, and that neither a claim nor a row accounts for. A claim of their request
-- takes them. What is left when everything of before the fail-over has been worked off is withdrawn.
create table pgoffload.unclaimed_result (
  topic text not null,
  partition integer not null,
  record_offset bigint not null,
  id bigint not null,
  nonce uuid,
  requested_by_oid oid not null,
  result json,           -- null: of SQL, whose result is nowhere but in a row
  constraint unclaimed_result_pkey primary key (topic, partition, record_offset)
);
create index unclaimed_result_id_idx on pgoffload.unclaimed_result (id);
comment on table pgoffload.unclaimed_result is
  'Results of before a fail-over whose requests the server does not have: claimed again, or withdrawn.';
