-- Maintained columns: how they are paused, resumed, retried and dropped, and what is shown of them.

-- API: Private. Raises undefined_object for the name of a maintained column that does not exist, or that the caller may
-- neither see nor change: the two are not told apart.
create or replace function pgoffload.raise_unknown_maintained(name text) returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception 'there is no maintained column "%"', coalesce(name, 'null')
    using errcode = 'undefined_object', detail = 'There is none of this name whose declarer''s privileges the caller has.',
          hint = 'select name from llm_maintained shows which there are.';
end
$$;

-- API: Private. Whether the trigger of a maintained column is there and fires: of a subscriber perhaps for applied rows alone.
create or replace function pgoffload.has_trigger(c pgoffload.maintained_column) returns boolean
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select exists (
    select from pg_trigger t
    where t.tgrelid = c.source and t.tgname = ('pgoffload maintains ' || c.name)::name
      and t.tgfoid in (to_regproc(format('pgoffload.%I', 'ask_maintained ' || c.name)), to_regproc('pgoffload.ask_maintained'))
      and t.tgenabled <> 'D')
$$;

-- API: Private. Lets a maintained column that was restored, or came with a copy, go on as one of this installation: its
-- columns are found by their names, and all rows are compared. Runs within its callers' rights and search_path.
create or replace function pgoffload.take_over_maintained(c pgoffload.maintained_column) returns pgoffload.maintained_column
language plpgsql volatile
as $$
declare
  declared constant pgoffload.maintained_column := c;
begin
  perform pgoffload.raise_fault(coalesce(pgoffload.maintained_table_fault(c.source), case when c.into_table is not null
    then pgoffload.maintained_table_fault(c.into_table) end));
  c := pgoffload.resolve_columns(c);
  if c.key_columns <> declared.key_columns then
    raise exception 'the primary key of % is (%) and not (%)',
        c.source, array_to_string(c.key_columns, ', '), array_to_string(declared.key_columns, ', ')
      using errcode = 'invalid_table_definition', detail = 'Nothing has changed.',
            hint = format('Drop it, select llm_maintain_drop(%L), and declare it anew.', c.name);
  end if;
  select i.id into strict c.installation from pgoffload.installation i;
  update pgoffload.maintained_column m
  set key_numbers = c.key_numbers, input_numbers = c.input_numbers, target_number = c.target_number, installation = c.installation
  where m.number = c.number;
  update pgoffload.maintained_state s
  set backfill = true, backfill_after = null,
      counted_xid = pg_current_xact_id(), mark_at = clock_timestamp(), mark_asked = 0
  where s.number = c.number;
  insert into pgoffload.maintained_sweep (number) values (c.number) on conflict do nothing;
  -- requests of another installation end there, if at all
  delete from pgoffload.maintained_answer a where a.number = c.number;
  insert into pgoffload.maintained_count (number, asked)
  select c.number, sum(n.done + n.failed + n.stale - n.asked) from pgoffload.maintained_count n where n.number = c.number
  having sum(n.done + n.failed + n.stale - n.asked) <> 0;
  return c;
end
$$;

-- API: Private. The state function of a command: stamps it with who gives it.
create or replace function pgoffload.stamp_maintained_command(given jsonb, command text, name text) returns jsonb
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  if given is not null then
    raise exception 'pgoffload.command_maintained takes one command, not one for each row'
      using errcode = 'cardinality_violation', hint = 'Call the function in the select list.';
  end if;
  return jsonb_build_object('by', quote_ident(current_user)::regrole::oid, 'command', command, 'name', name);
end
$$;

-- API: Private. The final function: obeys a stamped command with the owner's rights, if it is given by a role that has the
-- privileges of the declarer; of a declarer that was dropped, by the owner.
create or replace function pgoffload.obey_maintained_command(
  given jsonb)
returns jsonb            -- its source, if there is one; without_trigger, if it is to be made; rows, that are to be read anew
language plpgsql volatile strict security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  asker constant oid := given ->> 'by';
  c pgoffload.maintained_column;
  row_count bigint;
