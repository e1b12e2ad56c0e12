-- Rows of SQL that its worker stores itself. Those of older workers come by way of the results topic, to sql_chunk.

alter table pgoffload.sql_result add column stored integer not null default 0;
comment on column pgoffload.sql_result.stored is
  'How many chunks of its rows are in pgoffload.sql_rows, numbered from 1. 0: its rows are in the result itself, or in pgoffload.sql_chunk.';

-- Text arrays are written and read several times faster than JSON.
create table pgoffload.sql_rows (
  id bigint not null,
  attempt integer not null,
  number integer not null,
  requested_by_oid oid not null,
  columns text[] not null,
  ends boolean,
  constraint sql_rows_pkey primary key (id, attempt, number)
) partition by range (id);
comment on table pgoffload.sql_rows is
  'Rows of SQL requests that are too many for the result, of every attempt: the result names the attempt that counts.';
comment on column pgoffload.sql_rows.columns is
  'For each column of the chunk''s rows, its values as the text of an array. Of a row that is larger than a chunk, the one piece of the text of an array of its values.';
comment on column pgoffload.sql_rows.ends is 'Of a piece of a row, whether it is the last one; null with whole rows.';

do $$
declare
  sibling record;
begin
  -- Compressing with pglz takes longer than all else.
  if exists (
      select from pg_catalog.pg_settings s
      where s.name = 'default_toast_compression' and 'lz4' = any (s.enumvals)) then
    alter table pgoffload.sql_rows alter column columns set compression lz4;
  else
    alter table pgoffload.sql_rows alter column columns set storage external;
  end if;
  for sibling in
    select pg_catalog.substring(c.relname, '[0-9]+$')::bigint as range
    from pg_catalog.pg_inherits i join pg_catalog.pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'pgoffload.sql_chunk'::pg_catalog.regclass and not i.inhdetachpending
  loop
    execute pg_catalog.format(
      'create table pgoffload.sql_rows_%s partition of pgoffload.sql_rows for values from (%s) to (%s)',
      sibling.range, sibling.range << 36, (sibling.range + 1) << 36);
    execute pg_catalog.format('alter table pgoffload.sql_rows_%s enable row level security', sibling.range);
  end loop;
end
$$;

alter table pgoffload.sql_rows enable row level security;
create policy own_rows on pgoffload.sql_rows for select
  using (pg_catalog.pg_has_role(requested_by_oid, 'usage'));
