-- What workers hold: their leases, their claims of requests, and the cancellations that claims obey.

-- One lease for each worker process, renewed every second by the database's clock. Updated in place, unlike the tables
-- of requests; its few rows stay on one page.
create table pgoffload.worker (
  name text not null,
  epoch bigint not null,
  provider text not null,
  model text not null,
  version text not null,
  started_at timestamptz not null default pg_catalog.clock_timestamp(),
  heartbeat_at timestamptz not null default pg_catalog.clock_timestamp(),
  released_at timestamptz,
  in_flight integer not null default 0,
  doing jsonb not null default '{}',
  constraint worker_pkey primary key (name)
) with (fillfactor = 20);
comment on table pgoffload.worker is 'Leases: a worker is alive while its heartbeat is fresh and it has not released its lease.';
comment on column pgoffload.worker.doing is 'What the worker has to do and has done since its start, as it says itself.';

-- Which worker has begun which request, of either kind. A takeover is a new attempt. Append-only. The table's row type
-- is pgoffload.claim too, so no function has this name: they are claim_llm and claim_sql.
create table pgoffload.claim (
  id bigint not null,
  attempt integer not null,
  worker text not null,
  epoch bigint not null,
  requested_by_oid oid not null,
  claimed_at timestamptz not null default pg_catalog.clock_timestamp(),
  token uuid,    -- of SQL: proves to the database that a session executes the claim; only the owner may read it
  constraint claim_pkey primary key (id, attempt),
  constraint claim_attempt_is_positive check (attempt > 0)
) partition by range (id);
create table pgoffload.claim_0 partition of pgoffload.claim
  for values from (0) to (68719476736);
comment on table pgoffload.claim is 'Claims: which worker has begun which request.';

create table pgoffload.cancellation (
  id bigint not null,
  by_oid oid not null,
  requested_at timestamptz not null default pg_catalog.clock_timestamp(),
  constraint cancellation_pkey primary key (id, by_oid)
) partition by range (id);
create table pgoffload.cancellation_0 partition of pgoffload.cancellation
  for values from (0) to (68719476736);
comment on table pgoffload.cancellation is 'Who asked for a request to be cancelled; a claim obeys those who may.';

alter table pgoffload.claim enable row level security;
alter table pgoffload.cancellation enable row level security;

create policy own_claims on pgoffload.claim for select
  using (pg_catalog.pg_has_role(requested_by_oid, 'usage'));
-- A role records cancellations in its own name, of requests that it may see: other rows would only fill the table.
create policy own_cancellations on pgoffload.cancellation for insert
  with check (by_oid = pg_catalog.quote_ident(current_user)::pg_catalog.regrole::pg_catalog.oid
              and exists (select from ${public_schema}.llm_request q where q.id = cancellation.id));
