-- How rows of maintained columns are asked about: by the trigger on their table, with the transaction that changes them,
-- and by background SQL that walks through the table.

-- API: Private. Which row it is, whatever the size of its key. Names everything with its schema instead of having a SET
-- clause, so that it is inlined.
create or replace function pgoffload.maintained_row_id(key text[]) returns uuid
language sql stable
as $$
  select pg_catalog.md5(pg_catalog.array_to_json(key)::pg_catalog.text)::pg_catalog.uuid
$$;

-- API: Private. Puts a row among those that are to be asked about later. Runs within its callers'
-- rights and search_path.
create or replace function pgoffload.defer_maintained(number integer, key text[]) returns void
language plpgsql volatile
as $$
begin
  insert into pgoffload.maintained_due (number, row_id, key)
  values (defer_maintained.number, pgoffload.maintained_row_id(defer_maintained.key), defer_maintained.key);
end
$$;

-- API: Private. Inserts the request for a row, for the role that has declared the column. Runs within its callers' rights
-- and search_path.
create or replace function pgoffload.ask_maintained_row(
  number integer,
  key text[],
  hash bytea,              -- of the inputs
  prompt text,             -- null: all inputs are blank
  refusal jsonb)           -- {"code", "message"}: why the row cannot be asked about; or null
returns void
language plpgsql volatile
as $$
begin
  -- null, not a default: the settings of whoever writes to the table are none of the declarer's
  insert into ${public_schema}.llm_request (
    kind, prompt, system, model, provider, options, timeout, response_schema, requested_by, requested_by_oid,
    maintained, maintained_row, maintained_key, maintained_hash, maintained_end)
  select c.kind, ask_maintained_row.prompt, c.system, c.model, c.provider, c.options,
         -- a backfill may wait for its turn, and for a vendor
         coalesce(c.timeout, interval '1 day'), c.response_schema, pg_get_userbyid(c.declarer), c.declarer,
         c.number, pgoffload.maintained_row_id(ask_maintained_row.key), ask_maintained_row.key, ask_maintained_row.hash,
         coalesce(refusal, case when ask_maintained_row.prompt is null then '{"code": "blank"}'::jsonb end)
  from pgoffload.maintained_column c where c.number = ask_maintained_row.number;
end
$$;

-- API: Private. Whether a maintained column asks at the moment; what keeps it from that is in llm_maintained. Runs within
-- its callers' rights and search_path.
create or replace function pgoffload.maintained_asks(c pgoffload.maintained_column) returns boolean
language plpgsql stable
as $$
begin
  return exists (
      select from pgoffload.maintained_state s, pgoffload.installation i
      where s.number = c.number and s.paused_at is null and s.failing_until is null and i.id::uuid = c.installation)
    and pgoffload.maintained_obstacle(c) is null;
end
$$;

-- API: Private. The maintained column for which the session's task was launched, or null.
create or replace function pgoffload.maintained_of_task() returns integer
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select q.maintained
  from pgoffload.current_task() t
  cross join lateral (select r.maintained from ${public_schema}.sql_request r where r.id = t.task limit 1) q
$$;

-- API: Private. How rows of a maintained column are read, and whether they are asked about at the moment, as text: t or f,
-- six digits, and a query, whose part of so many characters reads the new row alone. Runs within its callers' rights and search_path.
create or replace function pgoffload.maintained_plan(number integer) returns text
language plpgsql volatile
as $$
declare
  c pgoffload.maintained_column;
  row record;
  new_row text;
begin
  select m.* into c from pgoffload.maintained_column m where m.number = maintained_plan.number;
  -- by concat, and so by the types' own output functions: a cast may be a function of a user
  row := pgoffload.row_expressions(c, '$1');
  new_row := 'select ' || row.key_expression || ', ' || row.input_expression;
  row := pgoffload.row_expressions(c, '$2');
  return concat(case when pgoffload.maintained_asks(c) then 't' else 'f' end,
    -- nothing, if a column is gone
    lpad(length(new_row)::text, 6, '0') || new_row || ', ' || row.key_expression || ', ' || row.input_expression);
