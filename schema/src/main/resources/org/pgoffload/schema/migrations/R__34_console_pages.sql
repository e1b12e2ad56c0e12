-- What pages of the console ask for besides what users can read.

-- API: Private. How fast maintained columns go on, of declarers whose privileges the reader has: how many requests ended
-- within the last ten minutes, by the minute. Batches that were summed up do not count. Runs with its owner's rights.
create or replace view pgoffload.maintained_pace with (security_barrier) as
select m.name,
       coalesce((select pg_catalog.round(pg_catalog.sum(n.ended) * 60
                          / greatest(extract(epoch from pg_catalog.clock_timestamp() - pg_catalog.min(n.at)), 60), 1)
                 from (select t.at, t.done + t.failed + t.stale as ended
                       from pgoffload.maintained_count t where t.number = m.number order by t.at desc limit 100) n
                 where n.at > pg_catalog.clock_timestamp() - interval '10 min' and n.ended > 0), 0) as per_minute
from pgoffload.maintained_column m
where pg_catalog.pg_has_role(m.declarer, 'usage');

-- API: Private. The budgets of roles whose privileges the reader has, and what of each is used up in its present period.
-- Runs with its owner's rights.
create or replace view pgoffload.budget_used with (security_barrier) as
select pg_catalog.pg_get_userbyid(b.role) as role, b.period, b.max_tokens, b.max_cost, b.currency,
       (t.began at time zone 'UTC' + ('1 ' || b.period)::interval) at time zone 'UTC' as begins_anew,
       u.tokens, u.cost
from pgoffload.budget b
cross join lateral (select pg_catalog.date_trunc(b.period, pg_catalog.clock_timestamp(), 'UTC')) t (began)
cross join lateral (
  select coalesce(pg_catalog.sum(h.input_tokens + h.output_tokens), 0),
         coalesce(pg_catalog.sum(pgoffload.cost_of(p, h.input_tokens, h.cached_tokens, h.output_tokens))
                    filter (where p.currency = b.currency), 0)
  from pgoffload.llm_usage_hour h
  left join lateral pgoffload.price_at(h.provider, h.model, h.hour) p on b.max_cost is not null
  where h.requested_by_oid = b.role and h.hour >= t.began
) u (tokens, cost)
where pg_catalog.pg_has_role(b.role, 'usage');

-- API: Private. What live workers tell of the pace of each model that a role whose privileges the reader has used within a
-- day; to operators, of every model. Runs with its owner's rights.
create or replace view pgoffload.model_pace with (security_barrier) as
select q.worker, e.key as target, (e.value ->> 'calling')::bigint as calling, (e.value ->> 'waiting')::bigint as waiting,
       e.value ->> 'why' as why, (e.value ->> 'per_second')::numeric as per_second,
       pg_catalog.to_timestamp((e.value ->> 'until')::double precision / 1000) as until
from pgoffload.worker_queue q
cross join lateral pg_catalog.jsonb_each(q.told -> 'models') e
where pgoffload.worker_is_alive(q.worker, q.epoch)
  and (pg_catalog.pg_has_role('pgoffload_operator', 'usage') or e.key in (
    select u.provider || ':' || u.model from pgoffload.llm_usage_minute u
    where u.minute > pg_catalog.now() - interval '1 day' and pg_catalog.pg_has_role(u.requested_by_oid, 'usage')));
