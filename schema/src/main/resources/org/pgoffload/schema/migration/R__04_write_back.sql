-- API: Private. Writes a batch of results; the first of a request wins. Returns how many were new.
create or replace function pgoffload.record_results(
  results text[],    -- result messages: JSON objects whose fields are columns of pgoffload.llm_result
  wake boolean)      -- whether to notify; false when the server's notification queue is full
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
    from unnest(results) message,
         lateral jsonb_populate_record(null::pgoffload.llm_result, message::jsonb) r
    on conflict (id) do nothing
    returning id
  )
  select coalesce(array_agg(w.id), '{}') into new_ids from written w;
  if wake then
    perform pg_notify('llm_done', i::text) from unnest(new_ids) i;
  end if;
  return cardinality(new_ids);
end
$$;
comment on function pgoffload.record_results(text[], boolean) is
  'Private, for the results application. Writes results, the first of each request winning, and notifies llm_done.';
revoke all on function pgoffload.record_results(text[], boolean) from public;
grant execute on function pgoffload.record_results(text[], boolean) to pgoffload_results;
