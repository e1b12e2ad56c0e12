-- Maintained columns: how they are declared, and what keeps them from going on.

-- API: Private. What an answer depends on besides the row, and the row's inputs, as one SHA-256: an answer is of the row
-- as it is if both are as they were. Names everything with its schema instead of having a SET clause, which costs more.
create or replace function pgoffload.maintained_hash(
  configuration bytea,               -- a SHA-256 itself, so that its end is known
  inputs text[])
returns bytea
language plpgsql immutable
as $$
declare
  hashes pg_catalog.bytea := configuration;
  input pg_catalog.text;
begin
  -- each by itself: together they may be larger than the server takes
  foreach input in array inputs loop
    hashes := hashes operator(pg_catalog.||)
      coalesce(pg_catalog.sha256(pg_catalog.convert_to(input, 'UTF8')), pg_catalog.decode('00', 'hex'));
  end loop;
  return pg_catalog.sha256(hashes);
end
$$;

-- API: Private. The expressions that make the texts of a row's key and inputs, by the names that its columns have today;
-- null where one of them is gone. By concat, which calls the types' output functions: a cast to text, or to JSON, may be
-- a function of a user's. Runs within its callers' search_path.
create or replace function pgoffload.row_expressions(
  c pgoffload.maintained_column,
  alias text,                        -- the row's name in the query, as SQL
  out key_expression text,
  out input_expression text)
language plpgsql stable
as $$
declare
  numbers constant smallint[] := c.key_numbers || c.input_numbers;
  keys constant integer := cardinality(c.key_numbers);
  column_name name;
  expression text;
begin
  -- one by one: a query of all is planned each time, because it costs less for a few than for an unknown number
  for n in 1 .. cardinality(numbers) loop
    select a.attname into column_name
    from pg_attribute a where a.attrelid = c.source and a.attnum = numbers[n] and not a.attisdropped;
    -- in parentheses it would be the whole row, which needs rights on all columns
    expression := 'pg_catalog.concat(' || alias || '.' || quote_ident(column_name) || ')';
    if n = 1 then
      key_expression := 'array[' || expression;
    elsif n <= keys then
      key_expression := key_expression || ', ' || expression;
    elsif n = keys + 1 then
      input_expression := 'array[' || expression;
    else
      input_expression := input_expression || ', ' || expression;
    end if;
  end loop;
  key_expression := key_expression || ']::pg_catalog.text[]';
  input_expression := input_expression || ']::pg_catalog.text[]';
end
$$;

-- API: Private. Why a table is none that columns are maintained of, or chunks are put into: sqlstate, message and hint, as
-- login_refusal says it, or null. Runs within its callers' rights and search_path.
create or replace function pgoffload.maintained_table_fault(relation oid) returns jsonb
language plpgsql stable
as $$
declare
  found_class pg_class;
  fault text;
  hint text;
begin
  select t.* into found_class from pg_class t where t.oid = relation;
  if not found then
    return jsonb_build_object('sqlstate', '42P01', 'message', 'a table of a maintained column does not exist: its OID was ' || relation);
  end if;
  case
    when found_class.relkind not in ('r', 'p') then
      fault := case found_class.relkind when 'v' then 'a view' when 'm' then 'a materialized view' when 'f' then 'a foreign table'
                                        else 'something else' end || ', and not a table';
      hint := 'Name the table itself, of this database.';
    when found_class.relpersistence = 't' then
      fault := 'a temporary table, which no other session can read';
      hint := 'Answers are written by a session of their own. Make it a table that stays.';
    when found_class.relnamespace in ('pgoffload'::regnamespace, 'pg_catalog'::regnamespace, 'information_schema'::regnamespace)
         or relation in ('${public_schema}.llm_request'::regclass, '${public_schema}.sql_request'::regclass) then
      fault := 'a table of the server or of pgoffload';
      hint := 'Name a table of your own.';
    when found_class.relispartition then
      fault := 'a partition of ' || pg_partition_root(relation);
      hint := format('Name the root of the partitions, %s: rows of all are maintained.', pg_partition_root(relation));
    when found_class.relkind = 'r' and exists (select from pg_inherits i where relation in (i.inhparent, i.inhrelid)) then
      fault := 'part of an inheritance tree';
      hint := 'Its rows have no primary key in common. Use a partitioned table, or one without children and parents.';
    else
      return null;
  end case;
  return jsonb_build_object('sqlstate', '42809', 'message', format('%s is %s', relation::regclass, fault), 'hint', hint);
end
$$;

-- API: Private. What keeps a maintained column from going on: sqlstate, message and hint, or null. Columns go by number:
-- one that was renamed is the same one. Runs within its callers' rights and search_path.
create or replace function pgoffload.maintained_fault(c pgoffload.maintained_column) returns jsonb
language plpgsql stable
as $$
declare
  anew constant text := format('Drop it, select llm_maintain_drop(%L), and declare it anew.', c.name);
  declarer constant text := (select r.rolname from pg_roles r where r.oid = c.declarer);
  relation record;
  needed record;
