-- Ids come from one sequence for every kind of request. All tables are partitioned by range of id, so
-- that unique(id) is legal and old ranges can be dropped whole; see docs/decisions/0003.

create sequence pgoffload.request_id as bigint;

create table ${public_schema}.llm_request (
  id bigint not null default pg_catalog.nextval('pgoffload.request_id'),
  kind text not null default 'ask',
  prompt text,
  system text,
  messages jsonb,
  model text default nullif(pg_catalog.current_setting('llm.model', true), ''),
  options jsonb,
  timeout interval,
  ordering_key text,
  tags jsonb,
  -- stamped: nobody but the owner may insert into the columns below
  requested_by name not null default current_user,
  requested_by_oid oid not null default pg_catalog.quote_ident(current_user)::pg_catalog.regrole::oid,
  created_at timestamptz not null default pg_catalog.clock_timestamp(),
  created_xid xid8 not null default pg_catalog.pg_current_xact_id(),
  immediate boolean not null default false,
  constraint llm_request_pkey primary key (id)
) partition by range (id);
create table pgoffload.llm_request_0 partition of ${public_schema}.llm_request
  for values from (0) to (68719476736);

comment on table ${public_schema}.llm_request is
  'Insert a row to call a language model; only prompt (or messages) is needed. Append-only: state is in llm_status(id).';
comment on column ${public_schema}.llm_request.id is 'The request id, by RETURNING; the argument of llm_status, llm_result, llm_wait.';
comment on column ${public_schema}.llm_request.kind is 'What is asked for: ask.';
comment on column ${public_schema}.llm_request.prompt is 'The text of the user''s (last) turn.';
comment on column ${public_schema}.llm_request.system is 'Instructions to the model.';
comment on column ${public_schema}.llm_request.messages is
  'Earlier turns: an array of {"role": "user"|"assistant", "content": "…"}. The last turn is prompt, or, without one, the last message.';
comment on column ${public_schema}.llm_request.model is
  'The model, as its provider names it; default: the setting llm.model, else the worker''s.';
comment on column ${public_schema}.llm_request.options is
  'temperature (0 to 2), max_output_tokens (a positive integer).';
comment on column ${public_schema}.llm_request.timeout is
  'How long an answer is wanted; default: the setting llm.timeout, else default_timeout in pgoffload.setting.';
comment on column ${public_schema}.llm_request.ordering_key is 'Requests of one key reach the workers in the order of their commits.';
comment on column ${public_schema}.llm_request.tags is 'An object of your own, kept with the request.';
comment on column ${public_schema}.llm_request.requested_by is 'The role that asked; stamped.';
comment on column ${public_schema}.llm_request.requested_by_oid is 'Its oid, which decides who may read; stamped.';
comment on column ${public_schema}.llm_request.created_at is 'When it was asked; stamped.';
comment on column ${public_schema}.llm_request.created_xid is
  'The transaction that inserted it: a row restored from a dump bears an old one and is not sent again.';
comment on column ${public_schema}.llm_request.immediate is 'Whether it was sent at once by a function, rather than with its transaction.';

-- Who has begun what. A takeover is a new attempt. Insert-only.
create table pgoffload.execution (
  id bigint not null,
  attempt integer not null,
  worker text not null,
  epoch bigint not null,
  requested_by_oid oid not null,
  claimed_at timestamptz not null default pg_catalog.clock_timestamp(),
  constraint execution_pkey primary key (id, attempt),
  constraint execution_attempt_is_positive check (attempt > 0)
) partition by range (id);
create table pgoffload.execution_0 partition of pgoffload.execution
  for values from (0) to (68719476736);
comment on table pgoffload.execution is 'Claims: which worker has begun which request.';

-- Column names are the field names of the result message (result.v1.schema.json). Insert-only.
create table pgoffload.llm_result (
  id bigint not null,
  kind text not null,
  status text not null,
  requested_by_oid oid not null,
  answer text,
  error_code text,
  error_message text,
  finish_reason text,
  provider text,
  model text,
  provider_request_id text,
  input_tokens bigint,
  cached_tokens bigint,
  output_tokens bigint,
  reasoning_tokens bigint,
  attempts integer not null,
  queued_ms double precision,
  ran_ms double precision,
  worker text,
  finished_at timestamptz not null,
  constraint llm_result_pkey primary key (id),
  constraint llm_result_status_is_terminal check (status in ('succeeded', 'failed', 'cancelled', 'expired')),
  constraint llm_result_has_error_unless_succeeded check ((status = 'succeeded') = (error_code is null))
) partition by range (id);
create table pgoffload.llm_result_0 partition of pgoffload.llm_result
  for values from (0) to (68719476736);
comment on table pgoffload.llm_result is 'The one terminal result of each LLM request.';

-- One lease per worker process, renewed every second by the database's clock. The only table that is
-- updated; its few rows stay on one page.
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
  constraint worker_pkey primary key (name)
) with (fillfactor = 20);
comment on table pgoffload.worker is 'Leases: a worker is alive while its heartbeat is fresh and it has not released its lease.';
