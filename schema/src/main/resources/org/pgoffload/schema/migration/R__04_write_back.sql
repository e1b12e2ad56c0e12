-- API: Private. Writes a batch of what comes on the results topic; the first result of a request wins.
-- Returns how many were new. Results of SQL are recorded where it is executed: here they wake who listens.
create or replace function pgoffload.record_results(
  llm_results text[],   -- JSON objects whose fields are columns of pgoffload.llm_result
  sql_chunks text[],    -- JSON objects whose fields are columns of pgoffload.sql_chunk
  sql_ended bigint[],   -- requests whose result, and all of its chunks, have come
  wake boolean)         -- whether to notify; false when the server's notification queue is full
returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  new_ids bigint[];
begin
  with written as (
    insert into pgoffload.llm_result
    select r.*
    from unnest(llm_results) message,
         lateral jsonb_populate_record(null::pgoffload.llm_result, message::jsonb) r
    on conflict (id) do nothing
    returning id
  )
  select coalesce(array_agg(w.id), '{}') into new_ids from written w;

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
    perform pg_notify('llm_done', i::text) from unnest(new_ids) i;
    perform pg_notify('sql_done', i::text) from unnest(sql_ended) i;
  end if;
  return cardinality(new_ids);
end
$$;
comment on function pgoffload.record_results(text[], text[], bigint[], boolean) is
  'Private, for the results application. Writes results, the first of each request winning, and notifies llm_done and sql_done.';
revoke all on function pgoffload.record_results(text[], text[], bigint[], boolean) from public;
grant execute on function pgoffload.record_results(text[], text[], bigint[], boolean) to pgoffload_results;
drop function if exists pgoffload.record_results(text[], boolean);