begin
  if declarer is null then
    return jsonb_build_object('sqlstate', '42704', 'message', 'the role that declared it does not exist any more', 'hint', anew);
  end if;
  if not pg_has_role(c.declarer, to_regrole('llm_user'), 'usage') then
    return jsonb_build_object('sqlstate', '42501',
      'message', format('role "%s" has not the privileges of llm_user', declarer),
      'hint', format('Have an administrator run: grant llm_user to %I', declarer));
  end if;

  for relation in
      select u.id, u.id::regclass as name, t.relnamespace, t.relowner, t.relrowsecurity, t.relforcerowsecurity,
             pgoffload.maintained_table_fault(u.id) as fault
      from unnest(array[c.source, c.into_table]::oid[]) u (id)
      left join pg_class t on t.oid = u.id
      where u.id is not null loop
    if relation.fault is not null then
      return case when relation.fault ? 'hint' then relation.fault else relation.fault || jsonb_build_object('hint', anew) end;
    end if;
    if not has_schema_privilege(c.declarer, relation.relnamespace, 'usage') then
      return jsonb_build_object('sqlstate', '42501',
        'message', format('role "%s" lacks USAGE on schema %s', declarer, relation.relnamespace::regnamespace),
        'hint', format('Have the owner run: grant usage on schema %s to %I', relation.relnamespace::regnamespace, declarer));
    end if;
    if relation.relrowsecurity
       and not exists (select from pg_roles r where r.oid = c.declarer and (r.rolsuper or r.rolbypassrls))
       and (relation.relforcerowsecurity or not pg_has_role(c.declarer, relation.relowner, 'usage')) then
      return jsonb_build_object('sqlstate', '42501',
        'message', format('row-level security of %s applies to role "%s"', relation.name, declarer),
        'hint', 'Declare it as a role that no policy applies to: the owner of the table, unless its policies are forced, '
          'or a role with BYPASSRLS.');
    end if;
  end loop;

  if not exists (
      select from pg_index i
      where i.indrelid = c.source and i.indisprimary and (i.indkey::smallint[])[0:i.indnkeyatts - 1] = c.key_numbers) then
    return jsonb_build_object('sqlstate', '42P16',
      'message', format('the primary key of %s is not (%s) any more', c.source::regclass, array_to_string(c.key_columns, ', ')),
      'hint', 'Make it that again. Else: ' || anew);
  end if;

  for needed in
      select u.relation::regclass as relation, u.name, u.said, u.wanted, a.attnum, a.atttypid
      from (
        select c.source::oid, k.number, k.name, 'the key', null::oid
        from unnest(c.key_numbers, c.key_columns) k (number, name)
        union all
        select c.source, i.number, i.name, 'the template', null
        from unnest(c.input_numbers, c.input_columns) i (number, name)
        union all
        select c.source, c.target_number, c.target, 'the answers', c.target_type where c.target is not null
        union all
        select c.into_table, a.attnum, w.name, 'the chunks', w.type
        from (
          select s.attname, s.atttypid
          from unnest(c.key_numbers) k (number)
          join pg_attribute s on s.attrelid = c.source and s.attnum = k.number
          union all
          values ('n', 'integer'::regtype::oid), ('chunk', 'text'::regtype::oid), ('embedding', c.target_type::oid)) w (name, type)
        left join pg_attribute a on a.attrelid = c.into_table and a.attname = w.name and not a.attisdropped
        where c.into_table is not null
      ) u (relation, number, name, said, wanted)
      left join pg_attribute a on a.attrelid = u.relation and a.attnum = u.number and not a.attisdropped
      where a.attnum is null or a.atttypid <> u.wanted loop
    if needed.attnum is null then
      return jsonb_build_object('sqlstate', '42703',
        'message', format('%s has no column "%s" any more, which was for %s', needed.relation, needed.name, needed.said),
        'hint', case when c.into_table = needed.relation::oid then 'Add it again. Else: ' || anew else anew end);
    end if;
    return jsonb_build_object('sqlstate', '42804',
      'message', format('column "%s" of %s, for %s, is of type %s and not %s', needed.name, needed.relation, needed.said,
        needed.atttypid::regtype, needed.wanted::regtype),
      'hint', 'Give it that type again. Else: ' || anew);
  end loop;

  -- all that is missing at once
  select string_agg(m.rights, ', ' order by m.rights) as rights into needed
  from (
    select format('%s (%s)', upper(u.privilege), string_agg(distinct quote_ident(a.attname), ', '))
    from (
      select unnest(c.key_numbers || c.input_numbers), 'select'
      union all
      select c.target_number, 'update') u (number, privilege)
    join pg_attribute a on a.attrelid = c.source and a.attnum = u.number
    where not has_column_privilege(c.declarer, c.source, u.number, u.privilege)
    group by u.privilege) m (rights);
  if needed.rights is not null then
    return jsonb_build_object('sqlstate', '42501',
      'message', format('role "%s" lacks %s on %s', declarer, needed.rights, c.source::regclass),
      'hint', format('Have the owner run: grant %s on %s to %I', needed.rights, c.source::regclass, declarer));
  end if;
  select string_agg(upper(p.privilege), ', ' order by p.n) as rights into needed
  from unnest(array['select', 'insert', 'delete']) with ordinality p (privilege, n)
  where not has_table_privilege(c.declarer, c.into_table, p.privilege);
  if needed.rights is not null then
    return jsonb_build_object('sqlstate', '42501',
      'message', format('role "%s" lacks %s on %s', declarer, needed.rights, c.into_table::regclass),
      'hint', format('Have the owner run: grant %s on %s to %I', needed.rights, c.into_table::regclass, declarer));
  end if;
  return pgoffload.login_refusal(c.login, c.declarer);
