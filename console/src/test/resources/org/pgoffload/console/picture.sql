-- An hour of an application's requests, for the picture of the console.
insert into pgoffload.llm_price (provider, model, input_per_million, output_per_million)
values ('openai', 'gpt-5-mini', 0.25, 2), ('anthropic', 'claude-sonnet-4-5', 3, 15)
on conflict do nothing;
insert into pgoffload.llm_usage_minute (minute, requested_by_oid, requested_by, provider, model, requests, failed,
  cached, calls, failed_calls, input_tokens, cached_tokens, output_tokens, reasoning_tokens)
select date_trunc('minute', now()) - make_interval(mins => n), 'app'::regrole, 'app', m.provider, m.model, r.requests,
       case when n % 17 = 3 then 4 when n % 7 = 2 then 1 else 0 end, 0, r.requests, 0, r.requests * m.tokens, 0,
       r.requests * m.tokens / 4, 0
from generate_series(0, 59) n
cross join (values ('openai', 'gpt-5-mini', 900, 60), ('anthropic', 'claude-sonnet-4-5', 1500, 18)) m (provider, model, tokens, most)
cross join lateral (
  select (m.most * (0.55 + 0.3 * sin(n / 6.0) + 0.15 * sin(n * n)))::bigint as requests) r
on conflict do nothing;
with asked as (
  insert into llm_request (prompt, requested_by, requested_by_oid, immediate, created_at, provider, model)
  select 'The mood of this ticket', 'app', 'app'::regrole, true, clock_timestamp() - make_interval(secs => 3600 - n * 0.9),
         -- what waits names no provider: the installation has another one, and would warn
         case when n < 3980 then 'openai' end, case when n < 3980 then 'gpt-5-mini' end
  from generate_series(1, 4000) n
  returning id, created_at
), claimed as (
  insert into pgoffload.claim (id, attempt, worker, epoch, requested_by_oid, claimed_at)
  select a.id, 1, w.name, w.epoch, 'app'::regrole, a.created_at
  from asked a cross join (select name, epoch from pgoffload.worker order by name limit 1) w
  where a.created_at > clock_timestamp() - interval '12 s' and a.created_at < clock_timestamp() - interval '7 s'
)
insert into pgoffload.llm_result (id, kind, status, requested_by_oid, answer, error_code, error_message, provider, model,
  input_tokens, output_tokens, attempts, queued_ms, ran_ms, finished_at)
select a.id, 'ask', case when f.code is null then 'succeeded' else 'failed' end, 'app'::regrole,
       case when f.code is null then 'content' end, f.code, case when f.code is not null then 'see its page' end,
       'openai', 'gpt-5-mini', 900, 225, case when a.id % 211 = 0 then 2 else 1 end,
       4 + a.id % 9 + (a.id % 97) * (a.id % 89 / 88), 640 + a.id % 500 + (a.id % 61 / 57) * 900, a.created_at + interval '1.2 s'
from asked a
cross join lateral (
  select case when a.id % 131 = 0 then 'rate_limited' when a.id % 400 = 7 then 'timeout'
              when a.id % 977 = 5 then 'content_filter' end as code) f
where a.created_at < clock_timestamp() - interval '12 s';