begin
  select m.* into c from pgoffload.maintained_column m where m.name = given ->> 'name' for update;
  if not found or not pg_has_role(asker, c.declarer, 'usage')
                  and (asker <> quote_ident(current_user)::regrole or exists (select from pg_roles r where r.oid = c.declarer)) then
    perform pgoffload.raise_unknown_maintained(given ->> 'name');
  end if;
  case given ->> 'command'
    when 'pause' then
      update pgoffload.maintained_state s set paused_by = asker::regrole, paused_at = clock_timestamp()
      where s.number = c.number and s.paused_by is null;
    when 'resume' then
      if c.installation is distinct from (select i.id::uuid from pgoffload.installation i) then
        c := pgoffload.take_over_maintained(c);
      end if;
      perform pgoffload.raise_fault(pgoffload.maintained_fault(c));
      update pgoffload.maintained_column m
      set key_columns = array(select a.attname from unnest(c.key_numbers) with ordinality k (number, n)
                              join pg_attribute a on a.attrelid = c.source and a.attnum = k.number order by k.n),
          input_columns = array(select a.attname from unnest(c.input_numbers) with ordinality k (number, n)
                                join pg_attribute a on a.attrelid = c.source and a.attnum = k.number order by k.n),
          target = (select a.attname from pg_attribute a where a.attrelid = c.source and a.attnum = c.target_number)
      where m.number = c.number;
      update pgoffload.maintained_state s
      set paused_by = null, paused_at = null, failing = null, failing_until = null, failing_pause = null, blocked = null
      where s.number = c.number;
      perform pgoffload.make_trigger_function(c);
    when 'backfill' then
      update pgoffload.maintained_state s set backfill = true, backfill_after = null where s.number = c.number;
    when 'retry' then
      insert into pgoffload.maintained_due (number, row_id, key)
      select r.number, r.row_id, r.key from pgoffload.maintained_row r
      where r.number = c.number and r.error_code is not null
        and not exists (select from pgoffload.maintained_due d where d.number = r.number and d.row_id = r.row_id)
      order by r.failed_at;
      get diagnostics row_count = row_count;
    when 'drop' then
      delete from pgoffload.maintained_column m where m.number = c.number;
      delete from pgoffload.maintained_state s where s.number = c.number;
      delete from pgoffload.maintained_answer a where a.number = c.number;
      delete from pgoffload.maintained_due d where d.number = c.number;
      delete from pgoffload.maintained_row r where r.number = c.number;
      delete from pgoffload.maintained_sweep w where w.number = c.number;
      delete from pgoffload.maintained_count n where n.number = c.number;
    else
      raise exception 'unknown command "%"', given ->> 'command' using errcode = 'invalid_parameter_value';
  end case;
  return jsonb_build_object(
    'source', (select t.oid::regclass::text from pg_class t where t.oid = c.source),
    'without_trigger', not pgoffload.has_trigger(c),
    'rows', row_count);
end
$$;

-- API: Private. Obeys a command for a maintained column, pause, resume, backfill, retry or drop, if the caller has the
-- declarer's privileges. llm_maintain_pause and its like call it.
create or replace aggregate pgoffload.command_maintained(command text, name text) (
  sfunc = pgoffload.stamp_maintained_command,
  stype = jsonb,
  finalfunc = pgoffload.obey_maintained_command
);

-- API: Public. Has no more rows asked about until llm_maintain_resume. What is under way is still answered and written, what
-- changes meanwhile is asked about then.
create or replace function ${public_schema}.llm_maintain_pause(
  name text)         -- of a maintained column whose declarer's privileges the caller has
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  perform (select pgoffload.command_maintained('pause', llm_maintain_pause.name));
end
$$;

-- API: Public. Lets a maintained column go on, whatever it was paused for, if nothing keeps it from it; else it raises what
-- does. Columns that were renamed are found again, and so is a trigger that is gone. One that was restored, or came with a
-- copy of the database, compares all rows.
create or replace function ${public_schema}.llm_maintain_resume(
  name text)         -- of a maintained column whose declarer's privileges the caller has
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  resumed constant jsonb := (select pgoffload.command_maintained('resume', llm_maintain_resume.name));
begin
  if (resumed -> 'without_trigger')::boolean then
    perform pgoffload.make_trigger(llm_maintain_resume.name, (resumed ->> 'source')::regclass);
  end if;
end
$$;

-- API: Public. Has all rows compared with what their answers are of, and asked about where they differ: rows that no trigger
-- has seen, as those of a partition that was attached, or of a load without triggers.
create or replace function ${public_schema}.llm_maintain_backfill(
  name text)         -- of a maintained column whose declarer's privileges the caller has
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  perform (select pgoffload.command_maintained('backfill', llm_maintain_backfill.name));
end
$$;

-- API: Public. Has all rows asked about again whose last request has failed.
create or replace function ${public_schema}.llm_maintain_retry(
  name text)         -- of a maintained column whose declarer's privileges the caller has
returns bigint       -- how many rows
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  return (select pgoffload.command_maintained('retry', llm_maintain_retry.name)) -> 'rows';
end
$$;

-- API: Public. Ends the maintenance of a column: its values stay as they are. The trigger is dropped too if the caller may;
-- else a notice says so, and it does nothing.
create or replace function ${public_schema}.llm_maintain_drop(
  name text)         -- of a maintained column whose declarer's privileges the caller has
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  source constant text := (select pgoffload.command_maintained('drop', llm_maintain_drop.name)) ->> 'source';
  statement constant text := format('drop trigger if exists %I on %s', 'pgoffload maintains ' || llm_maintain_drop.name, source);