end
$$;

-- API: Private. The same in words, with what to do; null if nothing does.
create or replace function pgoffload.maintained_obstacle(c pgoffload.maintained_column) returns text
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  fault constant jsonb := pgoffload.maintained_fault(c);
begin
  return case when fault is not null then concat_ws('. ', fault ->> 'message', fault ->> 'hint') end;
end
$$;

-- API: Private. Whether the declarer may have rows of a maintained column read and written: what somebody may take away at
-- any moment. It is asked for each row that a writer changes, so that it makes one query, and else calls functions that
-- query nothing; the rest of pgoffload.maintained_fault is found within a second. Runs within its callers' rights and
-- search_path.
create or replace function pgoffload.may_maintain(c pgoffload.maintained_column) returns boolean
language plpgsql stable
as $$
declare
  column_number smallint;
  relation oid;
  is_reachable boolean;
  has_policies boolean;
begin
  if not pg_has_role(c.declarer, to_regrole('llm_user'), 'usage') then
    return false;
  end if;
  -- null for a column, a table or a role that does not exist any more
  foreach column_number in array c.key_numbers || c.input_numbers loop
    if not coalesce(has_column_privilege(c.declarer, c.source, column_number, 'select'), false) then
      return false;
    end if;
  end loop;
  if c.into_table is null then
    if not coalesce(has_column_privilege(c.declarer, c.source, c.target_number, 'update'), false) then
      return false;
    end if;
  elsif not coalesce(has_table_privilege(c.declarer, c.into_table, 'select') and has_table_privilege(c.declarer, c.into_table, 'insert')
                     and has_table_privilege(c.declarer, c.into_table, 'delete'), false) then
    return false;
  end if;
  foreach relation in array case when c.into_table is null then array[c.source] else array[c.source, c.into_table] end loop
    select has_schema_privilege(c.declarer, t.relnamespace, 'usage'),
           t.relrowsecurity and (t.relforcerowsecurity or not pg_has_role(c.declarer, t.relowner, 'usage'))
    into is_reachable, has_policies
    from pg_class t where t.oid = relation;
    if not coalesce(is_reachable, false) then
      return false;
    end if;
    -- apart: a condition with a query takes several times as long as one without
    if has_policies then
      if not exists (select from pg_roles r where r.oid = c.declarer and (r.rolsuper or r.rolbypassrls)) then
        return false;
      end if;
    end if;
  end loop;
  return true;
end
$$;

-- API: Private. Raises a fault.
create or replace function pgoffload.raise_fault(fault jsonb) returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if fault is not null then
    raise exception '%', fault ->> 'message'
      using errcode = fault ->> 'sqlstate', detail = coalesce(fault ->> 'detail', 'Nothing has changed.'),
            hint = coalesce(fault ->> 'hint', 'Declare it of a table that exists.');
  end if;
end
$$;

-- API: Private. Whether a worker that runs background SQL has ever registered: it says so, or has executed a task. Runs
-- within its callers' rights and search_path.
create or replace function pgoffload.has_sql_worker() returns boolean
language sql stable
as $$
  select exists (select from pgoffload.worker w where w.doing ->> 'runs_sql' = '1')
      or exists (select from pgoffload.sql_session)
$$;

-- API: Private. The type that a domain is made of, in the end; another type as it is. Runs within its callers' search_path.
create or replace function pgoffload.base_type(type regtype) returns regtype
language plpgsql stable
as $$
declare
  base regtype := type;
  found_type record;
begin
  loop
    select t.typtype, t.typbasetype into found_type from pg_type t where t.oid = base;
    if found_type.typtype is distinct from 'd' then
      return base;
    end if;
    base := found_type.typbasetype;
  end loop;
end
$$;

-- API: Private. The columns of a table, for a hint. Runs within its callers' search_path.
create or replace function pgoffload.columns_of(relation regclass) returns text
language sql stable
as $$
  select string_agg(quote_ident(a.attname), ', ' order by a.attnum)
  from pg_attribute a where a.attrelid = relation and a.attnum > 0 and not a.attisdropped
$$;

-- API: Private. A table that takes the chunks of another one, as SQL. Runs within its callers' search_path.
create or replace function pgoffload.chunks_table_example(
  source regclass, key_columns name[],
  into_table text)                   -- its name as SQL; null: one is made up
