-- What the console asks for besides what users can read. Its sessions are the readers' own: row-level security decides.

-- API: Private. The highest id below which a page of the list of requests need not look: between it and the id where the
-- page begins, there are at most so many requests of each kind, whoever's. So a reader of few requests among millions is
-- answered in bounded time. 0 where the page reaches the first request.
create or replace function pgoffload.request_window(
  before bigint,            -- where the page begins: above its first request
  most integer)             -- requests of each kind; at most 100000
returns bigint
language sql stable security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $$
  select greatest(
    coalesce((select q.id from ${public_schema}.llm_request q where q.id < before
              order by q.id desc offset least(most, 100000) limit 1), 0),
    coalesce((select q.id from ${public_schema}.sql_request q where q.id < before
              order by q.id desc offset least(most, 100000) limit 1), 0))
$$;