end
$$;

-- API: Private. Asks about a row that was inserted or updated, with the transaction. Does nothing on a table, or under a
-- name, that no declaration has. Whatever keeps a row from being asked about becomes the row's failure, or has it asked
-- about later: it never raises an error.
create or replace function pgoffload.ask_maintained() returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- the text of a value is the same in every session
set timezone = 'UTC'
set datestyle = 'ISO, MDY'
set intervalstyle = 'iso_8601'
set bytea_output = 'hex'
set extra_float_digits = 1
set lc_monetary = 'C'
as $$
declare
  number integer;
  literals text[];
  configuration bytea;
  secret bytea;
  plan text;
  proof text;
  key text[];
  inputs text[];
  key_before text[];
  inputs_before text[];
  prompt text;
  refusal jsonb;
begin
  select c.number, c.literals, c.configuration into number, literals, configuration
  from pgoffload.maintained_column c
  where c.source = coalesce(pg_partition_root(tg_relid), tg_relid) and tg_name = ('pgoffload maintains ' || c.name)::name;
  -- what its own answers change is not asked about; the setting is for speed, and proves nothing
  if not found
     or current_setting('pgoffload.applying', true) = number::text and pgoffload.maintained_of_task() = number then
    return null;
  end if;

  -- Found out once for each statement, whose rows follow: kept in a setting, behind the proof that it was written here.
  select s.outer_pad into secret from pgoffload.signer s;
  plan := current_setting('pgoffload.maintained_' || number, true);
  proof := encode(sha256(secret || convert_to(
    concat_ws(' ', number, pg_current_xact_id(), statement_timestamp(), substr(plan, 65)), 'UTF8')), 'hex');
  if proof = left(plan, 64) then
    plan := substr(plan, 65);
  else
    plan := pgoffload.maintained_plan(number);
    proof := encode(sha256(secret || convert_to(
      concat_ws(' ', number, pg_current_xact_id(), statement_timestamp(), plan), 'UTF8')), 'hex');
    proof := set_config('pgoffload.maintained_' || number, proof || plan, true);
  end if;
  if length(plan) = 1 then
    return null;  -- a column is gone, which llm_maintained shows
  end if;

  for attempt in 1 .. 2 loop
    begin
      if tg_op = 'INSERT' then
        execute substr(plan, 8, substr(plan, 2, 6)::integer) into key, inputs using new;
      else
        execute substr(plan, 8) into key, inputs, key_before, inputs_before using new, old;
        if key = key_before and inputs = inputs_before then
          return null;
        end if;
      end if;
      prompt := pgoffload.fill_template(literals, inputs);
      exit;
    exception when others then
      -- this very statement has renamed a column, or the text is too large for the server
      plan := pgoffload.maintained_plan(number);
      refusal := case when attempt = 2
        then jsonb_build_object('code', 'inputs_not_readable', 'message', concat(sqlstate, ': ', sqlerrm)) end;
    end;
  end loop;
  if key is null then
    return null;
  elsif starts_with(plan, 'f') then
    perform pgoffload.defer_maintained(number, key);
  else
    perform pgoffload.ask_maintained_row(number, key, pgoffload.maintained_hash(configuration, inputs), prompt, refusal);
  end if;
  return null;
end
$$;

-- API: Private. Raises insufficient_privilege outside of background SQL that was launched for the maintained column.
-- Returns its declaration; null if it was dropped.
create or replace function pgoffload.maintained_of_this_task(number integer) returns pgoffload.maintained_column
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  c pgoffload.maintained_column;
begin
  if number is distinct from pgoffload.maintained_of_task() then
    raise exception 'only a task that pgoffload has launched for maintained column % may call this', number
      using errcode = 'insufficient_privilege', hint = 'Ask about failed rows anew with llm_maintain_retry.';
  end if;
  select m.* into c from pgoffload.maintained_column m where m.number = maintained_of_this_task.number;
  return c;
