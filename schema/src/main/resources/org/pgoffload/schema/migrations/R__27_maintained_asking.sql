-- How rows of maintained columns are asked about: by the trigger on their table, with the transaction that changes them,
-- and by background SQL that walks through the table.

-- API: Private. Which row it is, whatever the size of its key. Names everything with its schema instead of having a SET
-- clause, so that it is inlined.
create or replace function pgoffload.maintained_row_id(key text[]) returns uuid
language sql stable
as $$
  select pg_catalog.encode(pg_catalog.substr(pg_catalog.sha256(pg_catalog.convert_to(
    pg_catalog.array_to_json(key)::pg_catalog.text, 'UTF8')), 1, 16), 'hex')::pg_catalog.uuid
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

drop function if exists pgoffload.ask_maintained_row(integer, text[], bytea, text, jsonb);

-- API: Private. Inserts the request for a row, for the role that has declared the column, and sends it with the
-- transaction. What it asks was checked when it was declared. Runs within its callers' rights and search_path.
create or replace function pgoffload.ask_maintained_row(
  c pgoffload.maintained_column,
  signer pgoffload.signer,
  key text[],
  hash bytea,              -- of the inputs
  prompt text,             -- null: all inputs are blank
  refusal jsonb)           -- {"code", "message"}: why the row cannot be asked about; or null
returns void
language plpgsql volatile
as $$
declare
  requester constant name := pg_get_userbyid(c.declarer);
  -- a backfill may wait for its turn, and for a vendor
  lasts constant interval := coalesce(c.timeout, interval '1 day');
  drawn_id bigint;
  drawn_nonce uuid;
  payload text;
  ignored text;
begin
  -- before anything is made of it
  if octet_length(prompt) > signer.max_request_bytes then
    refusal := jsonb_build_object('code', 'request_too_large', 'message', format(
      'the request is too large: its text has %s bytes; max_request_bytes is the limit', octet_length(prompt)));
    prompt := null;
  end if;
  if prompt is null then
    refusal := coalesce(refusal, '{"code": "blank"}');
  end if;
  -- null, not a default: the settings of whoever writes to the table are none of the declarer's
  insert into ${public_schema}.llm_request (
    kind, prompt, system, model, provider, options, timeout, response_schema, requested_by, requested_by_oid,
    maintained, maintained_row, maintained_key, maintained_hash, maintained_end)
  values (
    c.kind, ask_maintained_row.prompt, c.system, c.model, c.provider, c.options, lasts, c.response_schema,
    requester, c.declarer, c.number, pgoffload.maintained_row_id(ask_maintained_row.key), ask_maintained_row.key,
    ask_maintained_row.hash, refusal)
  returning id, nonce into drawn_id, drawn_nonce;

  -- as pgoffload.llm_payload does, for which a whole request would have to be made
  payload := concat_ws(',',
    case when c.kind = 'embed' then '"inputs":[' || to_json(prompt) || ']' else '"prompt":' || to_json(prompt) end,
    '"system":' || to_json(c.system),
    '"model":' || to_json(c.model),
    '"provider":' || to_json(c.provider),
    '"options":' || c.options::text,
    '"response_schema":' || c.response_schema::text,
    '"maintained":' || pgoffload.maintained_mark(c, key, hash, refusal));
  -- an envelope has less besides; whoever writes to the table is not to be disturbed
  if octet_length(payload) > signer.max_request_bytes - 2048 then
    payload := '"maintained":' || pgoffload.maintained_mark(c, key, hash,
      jsonb_build_object('code', 'request_too_large', 'message', format(
        'the request is too large: %s bytes as JSON; max_request_bytes is the limit', octet_length(payload))));
  end if;
  ignored := pgoffload.send_envelope(
    drawn_id, c.kind, null, null, false, lasts, true, requester, c.declarer, payload, drawn_nonce, null, signer);
end
$$;

-- API: Private. What nobody else can know: proves that a text was written by code of the owner. Runs within its callers'
-- rights and search_path.
create or replace function pgoffload.proof_of(what text, signer pgoffload.signer) returns text
language sql stable
as $$
  -- with words in front that no envelope begins with: it is no signature of a request
  select encode(sha256(signer.outer_pad || sha256(signer.inner_pad || convert_to('proof of ' || what, 'UTF8'))), 'hex')
