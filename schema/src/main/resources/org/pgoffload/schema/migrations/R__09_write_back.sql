-- What the results application writes: results, streamed pieces, usage, and the rows of SQL.

-- API: Private. Writes usage: totals, which only grow (an older one changes nothing), and the sums of their hours.
-- Several writers do not wait for each other in a circle, because each goes by the order of the keys.
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

-- API: Private, for the results application. Writes a batch of what comes on the topics of results, pieces and usage,
-- and notifies llm_stream, llm_done and sql_done; the first result of a request wins. Results of SQL are recorded where
-- it is executed: here they wake the sessions that listen. Chunks of its rows come from older workers alone, which store
-- none themselves.
--
-- A message is only written if its request has a claim for the same requester. A claim is committed before anything of
-- its request is published, so that an intruder who could write to the topics once cannot have left an answer to a
-- request of later. Messages without a claim are named by their places in the arrays, for the dead letters.
create or replace function pgoffload.write_messages(
  llm_results text[],   -- JSON objects whose fields are columns of pgoffload.llm_result
  llm_pieces text[],    -- JSON objects whose fields are columns of pgoffload.llm_piece
  llm_usage text[],     -- JSON objects whose fields are columns of pgoffload.llm_usage_minute
  sql_chunks text[],    -- JSON objects whose fields are columns of pgoffload.sql_chunk
  sql_ended bigint[],   -- requests whose result, and all of its chunks, have come
  sql_nonces uuid[],    -- and the nonce of each; null: of a worker of an earlier version
  wake boolean,         -- whether to notify; false when the server's notification queue is full
  topics text[],        -- of the partitions that the messages come from
  partitions integer[],
  next_offsets bigint[],  -- of each partition, behind the last of these messages; not recorded where some are unclaimed:
                          -- what becomes of those comes first
  token uuid,           -- of the timeline that the consumer has gone back on; raises 25006 on any other. Null: not known
  out written integer,  -- how many of the results were new
  out unclaimed_results integer[],
  out unclaimed_pieces integer[],
  out unclaimed_chunks integer[],
  out unclaimed_ended integer[])
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- as in pgoffload.claim_llm_requests: planning takes twice as long as writing a result
set plan_cache_mode = force_generic_plan
-- a plan that was made while the tables were small must look into the indexes when they have grown
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  new_ids bigint[];
  streamed bigint[];
  ended bigint[];
  inserted integer;