end
$$;

-- API: Private. A condition that a row has a key: by the equality that the primary key goes by, for each column.
create or replace function pgoffload.key_condition(
  c pgoffload.maintained_column,
  relation regclass,         -- the source, or a table with columns of the same names
  alias text,
  key text)                  -- an expression of an array of texts, up to its subscript
returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select string_agg(format('(%s).%I operator(%I.%s) %s[%s]::%s', alias, a.attname, n.nspname, o.oprname, key, k.n,
           format_type(a.atttypid, null)), ' and ' order by k.n)
  from unnest(c.key_numbers) with ordinality k (number, n)
  join pg_attribute s on s.attrelid = c.source and s.attnum = k.number and not s.attisdropped
  join pg_attribute a on a.attrelid = relation and a.attname = s.attname and not a.attisdropped
  join pg_index i on i.indrelid = c.source and i.indisprimary
  join pg_opclass l on l.oid = i.indclass[k.n - 1]
  join pg_amop m on m.amopfamily = l.opcfamily and m.amoplefttype = l.opcintype and m.amoprighttype = l.opcintype
    and m.amopstrategy = 3
  join pg_operator o on o.oid = m.amopopr
  join pg_namespace n on n.oid = o.oprnamespace
$$;

-- API: Private, for the background SQL of a maintained column. What it is to read next: rows that are due, or those
-- behind the key that the backfill has come to.
create or replace function pgoffload.begin_walk(
  number integer,
  out query text,            -- keys and inputs of the rows, two arrays of two dimensions; $1: keys; null: nothing
  out keys text[],           -- those that are due, an array of two dimensions, or the key that the backfill has come to
  out is_backfill boolean,
  out path text)             -- the search_path to read with
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  c constant pgoffload.maintained_column := pgoffload.maintained_of_this_task(begin_walk.number);
  state pgoffload.maintained_state;
  expressions record;
  columns record;
  at_most integer := (select s.value::integer from pgoffload.setting s where s.name = 'maintained_step');
begin
  select s.* into state from pgoffload.maintained_state s where s.number = c.number;
  if state.number is null or state.paused_at is not null or state.failing_until > clock_timestamp()
     or pgoffload.maintained_obstacle(c) is not null
     or not exists (select from pgoffload.installation i where i.id::uuid = c.installation) then
    return;
  end if;
  if state.failing_until is not null then
    at_most := 1;
  end if;
  with due as (
    delete from pgoffload.maintained_due d
    where d.id in (select e.id from pgoffload.maintained_due e where e.number = c.number order by e.id limit at_most)
    returning d.row_id, d.key
  )
  select array_agg(o.key) into keys from (select distinct on (d.row_id) d.key from due d) o;
  is_backfill := keys is null;
  if is_backfill and not state.backfill then
    return;
  end if;

  expressions := pgoffload.row_expressions(c, 't');
  select string_agg(format('t.%I', a.attname), ', ' order by k.n) as names,
         string_agg(format('$1[%s]::%s', k.n, format_type(a.atttypid, null)), ', ' order by k.n) as after,
         string_agg(distinct quote_ident(y.typnamespace::regnamespace::text), ', ')
           filter (where y.typnamespace <> 'pg_catalog'::regnamespace) as schemas
  into columns
  from unnest(c.key_numbers) with ordinality k (number, n)
  join pg_attribute a on a.attrelid = c.source and a.attnum = k.number
  join pg_type y on y.oid = a.atttypid;
  -- the operators that the server compares a key of these types by
  path := concat_ws(', ', 'pg_catalog', columns.schemas, 'pg_temp');
  if is_backfill then
    keys := state.backfill_after;
    query := concat(
      'select array_agg(f.key), array_agg(f.inputs) from (select ', expressions.key_expression, ' as key, ',
      expressions.input_expression, ' as inputs from ', c.source, ' t',
      ' where (' || columns.names || ') > (' || case when keys is not null then columns.after end || ')',
      ' order by ', columns.names, ' limit ', at_most, ') f');
  else
    query := concat(
      'select array_agg(f.key), array_agg(f.inputs) from generate_subscripts($1, 1) d (i) join ', c.source, ' t on ',
      pgoffload.key_condition(c, c.source, 't', '$1[d.i]'),
      ' cross join lateral (select ', expressions.key_expression, ' as key, ', expressions.input_expression, ' as inputs) f');
  end if;
