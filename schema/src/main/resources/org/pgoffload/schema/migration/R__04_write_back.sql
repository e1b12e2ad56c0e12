-- API: Private. Keeps totals, which only grow: an older one changes nothing. Several writers do not wait for each
-- other in a circle, because each goes by the order of the keys.
create or replace function pgoffload.record_usage(messages text[]) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
-- a plan that was made while the tables were small must not scan them when they have grown
set enable_seqscan = off
as $$
begin
  insert into pgoffload.llm_usage_minute as u (
    requested_by_oid, minute, provider, model, requested_by, requests, failed, cached, calls, failed_calls,
    input_tokens, cached_tokens, output_tokens, reasoning_tokens)
  -- of several for the same minute the last says most
  select t.requested_by_oid, t.minute, coalesce(t.provider, ''), coalesce(t.model, ''), max(t.requested_by::text),
         coalesce(max(t.requests), 0), coalesce(max(t.failed), 0), coalesce(max(t.cached), 0),
         coalesce(max(t.calls), 0), coalesce(max(t.failed_calls), 0), coalesce(max(t.input_tokens), 0),
         coalesce(max(t.cached_tokens), 0), coalesce(max(t.output_tokens), 0), coalesce(max(t.reasoning_tokens), 0)
  from unnest(messages) message,
       lateral jsonb_populate_record(null::pgoffload.llm_usage_minute, message::jsonb) t
  group by 1, 2, 3, 4
  order by 1, 2, 3, 4
  on conflict (requested_by_oid, minute, provider, model) do update
    set requests = greatest(u.requests, excluded.requests), failed = greatest(u.failed, excluded.failed),
        cached = greatest(u.cached, excluded.cached), calls = greatest(u.calls, excluded.calls),
        failed_calls = greatest(u.failed_calls, excluded.failed_calls),
        input_tokens = greatest(u.input_tokens, excluded.input_tokens),
        cached_tokens = greatest(u.cached_tokens, excluded.cached_tokens),
        output_tokens = greatest(u.output_tokens, excluded.output_tokens),
        reasoning_tokens = greatest(u.reasoning_tokens, excluded.reasoning_tokens);

  insert into pgoffload.llm_usage_hour as h (
    requested_by_oid, hour, provider, model, input_tokens, cached_tokens, output_tokens)
  -- sums stay at the largest number that the columns hold: a vendor may count anything
  select u.requested_by_oid, k.hour, u.provider, u.model, least(sum(u.input_tokens), 9223372036854775807),
         least(sum(u.cached_tokens), 9223372036854775807), least(sum(u.output_tokens), 9223372036854775807)
  from (select distinct t.requested_by_oid, date_trunc('hour', t.minute, 'UTC') as hour, coalesce(t.provider, '') as provider,
               coalesce(t.model, '') as model
        from unnest(messages) message,
             lateral jsonb_populate_record(null::pgoffload.llm_usage_minute, message::jsonb) t) k
  join pgoffload.llm_usage_minute u
    on u.requested_by_oid = k.requested_by_oid and u.minute >= k.hour and u.minute < k.hour + interval '1 hour'
       and u.provider = k.provider and u.model = k.model
  group by 1, 2, 3, 4
  order by 1, 2, 3, 4
  on conflict (requested_by_oid, hour, provider, model) do update
    set input_tokens = greatest(h.input_tokens, excluded.input_tokens),
        cached_tokens = greatest(h.cached_tokens, excluded.cached_tokens),
        output_tokens = greatest(h.output_tokens, excluded.output_tokens);
end
$$;
comment on function pgoffload.record_usage(text[]) is 'Private. Writes usage: totals, which only grow, and the sums of their hours.';
revoke all on function pgoffload.record_usage(text[]) from public;

-- API: Private. Writes a batch of what comes on the topics of results, pieces and usage; the first result of a
-- request wins. Returns how many were new. Results of SQL are recorded where it is executed: here they wake
-- who listens.
create or replace function pgoffload.record_results(
  llm_results text[],   -- JSON objects whose fields are columns of pgoffload.llm_result
  llm_pieces text[],    -- JSON objects whose fields are columns of pgoffload.llm_piece
  llm_usage text[],     -- JSON objects whose fields are columns of pgoffload.llm_usage_minute
  sql_chunks text[],    -- JSON objects whose fields are columns of pgoffload.sql_chunk
  sql_ended bigint[],   -- requests whose result, and all of its chunks, have come
  wake boolean)         -- whether to notify; false when the server's notification queue is full
returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  new_ids bigint[];
  streamed bigint[];
begin
  -- before the results: who sees that a request has ended should find its pieces
  if cardinality(llm_pieces) > 0 then
    with written as (
      insert into pgoffload.llm_piece
      select r.*
      from unnest(llm_pieces) message,
           lateral jsonb_populate_record(null::pgoffload.llm_piece, '{"reset": false}'::jsonb || message::jsonb) r
      on conflict do nothing
      returning id
    )
    select array_agg(distinct w.id) into streamed from written w;
  end if;

  with written as (
    insert into pgoffload.llm_result
    select r.*
    from unnest(llm_results) message,
         lateral json_populate_record(null::pgoffload.llm_result, message::json) r
    on conflict (id) do nothing
    returning id
  )
  select coalesce(array_agg(w.id), '{}') into new_ids from written w;

  if cardinality(llm_usage) > 0 then
    perform pgoffload.record_usage(llm_usage);
  end if;

  if cardinality(sql_chunks) > 0 then
    insert into pgoffload.sql_chunk
    select r.*
    from unnest(sql_chunks) message,
         lateral jsonb_populate_record(null::pgoffload.sql_chunk, '{"ends": true}'::jsonb || message::jsonb) r
    on conflict do nothing;
  end if;

  if cardinality(sql_ended) > 0 then
    perform pgoffload.write_large_answer(q.id, q.large_object)
    from ${public_schema}.sql_request q where q.id = any (sql_ended) and q.large_object is not null;
  end if;

  if wake then
    perform pg_notify('llm_stream', i::text) from unnest(streamed) i;
    perform pg_notify('llm_done', i::text) from unnest(new_ids) i;
    perform pg_notify('sql_done', i::text) from unnest(sql_ended) i;
  end if;
  return cardinality(new_ids);
end
$$;
comment on function pgoffload.record_results(text[], text[], text[], text[], bigint[], boolean) is
  'Private, for the results application. Writes results, the first of each request winning, pieces and usage, and notifies llm_stream, llm_done and sql_done.';
revoke all on function pgoffload.record_results(text[], text[], text[], text[], bigint[], boolean) from public;
grant execute on function pgoffload.record_results(text[], text[], text[], text[], bigint[], boolean) to pgoffload_results;
drop function if exists pgoffload.record_results(text[], text[], bigint[], boolean);
drop function if exists pgoffload.record_results(text[], boolean);
