-- What request_why goes by besides the requests and their claims: what workers tell of their queues, and up to which
-- transactions the capture is known to have come.

-- Not columns of pgoffload.worker: what is told here names other roles' requests, and users read that table. Updated in
-- place with the renewals of a lease that has something else to tell than the one before.
create table pgoffload.worker_queue (
  worker text not null,
  epoch bigint not null,
  told jsonb not null,
  constraint worker_queue_pkey primary key (worker, epoch)
) with (fillfactor = 20);
comment on table pgoffload.worker_queue is 'What the workers of the leases tell of what waits there. Nobody but the owner may read it.';
comment on column pgoffload.worker_queue.told is
  'Of each queue its partitions, and what waits and runs by its places; the pace of each model; the oldest requests in flight.';

-- A position of the WAL and a snapshot of that moment: once the slot is past the position, all that the snapshot sees was
-- captured. Then the next position is noted.
create table pgoffload.capture_mark (
  is_only boolean not null default true,
  wal_position pg_lsn,
  snapshot pg_snapshot,
  marked_at timestamptz,
  captured pg_snapshot,
  captured_at timestamptz,
  constraint capture_mark_pkey primary key (is_only),
  constraint capture_mark_is_only_one check (is_only)
) with (fillfactor = 20);
comment on table pgoffload.capture_mark is
  'Which transactions were captured for certain: those that captured sees. Updated by renewals of leases, each second at most.';
insert into pgoffload.capture_mark default values;

-- a request, and why it waits, as the functions of R__30_reasons_to_wait.sql hand them on
create type pgoffload.unfinished_request as (
  id bigint, kind text, is_sql boolean, requested_by_oid oid, created_at timestamptz, created_xid xid8, immediate boolean,
  deadline timestamptz, provider text, model text, ordering_key text, record_key text, login_oid oid, session text,
  parent bigint);
create type pgoffload.reason_to_wait as (
  state text, reason text, hint text, since timestamptz, until timestamptz, behind bigint, blocker bigint, worker text,
  attempt integer, exact boolean, as_of timestamptz, detail jsonb);
