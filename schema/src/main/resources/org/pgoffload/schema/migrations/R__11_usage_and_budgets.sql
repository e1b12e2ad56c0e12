-- What calls cost, how much each role has used, and which budgets are used up.

-- API: Private. The price of a model at a time, if there is one: the one for the longest beginning of its name,
-- and of those the latest. Its body is parsed here, so that no search_path changes it, and views inline it.
create or replace function pgoffload.price_at(provider text, model text, at timestamptz) returns setof pgoffload.llm_price
language sql stable
begin atomic
  select p.provider, p.model, p.input_per_million, p.cached_input_per_million, p.output_per_million, p.currency, p.valid_from
  from pgoffload.llm_price p
  where p.provider = price_at.provider and starts_with(price_at.model, p.model) and p.valid_from <= price_at.at
  order by length(p.model) desc, p.valid_from desc
  limit 1;
end;

-- API: Private. What tokens cost; null without a price. Never less than nothing, whatever was counted as cached.
create or replace function pgoffload.cost_of(
  price pgoffload.llm_price, input_tokens numeric, cached_tokens numeric, output_tokens numeric) returns numeric
language sql immutable
return (greatest(input_tokens - cached_tokens, 0) * (price).input_per_million
        + least(cached_tokens, input_tokens) * coalesce((price).cached_input_per_million, (price).input_per_million)
        + output_tokens * (price).output_per_million) * 0.000001;

-- API: Private. What all calls for a request cost; null when one of them has no price.
create or replace function pgoffload.cost_of_calls(result pgoffload.llm_result) returns numeric
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  cost numeric;
  unpriced boolean;
begin
  select coalesce(sum(pgoffload.cost_of(p, c.input_tokens, c.cached_tokens, c.output_tokens)), 0),
         coalesce(bool_or(p.provider is null and c.input_tokens + c.output_tokens > 0), false)
  into cost, unpriced
  from (
    select e ->> 'provider' as provider, e ->> 'model' as model, coalesce((e ->> 'input_tokens')::numeric, 0) as input_tokens,
           coalesce((e ->> 'cached_tokens')::numeric, 0) as cached_tokens,
           coalesce((e ->> 'output_tokens')::numeric, 0) as output_tokens
    from jsonb_array_elements(result.calls) e
    union all
    -- of a worker that did not tell the calls
    select result.provider, result.model, coalesce(result.input_tokens, 0), coalesce(result.cached_tokens, 0),
           coalesce(result.output_tokens, 0)
    where result.calls is null and result.cached_from is null) c
  left join lateral pgoffload.price_at(c.provider, c.model, result.finished_at) p on true;
  return case when not unpriced then cost end;
end
$$;

-- API: Public. Usage by role, provider, model and minute, of the roles that the reader may see, with its cost by
-- pgoffload.llm_price. A role has its name of today, one that was dropped its last.
create or replace view ${public_schema}.llm_usage with (security_invoker) as
select coalesce(r.rolname, u.requested_by) as role, nullif(u.provider, '') as provider, nullif(u.model, '') as model, u.minute,
       u.requests, u.failed, u.cached, u.calls, u.failed_calls,
       u.input_tokens, u.cached_tokens, u.output_tokens, u.reasoning_tokens,
       pgoffload.cost_of(p, u.input_tokens, u.cached_tokens, u.output_tokens) as cost, p.currency,
       u.requested_by_oid as role_oid
from pgoffload.llm_usage_minute u
left join pg_catalog.pg_roles r on r.oid = u.requested_by_oid
left join lateral pgoffload.price_at(u.provider, u.model, u.minute) p on true;

-- API: Private. Of these roles, those that have used up a budget: an object with a sentence for each by its oid, or
-- null. Called by pgoffload.claim_llm, within its rights and its search_path, where there are budgets at all.
create or replace function pgoffload.used_up_budgets(roles oid[]) returns jsonb
language plpgsql stable
as $$
declare
  budget pgoffload.budget;
  began timestamptz;
  ends timestamptz;
  price_changes timestamptz[];
  tokens numeric;
  cost numeric;
  used_up jsonb;
begin
  -- of several the one that lasts longest comes last, and stays
  for budget in
      select b.* from pgoffload.budget b where b.role = any (roles)
      order by array_position(array['hour', 'day', 'month'], b.period), b.id loop
    began := date_trunc(budget.period, clock_timestamp(), 'UTC');
    ends := (began at time zone 'UTC' + ('1 ' || budget.period)::interval) at time zone 'UTC';
    -- a price is looked up once for all hours that have the same
    price_changes := array(
      select distinct p.valid_from from pgoffload.llm_price p
      where budget.max_cost is not null and p.valid_from > began and p.valid_from < ends order by 1);
    select coalesce(sum(u.input_tokens + u.output_tokens), 0),
           coalesce(sum(pgoffload.cost_of(p, u.input_tokens, u.cached_tokens, u.output_tokens))
                      filter (where p.currency = budget.currency), 0)
    into tokens, cost
    from (
      select h.provider, h.model, max(h.hour) as at, sum(h.input_tokens) as input_tokens,
             sum(h.cached_tokens) as cached_tokens, sum(h.output_tokens) as output_tokens
      from pgoffload.llm_usage_hour h
      where h.requested_by_oid = budget.role and h.hour >= began
      group by h.provider, h.model, width_bucket(h.hour, price_changes)) u
    left join lateral pgoffload.price_at(u.provider, u.model, u.at) p on budget.max_cost is not null;
    if tokens >= budget.max_tokens or cost >= budget.max_cost then
      used_up := coalesce(used_up, '{}') || jsonb_build_object(budget.role::oid::text, format(
        'the budget of role %s of %s a %s is used up: %s since %s UTC; it begins anew at %s UTC',
        budget.role,
        case when tokens >= budget.max_tokens then budget.max_tokens || ' tokens'
             else trim_scale(budget.max_cost) || ' ' || budget.currency end,
        budget.period,
        case when tokens >= budget.max_tokens then tokens || ' tokens'
             else trim_scale(cost) || ' ' || budget.currency end,
        to_char(began at time zone 'UTC', 'YYYY-MM-DD HH24:MI'), to_char(ends at time zone 'UTC', 'YYYY-MM-DD HH24:MI')));
    end if;
  end loop;
  return used_up;
end
$$;