$$;
drop function if exists pgoffload.proof_of(text);

drop function if exists pgoffload.maintained_asks(integer);

-- API: Private. Whether a maintained column asks at the moment; what keeps it from that is in llm_maintained. What the
-- declarer may is looked up now, the rest is as the last step has found it. Runs within its callers' rights and
-- search_path.
create or replace function pgoffload.maintained_asks(c pgoffload.maintained_column) returns boolean
language plpgsql stable
as $$
begin
  perform from pgoffload.maintained_state s, pgoffload.installation i
  where s.number = c.number and s.paused_at is null and s.failing_until is null and s.blocked is null
    and i.id::uuid = c.installation;
  return found and pgoffload.may_maintain(c);
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

drop function if exists pgoffload.maintained_query(integer);
drop function if exists pgoffload.maintained_query(pgoffload.maintained_column);

-- API: Private. What the columns that a maintained column reads are called today, as one text of a fixed length. Runs within
-- its callers' rights and search_path.
create or replace function pgoffload.names_digest(c pgoffload.maintained_column) returns text
language plpgsql stable
as $$
declare
  today constant record := pgoffload.row_expressions(c, 'new');
begin
  return encode(sha256(convert_to(concat(today.key_expression, today.input_expression), 'UTF8')), 'hex');
end
$$;

-- API: Private. Asks about a row that was inserted or updated, with the transaction. Does nothing on a table, or under a
-- name, that no declaration has. Runs within its callers' rights and search_path, with their settings.
create or replace function pgoffload.ask_changed_row(
  relation oid,
  trigger_name name,
  digest text,               -- of the names by which the row was read; null: they are those of today
  key text[],                -- null: it could not be read
  inputs text[],
  key_before text[],         -- null: there was no row before
  inputs_before text[],
  refusal jsonb default null)  -- as in ask_maintained_row
returns boolean              -- false: columns have other names by now, and nothing was done
language plpgsql volatile
as $$
declare
  c pgoffload.maintained_column;
  signer pgoffload.signer;
  statement text;
  known text;              -- of this statement: whether rows are asked about, t, f, or ? as long as no row is to be; the digest
  hash bytea;
  prompt text;
  applying constant text := current_setting('pgoffload.applying', true);
  ignored text;
begin
  select d.* into c from pgoffload.maintained_column d
  where d.source = coalesce(pg_partition_root(relation), relation) and trigger_name = ('pgoffload maintains ' || d.name)::name;
  if not found then
    -- a transaction with an old snapshot may not see what was declared since
    if current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
      insert into pgoffload.maintained_unseen (source, trigger_name)
      values (coalesce(pg_partition_root(relation), relation), ask_changed_row.trigger_name);
    end if;
    return true;
  end if;
  select g.* into signer from pgoffload.signer g;

  -- Found out once for each statement, whose rows follow: kept in a setting, behind the proof that it was written here.
  statement := concat_ws(' ', c.number, pg_current_xact_id(), statement_timestamp(), '');
  known := current_setting('pgoffload.maintained_' || c.number, true);
  if left(known, 64) = pgoffload.proof_of(statement || substr(known, 65), signer) then
    known := substr(known, 65);
  else
    known := '?' || pgoffload.names_digest(c);
    ignored := set_config('pgoffload.maintained_' || c.number, pgoffload.proof_of(statement || known, signer) || known, true);
  end if;
  if digest <> substr(known, 2) then
    return false;
  end if;
  if key is null or key = key_before and inputs = inputs_before then
    return true;
  end if;
  if refusal is null then
    -- what is far too large is not put together: a text of more than 1 GB would be an error
    if pg_column_size(inputs) > least(signer.max_request_bytes::bigint * 2, 400000000) then
      refusal := jsonb_build_object('code', 'request_too_large', 'message', format(
        'the request is too large: its inputs have %s bytes; max_request_bytes is the limit', pg_column_size(inputs)));
    else
      prompt := pgoffload.fill_template(c.literals, inputs);
    end if;
    hash := pgoffload.maintained_hash(c.configuration, inputs);
  end if;

  -- the setting is for speed, and proves nothing
  if (case when starts_with(applying, c.number || ' ') then pgoffload.maintained_of_task() = c.number end) then
    -- what changes in a row because its answer is written is not asked about; another row is
    if strpos(applying, pgoffload.maintained_row_id(key)::text) = 0 then
      ignored := pgoffload.defer_maintained(c.number, key);
    end if;
    return true;
  end if;
  if starts_with(known, '?') then
    known := case when pgoffload.maintained_asks(c) then 't' else 'f' end || substr(known, 2);
    ignored := set_config('pgoffload.maintained_' || c.number, pgoffload.proof_of(statement || known, signer) || known, true);
  end if;
  if starts_with(known, 't') then
    ignored := pgoffload.ask_maintained_row(c, signer, key, coalesce(hash, c.configuration), prompt, refusal);
  else
    ignored := pgoffload.defer_maintained(c.number, key);
  end if;
  return true;
