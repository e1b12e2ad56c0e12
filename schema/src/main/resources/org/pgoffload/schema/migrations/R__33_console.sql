-- What the console asks for besides what users can read. Its sessions are the readers' own: row-level security decides.

drop function if exists pgoffload.request_window(bigint, integer);

-- API: Private. The highest id below which a page of the list of requests need not look: between it and the id where the
-- page begins, there are at most so many requests of each kind, whoever's. So a reader of few requests among millions is
-- answered in bounded time. 0 where the page reaches the first request.
create or replace function pgoffload.request_window(
  before bigint,            -- where the page begins: above its first request
  most integer,             -- requests of each kind; at most 100000
  llm boolean,              -- whether requests to models are looked for
  sql boolean)              -- whether background SQL is
returns bigint
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $$
declare
  low bigint := 0;
begin
  if llm then
    low := coalesce((select q.id from ${public_schema}.llm_request q where q.id < before
                     order by q.id desc offset least(most, 100000) limit 1), 0);
  end if;
  if sql then
    low := greatest(low, coalesce((select q.id from ${public_schema}.sql_request q where q.id < before
                                   order by q.id desc offset least(most, 100000) limit 1), 0));
  end if;
  return low;
end
$$;

-- API: Private. An id for a time: requests below it were made before, whoever's they are. Ids and times go up together but
-- for moments, so that the id is taken for a minute later.
create or replace function pgoffload.request_id_at(
  at timestamptz)
returns bigint
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $$
declare
  slack constant interval := interval '1 min';
  range constant bigint := coalesce((select max(r.number) from pgoffload.id_range r where r.begun_at <= at + slack),
    (select min(r.number) from pgoffload.id_range r), 0);
  low bigint := range << 36;
  high bigint := (range + 1) << 36;
  middle bigint;
  id bigint;
  created timestamptz;
begin
  -- the lowest id from which all requests were made later: it halves what is between, by the key
  while low < high loop
    middle := low + (high - low) / 2;
    select f.id, f.created_at into id, created
    from ((select q.id, q.created_at from ${public_schema}.llm_request q where q.id >= middle and q.id < high order by q.id limit 1)
          union all
          (select q.id, q.created_at from ${public_schema}.sql_request q where q.id >= middle and q.id < high order by q.id limit 1)) f
    order by f.id limit 1;
    if not found or created > at + slack then
      high := middle;
    else
      low := id + 1;
    end if;
  end loop;
  return low;
end
$$;
