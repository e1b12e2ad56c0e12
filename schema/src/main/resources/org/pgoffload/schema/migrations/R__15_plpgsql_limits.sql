-- Two places where PL/pgSQL does not give what its C interface gives to extensions such as pg_background: raising
-- another session's messages, and knowing the column definition list of the own call. They are the hardest to read
-- here, so they stand together.
--
-- 1. Raising a message of another session
--
-- A task's notices and its error are raised again in the session that reads the result, with their level, SQLSTATE,
-- detail and hint, as if they had been raised here. RAISE allows less than this needs:
--
--   * Its level is a keyword, so each level needs a statement of its own.
--   * An option that is null is an error ("RAISE statement option cannot be null"), and a detail or a hint that is an
--     empty text shows as an empty line. So a missing detail or hint needs a statement without this option.
--   * The other options of an error (schema, table, column, datatype, constraint) do not show when they are empty.
--
-- The notices therefore have a matrix: 5 levels, with and without a detail, with and without a hint, which are 20
-- statements that differ in nothing else. A script writes them into the body of raise_notice. An error has one level
-- and four statements, which are written out in raise_task_error.
--
-- 2. Reading the declared types from an error
--
-- select * from sql_rows(7) as (name varchar(10)) calls a function that returns setof record. Only the function itself
-- is given the column definition list, in C; a function in PL/pgSQL cannot ask for it. It can only return rows, and
-- PL/pgSQL compares their types with the list. Two cases matter:
--
--   * The types differ (int here, text there). That is an error in pg_background too.
--   * The types are the same and only their modifiers differ: the task's column is varchar, the caller declares
--     varchar(10). pg_background compares types alone and accepts this, PL/pgSQL raises datatype_mismatch.
--
-- In the second case the function catches the error, reads the declared type from its detail, and returns the rows once
-- more, cast to that type. It does so once for each column, because PL/pgSQL complains about one column at a time, but
-- before it has read a row: a try costs a plan. The detail of the error is:
--
--   Returned type character varying does not match expected type character varying(10) in column "name" (position 1).
--
-- What can be relied on, and is all that with_declared_modifier uses:
--
--   * The text is translated (lc_messages), but the names of types are not, and the position of the column is the last
--     number in every language.
--   * The name of the column is the caller's choice, and the name of a type may be some other user's. Either could look
--     like a type with a modifier. So only the server's own types are looked for, by the name of the type that was
--     returned, and a modifier is nothing but numbers (and the fields of an interval). Whatever is read becomes part of
--     a query: no other words can get into it.
--   * A type has its modifier at the end ("numeric(10,2)"), but a time has it in the middle ("time(3) without time
--     zone"), an interval has fields before it ("interval day to second(3)"), an array has its brackets after it
--     ("numeric(10,2)[]"), and two types have another name when they have a modifier ("bit" and bpchar).
--
-- When nothing of this kind is found, the result is null, and the caller is told that its list does not match.

-- API: Private. Raises a message of a level, with or without a detail and a hint.
do $do$
begin
  execute format($function$
create or replace function pgoffload.raise_notice(severity text, told text, state text, said text, advice text) returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  case (concat(severity, case when said is not null then ' detail' end, case when advice is not null then ' hint' end))
%s
  end case;
end
$$
$function$, (
    select string_agg(format(
      '    when %L then raise %s using message = told, errcode = state%s;',
      upper(level) || case when d then ' detail' else '' end || case when h then ' hint' else '' end,
      level,
      case when d then ', detail = said' else '' end || case when h then ', hint = advice' else '' end), E'\n')
    from unnest(array['debug', 'log', 'info', 'notice', 'warning']) level,
         unnest(array[false, true]) d, unnest(array[false, true]) h));
end
$do$;
comment on function pgoffload.raise_notice is 'Private. Raises a message of a level.';

-- API: Private. Raises a task's error as its own.
create or replace function pgoffload.raise_task_error(error jsonb) returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  detail text := error ->> 'detail';
  hint text := error ->> 'hint';
  told text := coalesce(error ->> 'message', '');
  state text := coalesce(error ->> 'sqlstate', 'XX000');
  schema_name text := coalesce(error ->> 'schema', '');
  table_name text := coalesce(error ->> 'table', '');
  column_name text := coalesce(error ->> 'column', '');
  datatype_name text := coalesce(error ->> 'datatype', '');
  constraint_name text := coalesce(error ->> 'constraint', '');
begin
  if detail is null and hint is null then
    raise exception using message = told, errcode = state, schema = schema_name, table = table_name,
      column = column_name, datatype = datatype_name, constraint = constraint_name;
  elsif hint is null then
    raise exception using message = told, errcode = state, schema = schema_name, table = table_name,
      column = column_name, datatype = datatype_name, constraint = constraint_name, detail = detail;
  elsif detail is null then
    raise exception using message = told, errcode = state, schema = schema_name, table = table_name,
      column = column_name, datatype = datatype_name, constraint = constraint_name, hint = hint;
  else
    raise exception using message = told, errcode = state, schema = schema_name, table = table_name,
      column = column_name, datatype = datatype_name, constraint = constraint_name, detail = detail, hint = hint;
  end if;
end
$$;

-- API: Private. The types of a result with the modifier that the reader has declared for one of them; null if the error
-- is about something else.
create or replace function pgoffload.with_declared_modifier(types text[], detail text) returns text[]
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  n integer;
  plain text;
  declared text;
begin
  -- the position of the column is the last number, in every language
  n := (regexp_match(detail, '([0-9]+)[^0-9]*$'))[1];
  if types[n] !~ '^(pg_catalog[.])?("[a-z]+"|[a-z ]+([(][-0-9,]+[)][a-z ]*)?)([[][]])*$' is not false then
    return null;
  end if;
  -- without its modifier and, as an array, without its brackets, which come last; as it is called with a modifier
  plain := replace(regexp_replace(regexp_replace(types[n], '[(][^)]*[)]', ''), '([[][]])*$', ''), 'pg_catalog.', '');
  plain := case plain when '"bit"' then 'bit' when 'bpchar' then 'character' else plain end;
  select m[1] into declared
  from regexp_matches(
    detail,
    '(' || case
      when plain ~ '^(time|timestamp) with' then
        split_part(plain, ' ', 1) || '[(][0-9]+[)]' || substr(plain, strpos(plain, ' '))
      when plain ~ '^interval' then
        'interval(?: (?:year to month|day to hour|day to minute|day to second|hour to minute|hour to second'
        '|minute to second|year|month|day|hour|minute|second))?(?:[(][0-9]+[)])?'
      else plain || '[(][0-9]+(?:,-?[0-9]+)?[)]'
    end || '(?:[[][]])*)', 'g') m
  where m[1] <> types[n]
  limit 1;
  if declared is null then
    return null;
  end if;
  types[n] := declared;
  return types;
end
$$;