end
$$;

-- API: Private. Reads a row that was inserted or updated by the names that its columns have today, and asks about it. Runs
-- within its callers' rights and search_path, with their settings.
create or replace function pgoffload.ask_unread_row(
  relation oid, trigger_name name,
  new_row record,
  old_row record)            -- null: it was inserted
returns void
language plpgsql volatile
as $$
declare
  c pgoffload.maintained_column;
  today record;
  key text[];
  inputs text[];
  key_before text[];
  inputs_before text[];
  refusal jsonb;
  ignored boolean;
begin
  select d.* into c from pgoffload.maintained_column d
  where d.source = coalesce(pg_partition_root(relation), relation) and trigger_name = ('pgoffload maintains ' || d.name)::name;
  if found then
    today := pgoffload.row_expressions(c, '$1');
    if today.key_expression is null or today.input_expression is null then
      return;  -- a column is gone, which llm_maintained shows
    end if;
    begin
      execute 'select ' || today.key_expression into key using new_row;
      execute 'select ' || today.input_expression into inputs using new_row;
      if old_row is distinct from null then
        execute concat('select ', today.key_expression, ', ', today.input_expression) into key_before, inputs_before using old_row;
      end if;
    exception when others then
      refusal := jsonb_build_object('code', 'inputs_not_readable', 'message', concat(sqlstate, ': ', sqlerrm));
    end;
  end if;
  ignored := pgoffload.ask_changed_row(relation, trigger_name, null, key, inputs, key_before, inputs_before, refusal);
end
$$;

-- API: Private. The trigger function of maintained columns: asks about a row that was inserted or updated, with the
-- transaction. Does nothing on a table, or under a name, that no declaration has. Whatever keeps a row from being asked
-- about becomes the row's failure, or has it asked about later: it never raises an error. A declaration makes one of its
-- own of it, "ask_maintained <name>", which reads the row by names that stand in it: a statement that is put together is
-- parsed and planned for each row, which takes as long as a third of all else.
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
set debug_print_plan = off
as $$
declare
  digest text;
  key text[];
  inputs text[];
  key_before text[];
  inputs_before text[];
  ignored text;
begin
  begin
    /* reads */
  exception when others then
    key := null;  -- a column was renamed, say
  end;
  if (case when key is not null then
        pgoffload.ask_changed_row(tg_relid, tg_name, digest, key, inputs, key_before, inputs_before) end) is not true then
    ignored := pgoffload.ask_unread_row(tg_relid, tg_name, new, old);
  end if;
  return null;
end
$$;

-- API: Private. Makes the trigger function of a maintained column, where it is not as it is to be: it is new, a column was
-- renamed or has another type, or pgoffload was upgraded. Runs within its callers' rights and search_path.
create or replace function pgoffload.make_trigger_function(c pgoffload.maintained_column) returns void
language plpgsql volatile
as $$
declare
  function_name constant name := 'ask_maintained ' || c.name;
  template constant pg_proc := (select p from pg_proc p where p.oid = 'pgoffload.ask_maintained'::regproc);
  new_row constant record := pgoffload.row_expressions(c, 'new');
  old_row constant record := pgoffload.row_expressions(c, 'old');
  body text;