end
$$;

-- API: Private, for the background SQL of a maintained column. Asks about rows that were read, except those whose answer
-- is of these inputs or on its way.
create or replace function pgoffload.ask_walked(
  number integer,
  keys text[],              -- of two dimensions; null: no rows
  inputs text[],            -- likewise
  wanted text[],            -- as pgoffload.begin_walk has named them
  is_backfill boolean)
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  c constant pgoffload.maintained_column := pgoffload.maintained_of_this_task(ask_walked.number);
  found_rows constant integer := coalesce(array_length(keys, 1), 0);
  key text[];
  row_inputs text[];
  found_ids uuid[] := '{}';
  of_row uuid;
  row_hash bytea;
  newest record;
begin
  for i in 1 .. found_rows loop
    key := array(select unnest(keys[i:i]));
    row_inputs := array(select unnest(inputs[i:i]));
    of_row := pgoffload.maintained_row_id(key);
    found_ids := found_ids || of_row;
    row_hash := pgoffload.maintained_hash(c.configuration, row_inputs);
    select q.id, q.maintained_hash, q.installation into newest from ${public_schema}.llm_request q
    where q.maintained = c.number and q.maintained_row = of_row order by q.id desc limit 1;
    continue when exists (
        select from pgoffload.maintained_row r
        where r.number = c.number and r.row_id = of_row and r.hash = row_hash and r.error_code is null)
      -- or the newest request is of these inputs and on its way; that of another installation ends nowhere
      or newest.maintained_hash = row_hash and newest.installation = c.installation
         and (not exists (select from pgoffload.llm_result r where r.id = newest.id)
              or exists (select from pgoffload.maintained_answer a where a.number = c.number and a.request = newest.id));
    perform pgoffload.ask_maintained_row(
      c.number, key, row_hash, pgoffload.fill_template(c.literals, row_inputs), null);
  end loop;

  if not is_backfill then
    -- of rows that have gone nothing is kept
    delete from pgoffload.maintained_row r
    where r.number = c.number and r.row_id <> all (found_ids)
      and r.row_id = any (array(
        select pgoffload.maintained_row_id(array(select unnest(wanted[i:i]))) from generate_subscripts(wanted, 1) i));
  else
    update pgoffload.maintained_state s
    set backfill = found_rows > 0,
        backfill_after = case when found_rows > 0 then array(select unnest(keys[found_rows:found_rows])) end
    where s.number = c.number;
  end if;
end
$$;

-- API: Private, for the background SQL of a maintained column: reads its rows, with the declarer's rights, and has them
-- asked about. Has no SET clause: what is read runs as the caller's own statements do.
create or replace function pgoffload.walk_maintained(number integer) returns void
language plpgsql volatile
as $$
declare
  walk pg_catalog.record := pgoffload.begin_walk(number);
  keys pg_catalog.text[];
  inputs pg_catalog.text[];
begin
  if walk.query is not null then
    perform pg_catalog.set_config('search_path', walk.path, true);
    execute walk.query into keys, inputs using walk.keys;
    perform pgoffload.ask_walked(number, keys, inputs, walk.keys, walk.is_backfill);
  end if;
end
$$;