returns text
language sql stable
as $$
  select format('create table %s (%s, n integer, chunk text not null, embedding real[], primary key (%s, n), '
                'foreign key (%3$s) references %4$s on delete cascade on update cascade)',
    coalesce(into_table, (select concat_ws('.', quote_ident(n.nspname), quote_ident(left(t.relname, 57) || '_chunk'))
                          from pg_class t join pg_namespace n on n.oid = t.relnamespace where t.oid = source)),
    string_agg(format('%I %s', k.name, format_type(a.atttypid, a.atttypmod)), ', ' order by k.n),
    string_agg(quote_ident(k.name), ', ' order by k.n), source)
  from unnest(key_columns) with ordinality k (name, n)
  join pg_attribute a on a.attrelid = source and a.attname = k.name
$$;

-- API: Private. Finds the columns of a maintained column by their names: the key, what the template names, the target,
-- and the target's type where it is not known. Raises what is wrong with them. Runs within its callers' rights and
-- search_path.
create or replace function pgoffload.resolve_columns(c pgoffload.maintained_column) returns pgoffload.maintained_column
language plpgsql stable
as $$
declare
  known constant text := format('The columns of %s are %s.', c.source, pgoffload.columns_of(c.source));
  column_name name;
  found_column pg_attribute;
  numbers smallint[] := '{}';
  named text;
  target_domain record;
begin
  select (i.indkey::smallint[])[0:i.indnkeyatts - 1] into c.key_numbers
  from pg_index i where i.indrelid = c.source and i.indisprimary;
  if not found then
    raise exception '% has no primary key', c.source
      using errcode = 'object_not_in_prerequisite_state', detail = 'Nothing has changed. Answers find their row by its key.',
            hint = format('Have its owner run: alter table %s add primary key (…)', c.source);
  end if;
  c.key_columns := array(
    select a.attname
    from unnest(c.key_numbers) with ordinality k (number, n)
    join pg_attribute a on a.attrelid = c.source and a.attnum = k.number
    order by k.n);

  foreach column_name in array c.input_columns loop
    select a.* into found_column
    from pg_attribute a where a.attrelid = c.source and a.attname = column_name and a.attnum > 0 and not a.attisdropped;
    if not found then
      raise exception '% has no column "%", which the template names', c.source, column_name
        using errcode = 'undefined_column', detail = 'Nothing has changed.',
              hint = known || ' Capital letters and odd ones need quotes, as in {"Odd Name"}; a brace itself is written twice.';
    end if;
    if found_column.attgenerated = 'v' then
      raise exception 'column "%" of % is generated when it is read: no trigger sees its value', column_name, c.source
        using errcode = 'feature_not_supported', detail = 'Nothing has changed.',
              hint = 'Name the columns that it is made of, or have it generated as STORED.';
    end if;
    numbers := numbers || found_column.attnum;
  end loop;
  c.input_numbers := numbers;

  if c.into_table is not null then
    perform pgoffload.check_chunks_table(c);
    c.target_type := coalesce(c.target_type, (
      select a.atttypid::regtype from pg_attribute a
      where a.attrelid = c.into_table and a.attname = 'embedding' and not a.attisdropped));
    return c;
  end if;

  select a.* into found_column
  from pg_attribute a where a.attrelid = c.source and a.attname = c.target and a.attnum > 0 and not a.attisdropped;
  if not found then
    raise exception '% has no column "%", which is to take the answers', c.source, c.target
      using errcode = 'undefined_column', detail = 'Nothing has changed.', hint = known;
  end if;
  c.target_number := found_column.attnum;
  c.target_type := coalesce(c.target_type, found_column.atttypid::regtype);
  select d.* into target_domain
  from (with recursive d (oid, typnotnull, typbasetype) as (
          select t.oid, t.typnotnull, t.typbasetype from pg_type t where t.oid = found_column.atttypid
          union all
          select t.oid, t.typnotnull, t.typbasetype from d join pg_type t on t.oid = d.typbasetype)
        select bool_or(d.typnotnull) as is_not_null from d) d;
  named := case
    when c.target_number = any (c.input_numbers) then 'is named by its own template: each answer would be asked about again'
    when c.target_number = any (c.key_numbers) then 'is part of the primary key'
    when found_column.attgenerated <> '' then 'is generated'
    when found_column.attidentity <> '' then 'is an identity column'
    when found_column.attnotnull or target_domain.is_not_null then
      'is NOT NULL: a row without an answer, or without a text to ask about, has none'
    else (
      select format('is written by the maintained column "%s"', o.name)
      from pgoffload.maintained_column o
      where o.number is distinct from c.number
        and (o.source = c.source and o.target_number = c.target_number
             or o.into_table = c.source and (c.target in ('n', 'chunk', 'embedding') or c.target = any (o.key_columns)))
      order by o.name limit 1) end;
  if named is not null then
    raise exception 'column "%" of % cannot take answers: it %', c.target, c.source, named
      using errcode = 'invalid_parameter_value', detail = 'Nothing has changed.',
            hint = case when found_column.attnotnull and c.target_number <> all (c.input_numbers || c.key_numbers)
                             and found_column.attidentity = ''
                        then format('Have the owner run: alter table %s alter column %I drop not null', c.source, c.target)
                        else format('Give the answers a column of their own, as in: alter table %s add column %s text',
                               c.source, 'answer') end;
  end if;
  return c;
end
$$;

