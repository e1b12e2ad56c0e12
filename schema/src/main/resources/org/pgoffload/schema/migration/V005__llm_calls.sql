-- LLM calls: what a request may ask for, embeddings, streamed pieces, the cache, usage, prices and budgets.

insert into pgoffload.setting (name, value, description) values
  ('cache_across_roles', 'off',
   'Whether an answer that one role asked for is given to another role that asks exactly the same with the option cache: on or off.');

alter table ${public_schema}.llm_request
  add column provider text,
  add column response_schema jsonb,
  add column inputs text[],
  add column retry_of bigint;
-- apart from adding it: rows that are there get none
alter table ${public_schema}.llm_request
  alter column provider set default nullif(pg_catalog.current_setting('llm.provider', true), '');

comment on column ${public_schema}.llm_request.kind is 'What is asked for: ask (an answer) or embed (embeddings).';
comment on column ${public_schema}.llm_request.prompt is 'The text of the user''s (last) turn; of kind embed, the one input.';
comment on column ${public_schema}.llm_request.options is
  'Of ask: temperature, max_output_tokens, stop, reasoning_effort, stream, cache. Of embed: dimensions, cache.';
comment on column ${public_schema}.llm_request.provider is
  'Who is asked, as the workers name it; default: the setting llm.provider, else the worker''s.';
comment on column ${public_schema}.llm_request.response_schema is 'A JSON schema that the answer, then JSON, has to satisfy.';
comment on column ${public_schema}.llm_request.inputs is 'The texts to embed, of kind embed: 1 to 100000.';
comment on column ${public_schema}.llm_request.retry_of is 'The request that this one repeats; llm_retry sets it.';

alter table pgoffload.llm_result
  add column embeddings real[],     -- two dimensions: one row for each input, in order
  add column cached_from bigint,    -- the request whose answer this is
  add column calls jsonb,           -- each call that was made, in order
  add column last_seq bigint;       -- of the last streamed piece

-- Parts of an answer, while the model writes. A seq is above attempt * 10^9; gaps are normal. Column names
-- are the field names of the message. Insert-only, the first of a seq wins.
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

-- Which request makes the call that others wait for. The next number leads when the one before has failed,
-- was lost, or is too old: the primary key decides between two. Insert-only; what is older than the setting
-- retention serves nobody. Not partitioned, because the key of an answer knows no id.
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

-- Totals, which only grow: updated, so with room for it on each page. What has no provider or model, because
-- nobody was asked, has an empty text there.
create table pgoffload.llm_usage_minute (
  minute timestamptz not null,
  requested_by_oid oid not null,
  requested_by name not null,
  provider text not null,
  model text not null,
  requests bigint not null,
  failed bigint not null,
  cached bigint not null,
  calls bigint not null,
  failed_calls bigint not null,
  input_tokens bigint not null,
  cached_tokens bigint not null,
  output_tokens bigint not null,
  reasoning_tokens bigint not null,
  constraint llm_usage_minute_pkey primary key (requested_by_oid, minute, provider, model)
) with (fillfactor = 70);
-- what was used lately, by whomever
create index llm_usage_minute_minute_idx on pgoffload.llm_usage_minute (minute);
comment on table pgoffload.llm_usage_minute is 'Usage by role, provider, model and minute; the results application keeps it.';

-- The sums of its hours: a claim that has to respect the budget of a month reads hundreds of rows, not
-- tens of thousands.
create table pgoffload.llm_usage_hour (
  hour timestamptz not null,
  requested_by_oid oid not null,
  provider text not null,
  model text not null,
  input_tokens bigint not null,
  cached_tokens bigint not null,
  output_tokens bigint not null,
  constraint llm_usage_hour_pkey primary key (requested_by_oid, hour, provider, model)
) with (fillfactor = 70);
comment on table pgoffload.llm_usage_hour is 'Sums of pgoffload.llm_usage_minute, for budgets. Derived.';

create table pgoffload.llm_price (
  provider text not null,
  model text not null,
  input_per_million numeric not null,
  cached_input_per_million numeric,
  output_per_million numeric not null default 0,
  currency text not null default 'USD',
  valid_from timestamptz not null default '-infinity',
  constraint llm_price_pkey primary key (provider, model, valid_from),
  constraint llm_price_is_not_negative
    check (input_per_million >= 0 and cached_input_per_million >= 0 and output_per_million >= 0),
  -- so that an hour of usage has one price
  constraint llm_price_begins_on_the_hour
    check (pg_catalog.date_trunc('hour', valid_from, 'UTC') = valid_from)
);
comment on table pgoffload.llm_price is
  'What a million tokens cost: of the prices of a provider whose model begins the model''s name, the longest, of those the latest. The owner keeps it.';
comment on column pgoffload.llm_price.provider is 'As llm_usage names it.';
comment on column pgoffload.llm_price.model is 'The model, or the beginning of the names of several.';
comment on column pgoffload.llm_price.input_per_million is 'Price of a million input tokens.';
comment on column pgoffload.llm_price.cached_input_per_million is
  'Price of those that were read from the provider''s cache; null: as the others.';
comment on column pgoffload.llm_price.output_per_million is 'Price of a million output tokens, reasoning included.';
comment on column pgoffload.llm_price.currency is 'Of the three.';
comment on column pgoffload.llm_price.valid_from is 'From when on; a full hour.';

create table pgoffload.budget (
  id integer generated always as identity,
  role regrole not null,
  period text not null,
  max_cost numeric,
  max_tokens bigint,
  currency text not null default 'USD',
  constraint budget_pkey primary key (id),
  constraint budget_period_is_known check (period in ('hour', 'day', 'month')),
  constraint budget_has_a_limit check (pg_catalog.num_nonnulls(max_cost, max_tokens) > 0),
  constraint budget_is_not_negative check (max_cost >= 0 and max_tokens >= 0)
);
comment on table pgoffload.budget is
  'What a role may use up in each hour, day or month of UTC; then its new requests fail as budget_exceeded. The owner keeps it.';
comment on column pgoffload.budget.role is 'The role whose requests count; those of its members are their own.';
comment on column pgoffload.budget.period is 'hour, day or month, each beginning with the calendar''s in UTC.';
comment on column pgoffload.budget.max_cost is 'Cost by pgoffload.llm_price; what has no price costs nothing. Null: any.';
comment on column pgoffload.budget.max_tokens is 'Input and output tokens together. Null: any number.';
comment on column pgoffload.budget.currency is 'Of max_cost; what is priced in another does not count.';

alter table pgoffload.llm_piece enable row level security;
alter table pgoffload.llm_usage_minute enable row level security;

create policy own_pieces on pgoffload.llm_piece for select
  using (pg_catalog.pg_has_role(requested_by_oid, 'usage'));
create policy own_usage on pgoffload.llm_usage_minute for select
  using (pg_catalog.pg_has_role(requested_by_oid, 'usage'));

grant insert (provider, response_schema, inputs, retry_of) on ${public_schema}.llm_request to llm_user;
grant select on pgoffload.llm_piece, pgoffload.llm_usage_minute, pgoffload.llm_price to llm_user;

-- A cancellation is recorded by the one who asks for it, in the own name alone; a claim obeys those who may.
alter table pgoffload.cancellation enable row level security;
create policy own_cancellations on pgoffload.cancellation for insert
  with check (by_oid = pg_catalog.quote_ident(current_user)::pg_catalog.regrole::pg_catalog.oid);
grant insert (id, by_oid) on pgoffload.cancellation to llm_user;
