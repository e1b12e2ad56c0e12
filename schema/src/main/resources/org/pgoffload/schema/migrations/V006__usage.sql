-- Usage of language models, prices, and budgets.

-- Totals, which only grow. They are updated, so each page has room for that. A request for which no model was called
-- has an empty provider and model.
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
-- what all roles have used lately
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

alter table pgoffload.llm_usage_minute enable row level security;
create policy own_usage on pgoffload.llm_usage_minute for select
  using (pg_catalog.pg_has_role(requested_by_oid, 'usage'));
