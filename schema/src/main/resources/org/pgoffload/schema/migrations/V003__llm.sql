-- LLM requests, their results, the pieces of streamed answers, and the cache of answers.
--
-- The ids of requests of every kind come from one sequence. All tables of requests are partitioned by range of id, so
-- that unique(id) is legal and old ranges are dropped whole (docs/decisions/0003). They are append-only.
--
-- Row-level security compares oids: with names, one DROP ROLE would break every reader's scan, and a new role of an
-- old name would inherit its results.

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
  -- stamped: only the owner may insert into the columns up to immediate, and into installation
  requested_by name not null default current_user,
  requested_by_oid oid not null default pg_catalog.quote_ident(current_user)::pg_catalog.regrole::oid,
  created_at timestamptz not null default pg_catalog.clock_timestamp(),
  created_xid xid8 not null default pg_catalog.pg_current_xact_id(),
  immediate boolean not null default false,
  provider text default nullif(pg_catalog.current_setting('llm.provider', true), ''),
  response_schema jsonb,
  inputs text[],
  retry_of bigint,
  installation uuid,
  constraint llm_request_pkey primary key (id)
) partition by range (id);
create table pgoffload.llm_request_0 partition of ${public_schema}.llm_request
  for values from (0) to (68719476736);

-- The default is a constant, which costs an INSERT nothing. pgoffload.adopt changes it.
do $$
begin
  execute pg_catalog.format('alter table ${public_schema}.llm_request alter column installation set default %L',
    (select i.id from pgoffload.installation i));
end
$$;

comment on table ${public_schema}.llm_request is
  'Insert a row to call a language model; only prompt (or messages) is needed. Append-only: state is in llm_status(id).';
comment on column ${public_schema}.llm_request.id is 'The request id, by RETURNING; the argument of llm_status, llm_result, llm_wait.';
comment on column ${public_schema}.llm_request.kind is 'What is asked for: ask (an answer) or embed (embeddings).';
comment on column ${public_schema}.llm_request.prompt is 'The text of the user''s (last) turn; of kind embed, the one input.';
comment on column ${public_schema}.llm_request.system is 'Instructions to the model.';
comment on column ${public_schema}.llm_request.messages is
  'Earlier turns: an array of {"role": "user"|"assistant", "content": "…"}. The last turn is prompt, or, without one, the last message.';
comment on column ${public_schema}.llm_request.model is
  'The model, as its provider names it; default: the setting llm.model, else the worker''s.';
comment on column ${public_schema}.llm_request.options is
  'Of ask: temperature, max_output_tokens, stop, reasoning_effort, stream, cache. Of embed: dimensions, cache.';
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
comment on column ${public_schema}.llm_request.provider is
  'Who is asked, as the workers name it; default: the setting llm.provider, else the worker''s.';
comment on column ${public_schema}.llm_request.response_schema is 'A JSON schema that the answer, then JSON, has to satisfy.';
comment on column ${public_schema}.llm_request.inputs is 'The texts to embed, of kind embed: 1 to 100000.';
comment on column ${public_schema}.llm_request.retry_of is 'The request that this one repeats; llm_retry sets it.';
comment on column ${public_schema}.llm_request.installation is
  'The installation that the row was inserted in; null in a row that was restored. Another one''s is not executed here.';

-- Column names are the field names of the result message (result.v1.schema.json).
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
  embeddings real[],     -- two dimensions: one row for each input, in order
  cached_from bigint,    -- the request whose answer this is
  calls jsonb,           -- each call that was made, in order
  last_seq bigint,       -- of the last streamed piece
  constraint llm_result_pkey primary key (id),
  constraint llm_result_status_is_terminal check (status in ('succeeded', 'failed', 'cancelled', 'expired')),
  constraint llm_result_has_error_unless_succeeded check ((status = 'succeeded') = (error_code is null))
) partition by range (id);
create table pgoffload.llm_result_0 partition of pgoffload.llm_result
  for values from (0) to (68719476736);
comment on table pgoffload.llm_result is 'The one terminal result of each LLM request.';

-- Parts of an answer, while the model writes. A seq is above attempt * 10^9; gaps are normal. The first piece of a seq
-- wins. Column names are the field names of the message.
create table pgoffload.llm_piece (
  id bigint not null,
  seq bigint not null,
  attempt integer not null,
  reset boolean not null default false,
  requested_by_oid oid not null,
  text text not null,
  constraint llm_piece_pkey primary key (id, seq)
) partition by range (id);
create table pgoffload.llm_piece_0 partition of pgoffload.llm_piece
  for values from (0) to (68719476736);
comment on table pgoffload.llm_piece is 'Streamed parts of answers; with reset, the text begins anew.';

-- Which request makes the call that others wait for. The next number leads when the one before has failed, was lost,
-- or is too old: the primary key decides between two. A row older than the setting retention serves no request. Not
-- partitioned, because the key of an answer knows no id.
create table pgoffload.llm_cache (
  scope oid not null,
  key bytea not null,
  number integer not null,
  id bigint not null,
  led_at timestamptz not null default pg_catalog.clock_timestamp(),
  constraint llm_cache_pkey primary key (scope, key, number),
  constraint llm_cache_key_is_a_sha256 check (pg_catalog.octet_length(key) = 32)
);
comment on table pgoffload.llm_cache is
  'The requests that make the call for all that ask the same. The scope is the oid of the role that they share, or 0.';

alter table ${public_schema}.llm_request enable row level security;
alter table pgoffload.llm_result enable row level security;
alter table pgoffload.llm_piece enable row level security;

create policy own_requests on ${public_schema}.llm_request for select
  using (pg_catalog.pg_has_role(requested_by_oid, 'usage'));
create policy stamped_requests on ${public_schema}.llm_request for insert
  with check (true);
create policy own_results on pgoffload.llm_result for select
  using (pg_catalog.pg_has_role(requested_by_oid, 'usage'));
create policy own_pieces on pgoffload.llm_piece for select
  using (pg_catalog.pg_has_role(requested_by_oid, 'usage'));