begin
  perform pgoffload.require_token(token);
  -- Each look for a claim is lateral with a limit: one look into the index, never a scan of all claims. A message that
  -- was not inserted has no claim, or was there before: which of the two is only asked where there is one. A claim of
  -- SQL has a token, and no model answers it.

  -- before the results: a reader who sees that a request has ended should find its pieces
  if cardinality(llm_pieces) > 0 then
    with new_pieces as (
      insert into pgoffload.llm_piece
      select r.*
      from unnest(llm_pieces) message,
           lateral jsonb_populate_record(null::pgoffload.llm_piece, '{"reset": false}'::jsonb || message::jsonb) r,
           lateral (select from pgoffload.claim c
                    where c.id = r.id and c.attempt = r.attempt and c.requested_by_oid = r.requested_by_oid
                      and c.token is null and coalesce(c.nonce = (message::json ->> 'nonce')::uuid, true) limit 1) claim
      on conflict do nothing
      returning id
    )
    select array_agg(distinct n.id), count(*) into streamed, inserted from new_pieces n;
    if inserted < cardinality(llm_pieces) then
      unclaimed_pieces := array(
        select m.place::integer
        from unnest(llm_pieces) with ordinality m (message, place),
             lateral jsonb_populate_record(null::pgoffload.llm_piece, m.message::jsonb) r
        where not exists (select from pgoffload.llm_piece p where p.id = r.id and p.seq = r.seq));
    end if;
  end if;

  with new_results as (
    insert into pgoffload.llm_result
    select r.*
    from unnest(llm_results) message,
         lateral json_populate_record(null::pgoffload.llm_result, pgoffload.with_chunks(message)::json) r,
         -- any attempt: the first result wins, whichever attempt's it is
         lateral (select from pgoffload.claim c
                  where c.id = r.id and c.requested_by_oid = r.requested_by_oid and c.token is null
                    and coalesce(c.nonce = (message::json ->> 'nonce')::uuid, true) limit 1) claim
    on conflict (id) do nothing
    returning id
  )
  select coalesce(array_agg(n.id), '{}') into new_ids from new_results n;
  written := cardinality(new_ids);
  perform pgoffload.queue_maintained(new_ids);
  if written < cardinality(llm_results) then
    unclaimed_results := array(
      select m.place::integer
      from unnest(llm_results) with ordinality m (message, place),
           lateral (select (m.message::json ->> 'id')::bigint as id, (m.message::json ->> 'nonce')::uuid as nonce) r
      where not exists (select from pgoffload.llm_result l where l.id = r.id)
         -- the result that is there is another request's
         or exists (select from ${public_schema}.llm_request q where q.id = r.id and q.nonce <> r.nonce));
  end if;

  if cardinality(llm_usage) > 0 then
    perform pgoffload.record_usage(llm_usage);
  end if;

  if cardinality(sql_chunks) > 0 then
    insert into pgoffload.sql_chunk
    select r.*
    from unnest(sql_chunks) message,
         lateral jsonb_populate_record(null::pgoffload.sql_chunk, '{"ends": true}'::jsonb || message::jsonb) r,
         lateral (select from pgoffload.claim c
                  where c.id = r.id and c.attempt = r.attempt and c.requested_by_oid = r.requested_by_oid limit 1) claim
    on conflict do nothing;
    get diagnostics inserted = row_count;
    if inserted < cardinality(sql_chunks) then
      unclaimed_chunks := array(
        select m.place::integer
        from unnest(sql_chunks) with ordinality m (message, place),
             lateral jsonb_to_record(m.message::jsonb) r (id bigint, attempt integer, number integer)
        where not exists (
          select from pgoffload.sql_chunk c where c.id = r.id and c.attempt = r.attempt and c.number = r.number));
    end if;
  end if;

  if cardinality(sql_ended) > 0 then
    ended := array(
      select e.id
      from unnest(sql_ended, sql_nonces) e (id, nonce),
           lateral (select from pgoffload.sql_result r where r.id = e.id limit 1) result
      where not exists (select from ${public_schema}.sql_request q where q.id = e.id and q.nonce <> e.nonce));
    if cardinality(ended) < cardinality(sql_ended) then
      unclaimed_ended := array(
        select e.place::integer from unnest(sql_ended) with ordinality e (id, place) where e.id <> all (ended));
    end if;
    -- one by one: "= any" in a kept plan would look into each partition
    perform pgoffload.write_large_answer(e.id, q.large_object)
    from unnest(ended) e (id),
         lateral (select r.large_object from ${public_schema}.sql_request r
                  where r.id = e.id and r.large_object is not null limit 1) q;
  end if;

  if cardinality(topics) > 0
     and coalesce(cardinality(unclaimed_results || unclaimed_pieces || unclaimed_chunks || unclaimed_ended), 0) = 0 then
    perform pgoffload.record_positions(topics, partitions, next_offsets);
  end if;

  if wake then
    perform pg_notify('llm_stream', i::text) from unnest(streamed) i;
    perform pg_notify('llm_done', i::text) from unnest(new_ids) i;
    perform pg_notify('sql_done', i::text) from unnest(ended) i;
  end if;
end
$$;

-- API: Private, for the results application. The same for one of an earlier version, which does not know the timeline.
create or replace function pgoffload.write_results(
  llm_results text[], llm_pieces text[], llm_usage text[], sql_chunks text[], sql_ended bigint[], sql_nonces uuid[], wake boolean,
  topics text[], partitions integer[], next_offsets bigint[],
  out written integer,
  out unclaimed_results integer[], out unclaimed_pieces integer[], out unclaimed_chunks integer[], out unclaimed_ended integer[])
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  select w.* from pgoffload.write_messages(
    llm_results, llm_pieces, llm_usage, sql_chunks, sql_ended, sql_nonces, wake, topics, partitions, next_offsets, null) w
$$;

-- API: Private, for the results application. The same for one of a version before that, which compares no nonces of SQL
-- and records no positions.
create or replace function pgoffload.write_back(
  llm_results text[], llm_pieces text[], llm_usage text[], sql_chunks text[], sql_ended bigint[], wake boolean,
  out written integer,
  out unclaimed_results integer[], out unclaimed_pieces integer[], out unclaimed_chunks integer[], out unclaimed_ended integer[])
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  select w.* from pgoffload.write_messages(
    llm_results, llm_pieces, llm_usage, sql_chunks, sql_ended, null, wake, '{}', '{}', '{}', null) w
$$;