-- API: Private. Raises what keeps a table from taking the chunks of a source. Runs within its callers' rights and
-- search_path.
create or replace function pgoffload.check_chunks_table(c pgoffload.maintained_column) returns void
language plpgsql stable
as $$
declare
  example constant text := 'A table for them: ' || pgoffload.chunks_table_example(c.source, c.key_columns,
    case when c.into_table <> c.source then c.into_table::text end) || '; embedding may be a vector of pgvector.';
  fault text;
begin
  if c.key_columns && '{n,chunk,embedding}'::name[] then
    raise exception 'the primary key of % has a column that is named n, chunk or embedding, as the columns of chunks are', c.source
      using errcode = 'feature_not_supported', detail = 'Nothing has changed.', hint = 'Rename it: a maintained column goes on with the new name.';
  end if;
  select case
           when c.into_table = c.source then 'it is the source itself'
           when a.attnum is null then format('it has no column "%s"', w.name)
           when w.name = 'embedding' then
             case when a.atttypid is distinct from coalesce(c.target_type, a.atttypid)
                  then format('its column "embedding" is of type %s and not %s', a.atttypid::regtype, c.target_type) end
           when a.atttypid <> w.type then
             format('its column "%s" is of type %s and not %s', w.name, a.atttypid::regtype, w.type::regtype) end
  into fault
  from (
    select k.n, k.name, s.atttypid
    from unnest(c.key_columns) with ordinality k (name, n)
    join pg_attribute s on s.attrelid = c.source and s.attname = k.name and not s.attisdropped
    union all
    values (1001, 'n', 'integer'::regtype::oid), (1002, 'chunk', 'text'::regtype::oid), (1003, 'embedding', null)) w (n, name, type)
  left join pg_attribute a on a.attrelid = c.into_table and a.attname = w.name and a.attnum > 0 and not a.attisdropped
  where a.attnum is null or c.into_table = c.source or w.type is null or a.atttypid <> w.type
  order by w.name = 'embedding' and a.attnum is not null, w.n
  limit 1;
  if fault is null then
    select format('nothing gives its column "%s" a value', a.attname) into fault
    from pg_attribute a
    where a.attrelid = c.into_table and a.attnum > 0 and not a.attisdropped and a.attname <> all (c.key_columns || '{n,chunk,embedding}'::name[])
      and a.attnotnull and not a.atthasdef and a.attidentity = ''
    order by a.attnum limit 1;
  end if;
  if fault is null then
    select format('its column "%s" takes no values', a.attname) into fault
    from pg_attribute a
    where a.attrelid = c.into_table and a.attnum > 0 and not a.attisdropped and a.attname = any (c.key_columns || '{n,chunk,embedding}'::name[])
      and (a.attgenerated <> '' or a.attidentity = 'a')
    order by a.attnum limit 1;
  end if;
  if fault is null then
    select format('the maintained column "%s" writes to it', o.name) into fault
    from pgoffload.maintained_column o
    where o.number is distinct from c.number
      and (o.into_table = c.into_table
           or o.source = c.into_table and (o.target in ('n', 'chunk', 'embedding') or o.target = any (c.key_columns)))
    order by o.name limit 1;
  end if;
  if fault is not null then
    raise exception '% cannot take chunks: %', c.into_table, fault
      using errcode = 'invalid_parameter_value', detail = 'Nothing has changed.', hint = example;
  end if;
end
$$;

-- API: Private. Raises for answers that would make what is asked about them change, by way of other maintained columns, or
-- of generated columns: they would be asked for without an end. Runs within its callers' rights and search_path.
create or replace function pgoffload.check_maintained_cycle(c pgoffload.maintained_column) returns void
language plpgsql stable
as $$
declare
  on_the_way text;
begin
  with recursive written (relation, number, via) as (
    select coalesce(c.into_table, c.source)::oid, a.attnum, null::text
    from pg_attribute a
    where a.attrelid = coalesce(c.into_table, c.source) and a.attnum > 0 and not a.attisdropped
      and (c.into_table is not null or a.attnum = c.target_number)
    union
    select n.relation, n.number, n.via
    from written w
    cross join lateral (
      -- a generated column
      select d.adrelid, d.adnum, w.via
      from pg_attrdef d
      join pg_attribute g on g.attrelid = d.adrelid and g.attnum = d.adnum and g.attgenerated <> ''
      join pg_depend p on p.classid = 'pg_attrdef'::regclass and p.objid = d.oid
        and p.refclassid = 'pg_class'::regclass and p.refobjid = d.adrelid and p.refobjsubid = w.number
      where d.adrelid = w.relation and d.adnum <> w.number
      union all
      select coalesce(o.into_table, o.source)::oid, a.attnum, o.name
      from pgoffload.maintained_column o
      join pg_attribute a on a.attrelid = coalesce(o.into_table, o.source) and a.attnum > 0 and not a.attisdropped
        and (o.into_table is not null or a.attnum = o.target_number)
      where o.source = w.relation and w.number = any (o.input_numbers) and o.number is distinct from c.number) n (relation, number, via)
  )
  select string_agg(distinct format('"%s"', w.via), ', ') filter (where w.via is not null) into on_the_way
  from written w
  having bool_or(w.relation = c.source and w.number = any (c.input_numbers));
  if found then
    raise exception 'the answers of maintained column "%" would change what its own template asks about', c.name
      using errcode = 'invalid_parameter_value',
            detail = case when on_the_way is null then 'A generated column is made of them.'
                          else format('These are made of its answers: %s.', on_the_way) end || ' Nothing has changed.',
            hint = 'Each answer would be asked about again, without an end. Let the template name other columns.';
  end if;