begin
  if new_row.key_expression is null or new_row.input_expression is null then
    return;  -- a column is gone
  end if;
  body := replace(template.prosrc, '/* reads */', concat(
    '/* types: ', (select string_agg(a.atttypid::oid::text, ' ' order by a.attnum) from pg_attribute a
                   where a.attrelid = c.source and a.attnum = any (c.key_numbers || c.input_numbers)), ' */',
    ' digest := ', quote_literal(pgoffload.names_digest(c)),
    '; key := ', new_row.key_expression, '; inputs := ', new_row.input_expression,
    '; if tg_op = ''UPDATE'' then key_before := ', old_row.key_expression, '; inputs_before := ', old_row.input_expression,
    '; end if;'));
  if exists (select from pg_proc p
             where p.proname = function_name and p.pronamespace = 'pgoffload'::regnamespace
               and p.prosrc = body and p.proconfig = template.proconfig) then
    return;
  end if;
  execute format('create or replace function pgoffload.%I() returns trigger language plpgsql volatile security definer %s as %L', function_name,
    -- each element of a list is quoted by itself
    (select string_agg(concat('set ', split_part(s, '=', 1), ' = ''', replace(split_part(s, '=', 2), ', ', ''', '''), ''''), ' ')
     from unnest(template.proconfig) s),
    body);
  execute format('comment on function pgoffload.%I is %L', function_name, 'API: Private. The trigger function of a maintained column.');
  execute format('revoke all on function pgoffload.%I from public', function_name);
  execute format('grant execute on function pgoffload.%I to llm_user', function_name);
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
  select string_agg(format('%s.%I operator(%I.%s) %s[%s]::%s', alias, a.attname, n.nspname, o.oprname, key, k.n,
           -- without a modifier, and never as char(1), which character alone would be
           format_type(a.atttypid, -1)), ' and ' order by k.n)
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

-- of another result
drop function if exists pgoffload.begin_walk(integer);

-- API: Private, for the background SQL of a maintained column. What it is to read next: rows that are due, those behind the
-- key that the backfill has come to, or those that something is known of and that may have gone.
create or replace function pgoffload.begin_walk(
  number integer,
  out keys text[],           -- of the rows, each as JSON; null: keys_query finds those of the backfill
  out keys_query text,       -- $1: the key that the backfill has come to; null: nothing
  out after text[],
  out path text,             -- the search_path to find keys with
  out rows_query text,       -- $1: keys; returns, each as JSON, keys and inputs, and whether there is an answer
  out is_sweep boolean)      -- whether rows are only looked for
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
    where d.number = c.number and d.row_id in (
      select e.row_id from pgoffload.maintained_due e where e.number = c.number order by e.id limit at_most)
    returning d.row_id, d.key
  )
  select array_agg(array_to_json(o.key)::text) into keys from (select distinct on (d.row_id) d.key from due d) o;
  is_sweep := keys is null and not state.backfill;
  if is_sweep then
    -- the walk is long, and reads no more than the keys
    with known as (
      select r.row_id, r.key from pgoffload.maintained_row r
      where r.number = c.number and r.row_id > (select s.after from pgoffload.maintained_sweep s where s.number = c.number)
      order by r.row_id limit at_most * 10
    ), reached as (
      update pgoffload.maintained_sweep s
      set after = case when k.rows = at_most * 10 then k.last end,
          ended_at = case when k.rows = at_most * 10 then s.ended_at else clock_timestamp() end
      from (select count(*) as rows, (array_agg(n.row_id order by n.row_id desc))[1] as last from known n) k
      where s.number = c.number and s.after is not null
    )
    select array_agg(array_to_json(k.key)::text) into keys from known k;
    if keys is null then
      return;
    end if;
  end if;

  expressions := pgoffload.row_expressions(c, 't');
  if is_sweep then
    expressions.input_expression := 'null::pg_catalog.text[]';
  end if;
  select string_agg(format('t.%I', a.attname), ', ' order by k.n) as names,
         string_agg(format('$1[%s]::%s', k.n, format_type(a.atttypid, -1)), ', ' order by k.n) as values,
         string_agg(distinct quote_ident(y.typnamespace::regnamespace::text), ', ')
           filter (where y.typnamespace <> 'pg_catalog'::regnamespace) as schemas
  into columns
  from unnest(c.key_numbers) with ordinality k (number, n)
  join pg_attribute a on a.attrelid = c.source and a.attnum = k.number
  join pg_type y on y.oid = a.atttypid;
  if keys is null then
    -- the operators that the server compares a key of these types by
    path := concat_ws(', ', 'pg_catalog', columns.schemas, 'pg_temp');
    after := state.backfill_after;
    keys_query := concat(
      'select array_agg(array_to_json(f.key)::text) from (select ', expressions.key_expression, ' as key from ', c.source, ' t',
      ' where (' || columns.names || ') > (' || case when after is not null then columns.values end || ')',
      ' order by ', columns.names, ' limit ', at_most, ') f');
  end if;
  rows_query := concat(
    'select array_agg(array_to_json(f.key)::text), array_agg(array_to_json(f.inputs)::text), array_agg(f.filled)',
    ' from unnest($1) d (json) cross join lateral (select array(select json_array_elements_text(d.json::json))) k (key)',
    ' join ', c.source, ' t on ', pgoffload.key_condition(c, c.source, 't', 'k.key'),
    ' cross join lateral (select ', expressions.key_expression, ' as key, ', expressions.input_expression, ' as inputs, ',
    case when is_sweep
              or c.into_table is null and not has_column_privilege(c.declarer::oid, c.source::oid, c.target_number, 'select')
         then 'true'  -- which it may write, and not read
         when c.into_table is null
         then format('t.%I is not null', (pgoffload.names_of(c.source, array[c.target_number]))[1])
         else format('exists (select from %s o where %s)', c.into_table, pgoffload.key_condition(c, c.into_table, 'o', 'k.key'))
    end, ' as filled) f');
end
$$;

-- API: Private, for the background SQL of a maintained column. Asks about rows that were read, except those whose answer
-- is of these inputs, or on its way.
create or replace function pgoffload.ask_walked(
  number integer,
  keys text[],              -- of the rows that were found, each as JSON; null: none
  inputs text[],            -- likewise
  filled boolean[],         -- whether they have an answer
  wanted text[],            -- the keys that were looked for
  unreadable jsonb,         -- by key: why a row could not be read
  is_backfill boolean)
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set debug_print_plan = off
as $$
#variable_conflict use_column
declare
  c constant pgoffload.maintained_column := pgoffload.maintained_of_this_task(ask_walked.number);
  found_rows constant integer := coalesce(cardinality(keys), 0);
  key text[];
  row_inputs text[];
  prompt text;
  found_ids uuid[] := '{}';
  of_row uuid;
  row_hash bytea;
  newest record;
  signer constant pgoffload.signer := (select s from pgoffload.signer s);
  ignored text;
begin
  if c.number is null then
    return;
  end if;
  for i in 1 .. found_rows loop
    key := array(select json_array_elements_text(keys[i]::json));
    row_inputs := array(select json_array_elements_text(inputs[i]::json));
    of_row := pgoffload.maintained_row_id(key);
    found_ids := found_ids || of_row;
    row_hash := pgoffload.maintained_hash(c.configuration, row_inputs);
    prompt := pgoffload.fill_template(c.literals, row_inputs);
    select q.id, q.maintained_hash, q.installation into newest from ${public_schema}.llm_request q
    where q.maintained = c.number and q.maintained_row = of_row order by q.id desc limit 1;
    continue when (filled[i] or prompt is null) and exists (
        select from pgoffload.maintained_row r
        where r.number = c.number and r.row_id = of_row and r.hash = row_hash and r.error_code is null)
      -- or the newest request is of these inputs and on its way; that of another installation ends nowhere
      or newest.maintained_hash = row_hash and newest.installation = c.installation
         and (not exists (select from pgoffload.llm_result r where r.id = newest.id)
              or exists (select from pgoffload.maintained_answer a where a.number = c.number and a.request = newest.id));
    -- as PERFORM, its plan would have the signer's bytes in it, which debug_print_plan shows
    ignored := pgoffload.ask_maintained_row(c, signer, key, row_hash, prompt, null);
  end loop;

  insert into pgoffload.maintained_row as m (number, row_id, key, request, error_code, error_message, failed_at)
  select c.number, pgoffload.maintained_row_id(k.key), k.key, 0, 'inputs_not_readable', u.value, clock_timestamp()
  from jsonb_each_text(unreadable) u
  cross join lateral (select array(select json_array_elements_text(u.key::json))) k (key)
  on conflict (number, row_id) do update
    set error_code = excluded.error_code, error_message = excluded.error_message, failed_at = excluded.failed_at,
        attempts = m.attempts + 1;
  -- of rows that have gone nothing is kept
  delete from pgoffload.maintained_row r
  where r.number = c.number and r.row_id <> all (found_ids)
    and r.row_id = any (array(
      select pgoffload.maintained_row_id(array(select json_array_elements_text(w::json)))
      from unnest(wanted) w where not unreadable ? w));
  if is_backfill then
    update pgoffload.maintained_state s
    set backfill = wanted is not null,
        backfill_after = case when wanted is not null
          then array(select json_array_elements_text(wanted[cardinality(wanted)]::json)) end
    where s.number = c.number;
  end if;
  perform pgoffload.launch_walk(c);
end
$$;

-- API: Private, for the background SQL of a maintained column. Forgets what is known of rows that have gone.
create or replace function pgoffload.forget_maintained(
  number integer,
  gone text[])              -- their keys, each as JSON
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  c constant pgoffload.maintained_column := pgoffload.maintained_of_this_task(forget_maintained.number);
begin
  delete from pgoffload.maintained_row r
  where r.number = c.number
    and r.row_id = any (array(
      select pgoffload.maintained_row_id(array(select json_array_elements_text(g::json))) from unnest(gone) g));
  if c.number is not null then
    perform pgoffload.launch_walk(c);
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
  wanted pg_catalog.text[] := walk.keys;
  keys pg_catalog.text[];
  inputs pg_catalog.text[];
  filled pg_catalog.bool[];
  found_keys pg_catalog.text[] := '{}';
  found_inputs pg_catalog.text[] := '{}';
  found_filled pg_catalog.bool[] := '{}';
  unreadable pg_catalog.jsonb := '{}';
begin
  if walk.rows_query is null then
    return;
  end if;
  if wanted is null then
    perform pg_catalog.set_config('search_path', walk.path, true);
    execute walk.keys_query into wanted using walk.after;
  end if;
  -- the text of a value is the same as for the trigger
  perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
  begin
    execute walk.rows_query into keys, inputs, filled using wanted;
  exception when others then
    -- a key that its column's type of today does not take, say: each by itself
    for i in 1 .. pg_catalog.cardinality(wanted) loop
      begin
        execute walk.rows_query into keys, inputs, filled using wanted[i:i];
        found_keys := pg_catalog.array_cat(found_keys, keys);
        found_inputs := pg_catalog.array_cat(found_inputs, inputs);
        found_filled := pg_catalog.array_cat(found_filled, filled);
      exception when others then
        unreadable := unreadable operator(pg_catalog.||) pg_catalog.jsonb_build_object(
          wanted[i], pg_catalog.concat(sqlstate, ': ', sqlerrm));
      end;
    end loop;
    keys := found_keys;
    inputs := found_inputs;
    filled := found_filled;
  end;
  if walk.is_sweep then
    perform pgoffload.forget_maintained(number, array(
      select w from pg_catalog.unnest(wanted) w where not unreadable operator(pg_catalog.?) w
      except select k from pg_catalog.unnest(keys) k));
    return;
  end if;
  perform pgoffload.ask_walked(number, keys, inputs, filled, wanted, unreadable, walk.keys is null);
end
$$;