begin
  if source is null then
    return;
  end if;
  begin
    execute statement;
  exception when insufficient_privilege then
    raise notice 'the trigger stays on %, and does nothing', source
      using hint = format('Only the owner of the table may drop it: %s', statement);
  end;
end
$$;

-- API: Public. The maintained columns whose declarer's privileges the reader has, and how they stand. Runs with its owner's
-- rights: nobody else reads the tables.
create or replace view ${public_schema}.llm_maintained with (security_barrier) as
select m.name, m.source,
       coalesce(m.into_table::text, case when o.elsewhere is null then (
         select a.attname from pg_catalog.pg_attribute a where a.attrelid = m.source and a.attnum = m.target_number and not a.attisdropped) end,
         m.target) as target,
       case when o.elsewhere is not null or s.paused_by is not null then 'paused'
            when o.obstacle is not null then 'blocked'
            when s.failing_until is not null then 'failing'
            when s.backfill then 'backfilling'
            else 'active' end as status,
       t.rows, greatest(0, n.asked - n.ended) + d.rows as pending, n.done, f.failed, n.stale, n.tokens, n.cost,
       coalesce(o.elsewhere,
         case when s.paused_by is not null then pg_catalog.format('by %s since %s', s.paused_by, s.paused_at) end,
         o.obstacle,
         case when s.failing_until is not null then pg_catalog.format('until %s: %s', s.failing_until, s.failing) end) as paused,
       coalesce(s.failing, s.task_error, f.last_error) as last_error,
       greatest(d.behind,
         case when n.ended < s.mark_asked then pg_catalog.clock_timestamp() - s.mark_at else '0' end) as behind
from pgoffload.maintained_column m
join pgoffload.maintained_state s on s.number = m.number
join pgoffload.maintained_total n on n.number = m.number
cross join pgoffload.installation i
cross join lateral (
  select case when m.installation <> i.id::uuid
              then pg_catalog.format('it was declared in another installation; to compare all rows and go on: select llm_maintain_resume(%L)', m.name) end,
         coalesce(pgoffload.maintained_obstacle(m), case when not pgoffload.has_trigger(m)
              then pg_catalog.format('its trigger is not on %s, or disabled; to put it there: select llm_maintain_resume(%L)', m.source, m.name) end)
) o (elsewhere, obstacle)
cross join lateral (
  -- null where the server has counted none yet
  select pg_catalog.sum(c.reltuples) filter (where c.reltuples >= 0)::bigint
  from pg_catalog.pg_class c
  where c.relkind = 'r'
    and (c.oid = m.source or c.oid = any (array(select x.relid from pg_catalog.pg_partition_tree(m.source) x where x.isleaf)))
) t (rows)
cross join lateral (
  select pg_catalog.count(*), (
    select pg_catalog.concat_ws(': ', r.error_code, r.error_message)
    from pgoffload.maintained_row r
    where r.number = m.number and r.error_code is not null order by r.failed_at desc limit 1)
  from pgoffload.maintained_row r where r.number = m.number and r.error_code is not null
) f (failed, last_error)
cross join lateral (
  select pg_catalog.count(*), coalesce(pg_catalog.max(pg_catalog.clock_timestamp() - d.since), '0')
  from pgoffload.maintained_due d where d.number = m.number
) d (rows, behind)
where pg_catalog.pg_has_role(m.declarer, 'usage');

-- API: Private. The rows of maintained columns whose last request has failed, of declarers whose privileges the reader
-- has. Runs with its owner's rights.
create or replace view pgoffload.maintained_failure with (security_barrier) as
select m.name, pg_catalog.jsonb_object(m.key_columns::text[], r.key) as key,
       pg_catalog.concat_ws(': ', r.error_code, r.error_message) as error, r.failed_at, r.attempts
from pgoffload.maintained_column m
join pgoffload.maintained_row r on r.number = m.number
where r.error_code is not null and pg_catalog.pg_has_role(m.declarer, 'usage');

-- API: Public. The rows of a maintained column whose last request has failed, the latest first.
create or replace function ${public_schema}.llm_maintain_failed(
  name text)                 -- of a maintained column whose declarer's privileges the caller has
returns table (
  key jsonb,                 -- the primary key: its columns, with their values as text
  error text,                -- <error_code>: <error_message>
  failed_at timestamptz,
  attempts integer)          -- how many requests have failed one after another
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (select from ${public_schema}.llm_maintained m where m.name = llm_maintain_failed.name) then
    perform pgoffload.raise_unknown_maintained(llm_maintain_failed.name);
  end if;
  return query
    select f.key, f.error, f.failed_at, f.attempts from pgoffload.maintained_failure f
    where f.name = llm_maintain_failed.name order by f.failed_at desc, f.key;
end
$$;