end
$$;

-- API: Private. How the text of a row is split, checked and with all its fields.
create or replace function pgoffload.chunk_configuration(chunk jsonb) returns jsonb
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
declare
  overlap constant jsonb := coalesce(chunk -> 'overlap', '0');
begin
  if (case when jsonb_typeof(chunk) = 'object' and chunk - array['tokens', 'overlap'] = '{}'
                and pgoffload.is_positive_integer(chunk -> 'tokens') and (overlap = '0' or pgoffload.is_positive_integer(overlap))
           then (chunk -> 'tokens')::integer <= 8192 and overlap::integer * 2 <= (chunk -> 'tokens')::integer
           else false end) then
    return jsonb_build_object('tokens', (chunk -> 'tokens')::integer, 'overlap', overlap::integer);
  end if;
  raise exception 'chunk must be a JSON object of tokens, from 1 to 8192, and of overlap, at most half as many'
    using errcode = 'invalid_parameter_value', detail = 'Nothing has changed.',
          hint = 'For example: {"tokens": 400, "overlap": 40}. Leave it out (null) to have each text embedded whole.';
end
$$;

-- API: Private. What is asked, checked as a request is, and completed: what the caller's settings say, and the schema that
-- the target's type stands for. Runs within its callers' rights and search_path.
create or replace function pgoffload.complete_question(c pgoffload.maintained_column) returns pgoffload.maintained_column
language plpgsql stable
as $$
declare
  base constant regtype := pgoffload.base_type(c.target_type);
  request ${public_schema}.llm_request;
begin
  request.kind := c.kind;
  request.prompt := 'p';
  request.system := c.system;
  request.options := c.options;
  request.response_schema := c.response_schema;
  request.model := coalesce(c.model, nullif(current_setting('llm.model', true), ''));
  request.provider := coalesce(c.provider, nullif(current_setting('llm.provider', true), ''));
  request.timeout := c.timeout;
  if request.timeout is null and current_setting('llm.timeout', true) <> '' then
    request.timeout := pgoffload.parse_timeout('llm.timeout', current_setting('llm.timeout'));
  end if;
  perform pgoffload.check_llm_request(request);
  c.model := request.model;
  c.provider := request.provider;
  c.timeout := request.timeout;
  if c.chunk is not null then
    c.chunk := pgoffload.chunk_configuration(c.chunk);
  end if;

  if c.kind = 'embed' then
    if base <> 'real[]'::regtype and not exists (
        select from pg_cast t where t.castsource = 'real[]'::regtype and t.casttarget = base and t.castcontext in ('a', 'i')) then
      raise exception 'no embedding can be of type %', c.target_type
        using errcode = 'datatype_mismatch', detail = 'Nothing has changed.',
              hint = 'The types are real[], and vector of pgvector with the number of dimensions of the model.';
    end if;
  elsif base in ('json'::regtype, 'jsonb'::regtype) then
    if base = 'json'::regtype or c.response_schema is null then
      raise exception 'an answer of type % needs %', c.target_type, case when base = 'json'::regtype then 'the type jsonb' else 'a response_schema' end
        using errcode = 'invalid_parameter_value', column = 'response_schema', detail = 'Nothing has changed.',
              hint = 'For example: response_schema => ''{"type": "object", "properties": {"mood": {"type": "string"}}, "required": ["mood"]}''';
    end if;
  elsif base not in ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype) then
    if c.response_schema is not null then
      raise exception 'an answer of type % has its own schema', c.target_type
        using errcode = 'invalid_parameter_value', column = 'response_schema', detail = 'Nothing has changed.',
              hint = 'Leave response_schema out, or let the target be of type jsonb or text.';
    end if;
    c.response_schema := pgoffload.answer_schema(pgoffload.type_schema(c.target_type));
    -- the option stream goes with no schema
    request.response_schema := c.response_schema;
    perform pgoffload.check_llm_request(request);
  end if;
  -- what restores, and another server, have by other numbers is not in it
  c.configuration := sha256(convert_to(
    jsonb_build_array(c.kind, c.literals, c.model, c.provider, c.system, c.options, c.response_schema, c.chunk)::text, 'UTF8'));
  return c;
end
$$;

-- As in pgoffload.emit_sql_request, an aggregate over one row lets the state function see who calls, and the final function
-- write; neither can be called apart (docs/decisions/0004).

-- API: Private. The state function: stamps a declaration with the caller's identity and settings.
create or replace function pgoffload.stamp_maintained_column(
  state pgoffload.maintained_column,
  name text, source regclass, target text, into_table regclass, kind text, template text, chunk jsonb,
  model text, provider text, system text, options jsonb, timeout interval, response_schema jsonb)
