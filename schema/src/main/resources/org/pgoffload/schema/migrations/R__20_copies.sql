-- Copies of a database, and rows that were restored or replicated: neither is executed here.

-- API: Private, for the parts. Whether this is a copied database that was not adopted: the installation's row belongs
-- to another server or database.
create or replace function pgoffload.is_copy() returns boolean
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
  select not exists (
    select from pgoffload.installation i, pg_control_system() s, pg_database d
    where d.datname = current_database()
      and i.system_identifier = s.system_identifier
      and i.database_oid = d.oid)
$$;

-- API: Private, for the owner. Makes this copy of a database an installation of its own, after which it executes its
-- own new requests, and none that it was copied with: pgoffload.end_copied ends those.
create or replace function pgoffload.adopt() returns text
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  adopted text;
begin
  update pgoffload.installation i
  set id = gen_random_uuid()::text,
      system_identifier = s.system_identifier,
      database_oid = d.oid,
      since = clock_timestamp()
  from pg_control_system() s, pg_database d
  where d.datname = current_database()
  returning i.id into adopted;
  execute format('alter table ${public_schema}.llm_request alter column installation set default %L', adopted);
  execute format('alter table ${public_schema}.sql_request alter column installation set default %L', adopted);
  perform pgoffload.rotate_key();
  -- no record in Kafka is of this installation: the next install writes the first
  perform pgoffload.record_timeline(null, 'adopted', null);
  update pgoffload.setting s set value = '' where s.name = 'control_topic';
  return adopted;
end
$$;

-- API: Private, for the owner. Ends requests that came with a copy of the database and have no result: only their own
-- installation executes them. pgoffload adopt calls it page by page.
create or replace function pgoffload.end_copied(
  after_id bigint,           -- to go on after; -1 to begin
  look_at integer,           -- at so many requests
  out ended integer,
  out last_id bigint)        -- the last that was looked at; null: there are no more
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- as in pgoffload.claim_llm_requests
set enable_seqscan = off
as $$
declare
  copied record;
begin
  ended := 0;
  last_id := pgoffload.end_of_page(after_id, 9223372036854775807, look_at);
  for copied in
      select u.id, u.is_sql from pgoffload.unanswered(after_id + 1, last_id) u where not u.is_ours order by u.id loop
    perform pgoffload.end_unexecuted(
      copied.id, copied.is_sql, 'copied', 'it came with a copy of the database and is not executed here; ask again',
      jsonb_build_object('sqlstate', 'PO004',
        'message', 'the request came with a copy of the database and is not executed here',
        'detail', 'The installation that it was launched in executes it.', 'hint', 'Launch it again to have it run here.'));
    ended := ended + 1;
  end loop;
end
$$;
