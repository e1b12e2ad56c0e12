-- Answers for callers whose snapshot is older than any answer: they read a large object (docs/decisions/0008).

-- API: Private. The mark before an answer in a large object, which only the owner can compute and which proves that it
-- is ours: any role may make a large object of any number. It is made with the first key, so that a new key hides no
-- answer.
create or replace function pgoffload.large_answer_mark(id bigint) returns bytea
language sql stable
as $$
  select sha256(k.key || convert_to('large answer ' || id, 'UTF8')) from pgoffload.signing_key k order by k.key_id limit 1
$$;

-- API: Private. The first of the large objects that may hold a request's answer. Users'
-- own large objects have the same numbers. So there are eight of them, in the upper half, which a server that counts up
-- reaches last, and no role can foretell them and take them all.
create or replace function pgoffload.large_object_of(id bigint) returns oid
language sql stable
as $$
  select (2147483648 + ('x' || left(encode(pgoffload.large_answer_mark(id), 'hex'), 7))::bit(28)::bigint * 8)::oid
$$;

-- API: Private. Whether all chunks of a result are here. Those that its worker has stored are; those of an older worker
-- take another way than the result, and those of other numbers than the result's own do not count.
create or replace function pgoffload.has_all_chunks(result pgoffload.sql_result) returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  return result.chunks = 0 or result.stored > 0 or result.chunks = (
    select count(*) from pgoffload.sql_chunk c
    where c.id = result.id and c.attempt = result.attempt and c.number between 1 and result.chunks);
end
$$;

-- API: Private. Keeps an answer where a caller with an old snapshot finds it: a large object is read as it is
-- now, whatever the snapshot. The first line is the result, the others are its chunks: rows of pgoffload.sql_rows as
-- JSON, or the JSON that an older worker has sent.
-- Before them stands the mark by which ours are known: any role may make a large object of any number.
create or replace function pgoffload.write_large_answer(id bigint, first_loid oid) returns void
language plpgsql volatile
as $$
#variable_conflict use_column
declare
  mark constant bytea := convert_to(encode(pgoffload.large_answer_mark(write_large_answer.id), 'hex') || E'\n', 'UTF8');
  loid oid;
  at bigint := octet_length(mark);
  line record;
begin
  -- A writer to the results topic may say of any request that it has ended. An answer that is kept before all of its
  -- chunks have come would be read as the whole.
  if exists (select from pgoffload.large_answer a where a.id = write_large_answer.id)
     or not exists (
       select from pgoffload.sql_result r where r.id = write_large_answer.id and pgoffload.has_all_chunks(r)) then
    return;
  end if;
  for i in 0 .. 7 loop
    begin
      loid := lo_create((first_loid::bigint + i)::oid);
      exit;
    exception when unique_violation then
      loid := null;  -- a user's
    end;
  end loop;
  if loid is null then
    raise warning 'the answer to request % has no large object, since all eight are taken', write_large_answer.id;
    return;
  end if;
  perform lo_put(loid, 0, mark);
  for line in
    select convert_to(to_jsonb(r)::text || E'\n', 'UTF8') as bytes, 0 as number
    from pgoffload.sql_result r where r.id = write_large_answer.id
    union all
    select convert_to(coalesce(c.rows::text, c.piece) || case when c.ends then E'\n' else '' end, 'UTF8'), c.number
    from pgoffload.sql_chunk c join pgoffload.sql_result r on r.id = c.id and r.attempt = c.attempt
    where c.id = write_large_answer.id and c.number between 1 and r.chunks and r.stored = 0
    union all
    select convert_to(to_jsonb(c)::text || E'\n', 'UTF8'), c.number
    from pgoffload.sql_rows c join pgoffload.sql_result r on r.id = c.id and r.attempt = c.attempt
    where c.id = write_large_answer.id and c.number between 1 and r.stored
    order by number
  loop
    perform lo_put(loid, at, line.bytes);
    at := at + octet_length(line.bytes);
  end loop;
  insert into pgoffload.large_answer (id, loid) values (write_large_answer.id, loid);
exception when others then
  -- one caller waits until its own timeout; everybody else's results must not wait with it
  raise warning 'the answer to request % could not be kept as a large object: %', write_large_answer.id, sqlerrm;
end
$$;

-- API: Private. Stamps the reader of an answer in a large object: stamped with the caller's rights, the answer is read
-- with the owner's, like the sending (docs/decisions/0004).
create or replace function pgoffload.stamp_reader(state ${public_schema}.sql_request, id bigint) returns ${public_schema}.sql_request
language plpgsql volatile
as $$
begin
  state.id := stamp_reader.id;
  state.requested_by_oid := pg_catalog.quote_ident(current_user)::pg_catalog.regrole::pg_catalog.oid;
  return state;
end
$$;

-- API: Private. Reads an answer with the owner's rights, if the stamped role may read it.
create or replace function pgoffload.read_large_answer_as(reader ${public_schema}.sql_request) returns text
language plpgsql volatile strict security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  mark constant bytea := convert_to(encode(pgoffload.large_answer_mark(reader.id), 'hex') || E'\n', 'UTF8');
  first_loid constant bigint := pgoffload.large_object_of(reader.id);
  opened integer;
  content text;
begin
  for i in 0 .. 7 loop
    begin
      -- for writing too: only then is it read as it is now
      opened := lo_open((first_loid + i)::oid, x'60000'::integer);
    exception when undefined_object or insufficient_privilege then
      continue;
    end;
    if loread(opened, octet_length(mark)) = mark then
      content := convert_from(
        loread(opened, (lo_lseek64(opened, 0, 2) - lo_lseek64(opened, octet_length(mark), 0))::integer), 'UTF8');
    end if;
    perform lo_close(opened);
    if content is not null then
      return case when pg_has_role(
        reader.requested_by_oid, (split_part(content, E'\n', 1)::jsonb ->> 'requested_by_oid')::oid, 'usage') then content end;
    end if;
  end loop;
  return null;
end
$$;

-- API: Private. The answer of one request, for a caller with an old snapshot; null while it is not there.
create or replace aggregate pgoffload.read_large_answer(id bigint) (
  sfunc = pgoffload.stamp_reader,
  stype = ${public_schema}.sql_request,
  finalfunc = pgoffload.read_large_answer_as
);

-- API: Private, for workers. Removes the large objects that were kept long enough for callers with an old snapshot.
-- Returns how many.
create or replace function pgoffload.sweep_large_answers() returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  swept integer;
begin
  with expired as (
    delete from pgoffload.large_answer a
    where a.written_at < clock_timestamp()
      - (select s.value::interval from pgoffload.setting s where s.name = 'large_answer_kept')
    returning a.loid
  )
  select count(lo_unlink(e.loid)) into swept
  -- the number of a large object that is gone may be a user's by now
  from expired e where exists (
    select from pg_largeobject_metadata m where m.oid = e.loid and m.lomowner = quote_ident(current_user)::regrole);
  return swept;
end
$$;