returns pgoffload.maintained_column
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  if state.declarer is not null then
    raise exception 'pgoffload.declare_maintained takes one declaration, not one for each row'
      using errcode = 'cardinality_violation', hint = 'Call llm_maintain in the select list.';
  end if;
  state.declarer := quote_ident(current_user)::regrole;
  state.login := pgoffload.login_oid()::regrole;
  -- rows are to be read as the trigger reads them; what the session may take for a statement is the session's own
  state.settings := pgoffload.session_settings() - array['statement_timeout', 'lock_timeout', 'transaction_timeout']
    || '{"search_path": "pg_catalog, pg_temp", "TimeZone": "UTC", "DateStyle": "ISO, MDY", "IntervalStyle": "iso_8601",
         "bytea_output": "hex", "lc_monetary": "C"}';
  state.name := stamp_maintained_column.name;
  state.source := stamp_maintained_column.source;
  state.target := stamp_maintained_column.target;
  state.into_table := stamp_maintained_column.into_table;
  state.kind := stamp_maintained_column.kind;
  state.literals := array[stamp_maintained_column.template];
  state.chunk := stamp_maintained_column.chunk;
  state.model := stamp_maintained_column.model;
  state.provider := stamp_maintained_column.provider;
  state.system := stamp_maintained_column.system;
  state.options := stamp_maintained_column.options;
  state.timeout := stamp_maintained_column.timeout;
  state.response_schema := stamp_maintained_column.response_schema;
  return state;
end
$$;

-- API: Private. The final function: checks a stamped declaration, and writes it down with the owner's rights. Returns its
-- number.
create or replace function pgoffload.declare_stamped_column(c pgoffload.maintained_column) returns integer
language plpgsql volatile strict security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  template record;
begin
  -- of two at once, the second sees the first one's: together they may ask each other for ever
  lock table pgoffload.maintained_column in share row exclusive mode;
  if not coalesce(octet_length(c.name) between 1 and 43 and not pgoffload.is_blank(c.name), false) then
    raise exception 'the name of a maintained column must be 1 to 43 bytes long'
      using errcode = 'invalid_parameter_value', column = 'name', detail = 'Nothing has changed.', hint = 'For example: ticket_mood';
  end if;
  if exists (select from pgoffload.maintained_column o where o.name = c.name) then
    raise exception 'there is a maintained column "%" already', c.name
      using errcode = 'duplicate_object', detail = 'Nothing has changed.',
            hint = format('Choose another name. To declare it anew: select llm_maintain_drop(%L)', c.name);
  end if;
  if c.source is null then
    raise exception 'a maintained column needs a table as its source'
      using errcode = 'null_value_not_allowed', column = 'source', detail = 'Nothing has changed.';
  end if;
  perform pgoffload.raise_fault(coalesce(pgoffload.maintained_table_fault(c.source), case when c.into_table is not null
    then pgoffload.maintained_table_fault(c.into_table) end));
  perform pgoffload.require_text('template', c.literals[1]);
  template := pgoffload.parse_template(c.literals[1]);
  if template.columns = '{}' then
    raise exception 'the template names no column: each row would get the same question'
      using errcode = 'invalid_parameter_value', detail = 'Nothing has changed.',
            hint = format('A column stands in braces, as {name} or {"Odd Name"}. The columns of %s are %s.',
                     c.source, pgoffload.columns_of(c.source));
  end if;
  c.literals := template.literals;
  c.input_columns := template.columns;
  if num_nonnulls(c.target, c.into_table) <> 1 or c.into_table is not null and c.kind <> 'embed' or c.chunk is not null and c.into_table is null then
    raise exception '%', case
        when c.chunk is not null and c.into_table is null then 'the option chunk goes with into_table: a row has many chunks'
        when c.into_table is not null and c.kind <> 'embed' then 'into_table takes embeddings alone: it goes with embed'
        else 'a maintained column has either a target or a table that its chunks go into' end
      using errcode = 'invalid_parameter_value', detail = 'Nothing has changed.',
            hint = 'Give target => ''<column of the source>''; or, with embed, into_table => ''<table>''.'
              || coalesce(' A table for it: ' || pgoffload.chunks_table_example(c.source, (
                   select array_agg(a.attname order by k.n)
                   from pg_index i
                   cross join unnest(i.indkey) with ordinality k (number, n)
                   join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.number
                   where i.indrelid = c.source and i.indisprimary and k.n <= i.indnkeyatts), null), '');
  end if;
  if not pgoffload.has_sql_worker() then
    raise exception 'no worker that runs background SQL has ever registered here, and no other session writes answers'
      using errcode = 'object_not_in_prerequisite_state', detail = 'Nothing has changed.',
            hint = 'Start a worker with PGOFFLOAD_SQL_DATABASE_URL.';
  end if;
  c := pgoffload.resolve_columns(c);
  c := pgoffload.complete_question(c);
  perform pgoffload.check_maintained_cycle(c);
  perform pgoffload.raise_fault(pgoffload.maintained_fault(c));
  select i.id into strict c.installation from pgoffload.installation i;
  -- logical replication brings numbers, and leaves their sequence where it was
  perform setval('pgoffload.maintained_column_number_seq', n.highest)
  from (select max(o.number) as highest from pgoffload.maintained_column o) n, pgoffload.maintained_column_number_seq q
  where n.highest >= q.last_value;
  insert into pgoffload.maintained_column (
    name, source, declarer, login, key_columns, key_numbers, input_columns, input_numbers, literals, target, target_number,
    into_table, target_type, kind, model, provider, system, options, timeout, response_schema, chunk, configuration, settings,
    installation)
  values (
    c.name, c.source, c.declarer, c.login, c.key_columns, c.key_numbers, c.input_columns, c.input_numbers, c.literals, c.target,
    c.target_number, c.into_table, c.target_type, c.kind, c.model, c.provider, c.system, c.options, c.timeout, c.response_schema,
    c.chunk, c.configuration, c.settings, c.installation)
  returning number into c.number;
  perform pgoffload.make_trigger_function(c);
  insert into pgoffload.maintained_state (number) values (c.number);
  insert into pgoffload.maintained_sweep (number) values (c.number) on conflict do nothing;
  return c.number;
end
$$;

-- API: Private. Declares a maintained column for the caller, without its trigger; returns its number. llm_maintain calls
-- it.
create or replace aggregate pgoffload.declare_maintained(
  name text, source regclass, target text, into_table regclass, kind text, template text, chunk jsonb,
  model text, provider text, system text, options jsonb, timeout interval, response_schema jsonb) (
  sfunc = pgoffload.stamp_maintained_column,
  stype = pgoffload.maintained_column,
  finalfunc = pgoffload.declare_stamped_column
);

-- API: Private. Makes the trigger of a maintained column, with the caller's rights.
create or replace function pgoffload.make_trigger(name text, source regclass) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  lacking text;
begin
  -- the trigger of a partitioned table is made on each partition, which needs the right there
  select string_agg(t.id::regclass::text, ', ' order by t.id) into lacking
  from (select source::oid union select p.relid from pg_partition_tree(source) p) t (id)
  where not has_table_privilege(t.id, 'trigger');
  if lacking is not null then
    raise exception 'role "%" lacks TRIGGER on %', current_user, lacking
      using errcode = 'insufficient_privilege', detail = 'Nothing has changed. A trigger asks about the rows that change.',
            hint = format('Have the owner run: grant trigger on %s to %I', lacking, current_user);
  end if;
  -- without a list of columns, which would keep their types from being changed
  execute format('create or replace trigger %I after insert or update on %s for each row execute function pgoffload.%I()',
    'pgoffload maintains ' || name, source, 'ask_maintained ' || name);
end
$$;

-- API: Public. Has a column, or a table of chunks, kept answered while the rows change that it is asked about. INSERT and
-- UPDATE ask with their transaction, and the answers are written by background SQL, with the rights of the caller, whose
-- requests they are.
create or replace function ${public_schema}.llm_maintain(
  name text,                             -- of the maintained column: 1 to 43 bytes
  source regclass,                       -- the table, which needs a primary key; of partitions the root
  target text default null,              -- its column that takes the answers; its type says how they are read
  ask text default null,                 -- the question, in which {column} or {"Odd Name"} is the row's value, {{ a brace
  embed text default null,               -- in place of ask: the text that is embedded
  into_table regclass default null,      -- in place of target, with embed: a table of the key's columns, n, chunk, embedding
  chunk jsonb default null,              -- with into_table: how texts are split, {"tokens": 400, "overlap": 40}
  backfill boolean default false,        -- whether the rows that are there are asked about as well
  model text default null,               -- null: the setting llm.model as it is now, else the worker's
  provider text default null,            -- null: the setting llm.provider as it is now, else the worker's
  system text default null,              -- instructions to the model, for each row
  options jsonb default null,            -- as llm_request.options, for each row
  timeout interval default null,         -- null: the setting llm.timeout as it is now, else 1 day
  response_schema jsonb default null)    -- of a target of type jsonb: the JSON schema of its values
returns text                             -- the name
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  number integer;
begin
  if num_nonnulls(ask, embed) <> 1 then
    raise exception 'a maintained column has either a question (ask) or a text to embed (embed)'
      using errcode = 'invalid_parameter_value', detail = 'Nothing has changed.',
            hint = 'For example: select llm_maintain(''ticket_mood'', source => ''ticket'', target => ''mood'', '
                   'ask => ''The mood of this ticket, in one word: {subject} {body}'')';
  end if;
  number := (select pgoffload.declare_maintained(
    llm_maintain.name, llm_maintain.source, llm_maintain.target, llm_maintain.into_table,
    case when ask is not null then 'ask' else 'embed' end, coalesce(ask, embed), llm_maintain.chunk, llm_maintain.model,
    llm_maintain.provider, llm_maintain.system, llm_maintain.options, llm_maintain.timeout, llm_maintain.response_schema));
  perform pgoffload.make_trigger(llm_maintain.name, llm_maintain.source);
  if backfill then
    perform (select pgoffload.command_maintained('backfill', llm_maintain.name));
  end if;
  return llm_maintain.name;
end
$$;
