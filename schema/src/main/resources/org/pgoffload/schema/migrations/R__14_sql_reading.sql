-- The functions and views that show what becomes of background SQL: status, waiting, rows, errors. They run with the
-- caller's own rights, so that row-level security decides.

-- API: Private. Whether this session has launched a request; read or detached, it is one of its own all the same.
-- It may not be recorded yet, and its launcher may see no table in which it is.
create or replace function pgoffload.is_launched_here(id bigint) returns boolean
language sql volatile
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(pgoffload.kept('attached') ~ format('=%s/', id), false)
      or coalesce(pgoffload.kept('left') ~ format('=%s/', id), false)
$$;

-- API: Private. Waits, behind a pooler, until a launch of another transaction is recorded, which takes a moment; a second
-- at most. Whether the caller sees it.
create or replace function pgoffload.await_recording(id bigint) returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  since constant timestamptz := clock_timestamp();
begin
  if not pgoffload.is_pooled() or pgoffload.may_be_on_its_way(id) is not true
     or current_setting('transaction_isolation') not in ('read committed', 'read uncommitted')
     or exists (select from ${public_schema}.llm_request q where q.id = await_recording.id) then
    return false;
  end if;
  loop
    if exists (select from ${public_schema}.sql_request q where q.id = await_recording.id) then
      return true;
    end if;
    exit when clock_timestamp() > since + interval '1 s';
    perform pgoffload.pause_polling(since);
  end loop;
  return false;
end
$$;

-- API: Private. Whether a request may be one that the caller sees: launched here, recorded, or not recorded yet.
create or replace function pgoffload.may_be_visible(id bigint) returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  if pgoffload.is_launched_here(id) or pgoffload.may_be_launched(id) then
    return true;
  end if;
  -- a statement of its own, which sees what was recorded before the answer above
  return exists (select from ${public_schema}.sql_request q where q.id = may_be_visible.id);
end
$$;

-- API: Private. The handle of a request id.
create or replace function pgoffload.handle_of(id bigint) returns pgoffload.attachment
language sql volatile
set search_path = pg_catalog, pg_temp
as $$
  select row (id, current_setting('transaction_isolation') not in ('read committed', 'read uncommitted')
                  and pgoffload.is_launched_here(id))::pgoffload.attachment
$$;

-- API: Private. The result of a request once all of it is here, or null.
create or replace function pgoffload.sql_outcome(handle pgoffload.attachment) returns pgoffload.sql_result
language plpgsql volatile
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
as $$
declare
  result pgoffload.sql_result;
  content text;
begin
  select r.* into result from pgoffload.sql_result r where r.id = handle.id and r.id >= pgoffload.recent_from();
  if not found and handle.id < pgoffload.recent_from() then
    -- planned with the id, so that it locks the one partition
    execute 'select r.* from pgoffload.sql_result r where r.id = $1' into result using handle.id;
  end if;
  if result.id is not null and (result.chunks = 0 or pgoffload.has_all_chunks(result)) then
    return result;
  end if;
  if handle.large then
    content := (select pgoffload.read_large_answer(handle.id));
    if content is not null then
      return jsonb_populate_record(null::pgoffload.sql_result, split_part(content, E'\n', 1)::jsonb);
    end if;
  end if;
  return null;
end
$$;

-- What returns nothing is assigned to a variable below: PL/pgSQL evaluates that without the executor.

-- API: Private. Waits until a request has ended, or the deadline has come; returns its result, or null. While it runs, its
-- session holds an advisory lock: waiting for that wakes at once, and shows the server a task that waits for its caller.
-- The slices are shorter than deadlock_timeout, so that it is the task's wait that the detector looks at and the task that
-- it ends; now and then a longer one catches what fell between two of them. Restores the caller's own lock_timeout. Keeps
-- the plan of a look, as await_llm does.
--
-- Until a worker claims the request, it is polled for. The session remembers how long its last request was queued
-- (pgoffload.queued_ms): the first pause is half of that, and a busy machine is left to the parts that answer. It also
-- remembers when it has launched the last one (pgoffload.launched): that one is not looked for before.
create or replace function pgoffload.await_outcome(
  handle pgoffload.attachment,
  deadline timestamptz)         -- or null
returns pgoffload.sql_result
language plpgsql volatile
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set jit = off
set lock_timeout = 0
as $$
declare
  lock_space constant integer := 1885826918;
  number constant integer := pgoffload.pid_of(handle.id);
  began constant timestamptz := clock_timestamp();
  large constant boolean := coalesce(handle.large, false);
  result pgoffload.sql_result;
  -- how long ago this session has launched it, in seconds; null: it is not the last one
  age constant double precision := case
    when split_part(pgoffload.kept('launched'), '/', 1) = handle.id::text then
      date_part('epoch', began) - substring(pgoffload.kept('launched') from '/([0-9]{1,13})$')::double precision / 1000 end;
  first_pause double precision := least(0.05, pgoffload.remembered_ms('pgoffload.queued_ms') / 2000 - coalesce(age, 0));
  since timestamptz := began;
  next_look timestamptz := began + interval '2 s';
  claimed boolean := large;
  has_old_snapshot constant boolean := current_setting('transaction_isolation') not in ('read committed', 'read uncommitted');
  due boolean := deadline is not null or large or age is null or first_pause < 0.001 or has_old_snapshot;
  looked boolean;
  looks integer := 0;
  slices integer := 0;
  waited double precision;
  patience double precision;
  slice double precision;
  ignored text;
begin
  loop
    -- What is not claimed has no result, but for an old request, whose claim may have been removed before it, and one
    -- that no worker could execute.
    looked := claimed or due;
    if looked then
      if large or handle.id < pgoffload.recent_from() then
        result := pgoffload.sql_outcome(handle);
      else
        select r.* into result from pgoffload.sql_result r where r.id = handle.id and r.id >= pgoffload.recent_from();
      end if;
      if result.id is not null and (large or result.chunks = 0 or pgoffload.has_all_chunks(result)) then
        if looks = 0 then
          ignored := pgoffload.remember_ms('pgoffload.queued_ms', 0);
        end if;
        return result;
      end if;
    end if;
    if not claimed and (due or looks > 0) then
      claimed := exists (select from pgoffload.claim c where c.id = handle.id and c.id >= pgoffload.recent_from());
      if not claimed and handle.id < pgoffload.recent_from() then
        execute 'select exists (select from pgoffload.claim c where c.id = $1)' into claimed using handle.id;
      end if;
      if claimed then
        -- one that queued for long says little of the next
        ignored := pgoffload.remember_ms('pgoffload.queued_ms',
          case looks when 0 then 0 else least(date_part('epoch', clock_timestamp() - began) * 1000, 999999) end);
      end if;
    end if;
    if looks = 0 and pg_current_xact_id_if_assigned() is not null then
      if exists (
          select from ${public_schema}.sql_request q
          where q.id = handle.id and q.created_xid = pg_current_xact_id_if_assigned()) then
        raise exception 'cannot wait for request %, which this transaction has inserted', handle.id
          using errcode = 'object_not_in_prerequisite_state',
                detail = 'It is sent when the transaction commits.',
                hint = 'Commit first and wait then, or use pg_background_launch, which sends at once.';
      end if;
    end if;
    if looks = 0 and not large and has_old_snapshot then
      raise exception 'cannot wait for sql request % in a % transaction', handle.id, upper(current_setting('transaction_isolation'))
        using errcode = 'feature_not_supported',
              detail = 'It was launched outside this transaction, which does not see what is committed after its first statement.',
              hint = 'Wait in READ COMMITTED, or launch it in the same transaction.';
    end if;
    if (looked or not claimed) and clock_timestamp() >= deadline then
      return null;
    end if;
    looks := looks + 1;
    due := clock_timestamp() >= next_look;
    if due then
      ignored := pgoffload.raise_if_lost(handle.id, began);
      if not pgoffload.may_be_visible(handle.id) then
        raise exception 'PID % is not attached to this session', number
          using errcode = 'undefined_object',
                hint = 'It was on its way when the wait began: another role has launched it, or it has been removed since.';
      end if;
      next_look := clock_timestamp() + least(interval '10 s', (clock_timestamp() - began) / 2);
    end if;
    -- not before it is claimed: the worker must find the lock free
    if not claimed or pg_try_advisory_lock_shared(lock_space, number) then
      if claimed then
        ignored := pg_advisory_unlock_shared(lock_space, number);
      end if;
      -- one that has just been claimed and holds no lock may have ended
      if looked or not claimed then
        waited := date_part('epoch', clock_timestamp() - since);
        ignored := pgoffload.pause(least(
          greatest(0.001, least(waited / 5, 0.05), least(waited / 20, 1), case when not claimed then first_pause end),
          date_part('epoch', deadline - clock_timestamp())));
        first_pause := 0;
      end if;
    else
      slices := slices + 1;
      patience := date_part('epoch', current_setting('deadlock_timeout')::interval);
      slice := least(
        case when slices % 5 = 0 then patience * 1.5 else patience * 0.9 end,
        date_part('epoch', deadline - clock_timestamp()));
      ignored := set_config('lock_timeout', greatest(1, ceil(slice * 1000)::integer)::text, true);
      begin
        ignored := pg_advisory_lock_shared(lock_space, number);
        ignored := pg_advisory_unlock_shared(lock_space, number);
        -- the task has ended: its result comes soon
        since := clock_timestamp();
      exception when lock_not_available then
        null;
      end;
    end if;
  end loop;
end
$$;

-- API: Private. The same for callers that need to know only whether it has ended. Callers that wait while this version is
-- installed have called it.
create or replace function pgoffload.await_sql(
  handle pgoffload.attachment,
  deadline timestamptz)         -- or null
returns boolean                 -- whether it has ended
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  return (pgoffload.await_outcome(handle, deadline)).id is not null;
end
$$;

-- API: Private. Raises what a task's session said, each with its level.
create or replace function pgoffload.raise_notices(notices jsonb) returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  notice jsonb;
begin
  for notice in select n from jsonb_array_elements(notices) n loop
    perform pgoffload.raise_notice(
      case when notice ->> 'severity' in ('WARNING', 'INFO', 'LOG', 'DEBUG') then notice ->> 'severity' else 'NOTICE' end,
      coalesce(notice ->> 'message', ''), coalesce(notice ->> 'sqlstate', '00000'), notice ->> 'detail', notice ->> 'hint');
  end loop;
end
$$;

-- API: Private. Raises a task's failure. The statement's comment becomes a line of the error's context; what the
-- task's own context was is not made part of a statement, pg_background_error_info has it.
create or replace function pgoffload.raise_task_failure(result pgoffload.sql_result) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  execute format('select pgoffload.raise_task_error($1) -- background worker, pid %s', pgoffload.pid_of(result.id))
  using result.error;
end
$$;

-- API: Private. The types of a result's columns, to be cast to, so that no search_path changes what they mean: by
-- the words of the SQL standard, which are the server's own, or with their schema.
create or replace function pgoffload.result_types(
  columns jsonb,
  -- The role that wrote the rows, where the reader names no types: a domain's check or a cast to json would run code of
  -- that role with the reader's rights. Such a value stays text, unless the reader is that role. 0: no role.
  writer oid default null)
returns text[]
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  trusted constant boolean := coalesce(writer = quote_ident(current_user)::regrole, true);
  types text[] := '{}';
  gone text;
  type_oid oid;
begin
  -- columns of the types that are used most need no query; up to 16, since a column is found by its place
  for i in 0 .. least(jsonb_array_length(columns), 16) - 1 loop
    type_oid := columns -> i ->> 'type_oid';
    types := types || case
      -- bool, int8, int2, int4, float4, float8, varchar, time, timestamp, timestamptz, interval, numeric
      when type_oid in (16, 20, 21, 23, 700, 701, 1043, 1083, 1114, 1184, 1186, 1700)
        then format_type(type_oid, (columns -> i ->> 'typmod')::integer)
      -- bytea, text, json, date, uuid, jsonb
      when type_oid in (17, 25, 114, 1082, 2950, 3802)
        then 'pg_catalog.' || format_type(type_oid, (columns -> i ->> 'typmod')::integer)
    end;
    exit when types[i + 1] is null;
  end loop;
  if array_position(types, null) is null and cardinality(types) = jsonb_array_length(columns) then
    return types;
  end if;
  -- what nothing can be cast to (record, anyarray in pg_stats, …) stays text
  select array_agg(case when t.oid is null or t.typtype = 'p' and (t.typname <> 'void' or writer is not null)
                          or t.typnamespace <> 'pg_catalog'::regnamespace and not trusted then 'pg_catalog.text'
                        when t.typnamespace <> 'pg_catalog'::regnamespace
                          or formatted ~ '^(bit|boolean|character|real|double precision|smallint|integer|bigint|numeric|interval|time|timestamp)([^[:alnum:]_]|$)'
                          then formatted
                        else 'pg_catalog.' || formatted end order by n),
         min(c ->> 'type') filter (where t.oid is null)
  into types, gone
  from jsonb_array_elements(columns) with ordinality e (c, n)
  left join pg_type t on t.oid = (c ->> 'type_oid')::oid,
  lateral (select format_type(t.oid, (c ->> 'typmod')::integer) as formatted) f;
  if gone is not null and writer is null then
    raise exception 'the type % of a column of the result does not exist any more', gone
      using errcode = 'undefined_object', hint = 'sql_rows_json and the results topic have the row''s text.';
  end if;
  return coalesce(types, '{}');
end
$$;

-- Values are read from their text with the rights and under the search_path of the reader: a domain's check finds what
-- it would find in any other statement of the reader's, and nothing that the writer has set. So the functions that read
-- have no search_path of their own, and they and their query name every function, operator and type with its schema.
-- Whatever else changes how a text is read is fixed: their SET clauses say in which form a worker writes money and
-- dates, and under sql_standard the texts of an interval of all four styles are read as what they were.

-- API: Private. A query, in parentheses, for the values of stored rows as text: c1, c2, … Its parameters are those of
-- pgoffload.rows_query.
create or replace function pgoffload.stored_rows_query(chunks text, width integer, split boolean, large boolean) returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select concat(
    '(select ',
    -- rows without columns have one in the table
    (select string_agg(format('pg_catalog.unnest(c.a[%s]::pg_catalog.text[]) as c%1$s', i), ', ' order by i)
     from generate_series(1, greatest(width, 1)) i),
    ' from (',
    case
      when split then
        -- the pieces of a row up to its last one
        'select coalesce(c.columns, array(select array[v.value]::pg_catalog.text from pg_catalog.unnest(c.pieces) with ordinality v (value, n) '
        'order by v.n)) as a from (select pg_catalog.max(c.columns) filter (where c.ends is null) as columns, '
        'pg_catalog.string_agg(c.columns[1], '''' order by c.number) filter (where c.ends is not null)::pg_catalog.text[] as pieces '
        'from (select c.*, pg_catalog.count(*) filter (where c.ends is not false) '
        'over (order by c.number rows between unbounded preceding and 1 preceding) as ended '
        || found.chunks || ') c group by c.ended order by c.ended) c'
      else
        -- the concatenation has each chunk in memory once, for all of its columns
        'select pg_catalog.array_cat(c.columns, null::pg_catalog.text[]) as a from (select c.columns '
        || found.chunks || ' order by c.number) c'
    end,
    ' offset 0) c)')
  from (select case when large then
      -- after the first line, which is the result
      'from pg_catalog.string_to_table($4, pg_catalog.chr(10)) with ordinality l (line, n), '
      'lateral pg_catalog.jsonb_populate_record(null::pgoffload.sql_rows, l.line::pg_catalog.jsonb) c '
      'where l.n operator(pg_catalog.>) 1 and l.line operator(pg_catalog.<>) '''''
    else chunks end as chunks) found
$$;

-- API: Private. A query for the rows of a result. Its parameters are the id, the attempt, the rows that came with the
-- result, and the text of a large object. Rows that the worker has stored are read a column at a time, all others from
-- JSON. Values of the server's own types are cast, by way of varchar, because the
-- cast from text of some is another one than their input function. For other types a cast may be a user's function,
-- which is even run while the query is planned, before PL/pgSQL has compared the reader's columns: there the input
-- function is called, as jsonb_to_record does it with a string.
create or replace function pgoffload.rows_query(result pgoffload.sql_result, types text[], large boolean) returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  is_stored constant boolean := result.stored > 0;
  -- chunks of other numbers than the result's own do not count
  chunks constant text := case when is_stored or result.chunks > 0 then format(
    'from pgoffload.%s c where c.id operator(pg_catalog.=) $1 and c.attempt operator(pg_catalog.=) $2 '
    'and c.number operator(pg_catalog.>=) 1 and c.number operator(pg_catalog.<=) %s',
    case when is_stored then 'sql_rows' else 'sql_chunk' end, case when is_stored then result.stored else result.chunks end) end;
  value text;
  selected text[] := '{}';
  names text[] := '{}';
  texts text[] := '{}';
  others text[] := '{}';
begin
  for i in 1 .. cardinality(types) loop
    value := case when is_stored then format('r.c%s', i) else format('(r operator(pg_catalog.->>) %s)', i - 1) end;
    if types[i] in ('pg_catalog.void', 'pg_catalog."void"') then
      selected := selected || text '''''::pg_catalog.void';
    elsif types[i] ~ '^pg_catalog[.]' or strpos(types[i], '.') = 0 then
      selected := selected || format('%s::pg_catalog.%s::%s', value,
        -- the one type whose cast from varchar takes less than its input function
        case when types[i] in ('pg_catalog.regclass', 'pg_catalog."regclass"') then 'bpchar' else 'varchar' end, types[i]);
    else
      selected := selected || format('o.c%s', i);
      names := names || format('c%s', i);
      texts := texts || value;
      others := others || format('c%s %s', i, types[i]);
    end if;
  end loop;
  return concat(
    'select ', array_to_string(selected, ', '), ' from ',
    case
      when is_stored then pgoffload.stored_rows_query(chunks, cardinality(types), result.split, large) || ' r'
      when result.chunks = 0 then 'pg_catalog.jsonb_array_elements($3) r'
      when large then
        -- after the first line, which is the result
        '(select l.line::pg_catalog.jsonb as rows from pg_catalog.string_to_table($4, pg_catalog.chr(10)) with ordinality l (line, n) '
        'where l.n operator(pg_catalog.>) 1 and l.line operator(pg_catalog.<>) '''' order by l.n) c, '
        'pg_catalog.jsonb_array_elements(c.rows) r'
      when not result.split then
        '(select c.rows ' || chunks || ' order by c.number) c, pg_catalog.jsonb_array_elements(c.rows) r'
      else
        -- the pieces of a row up to its last one
        '(select coalesce((pg_catalog.array_agg(c.rows))[1], pg_catalog.string_agg(c.piece, '''' order by c.number)::pg_catalog.jsonb) as rows '
        'from (select c.*, pg_catalog.count(*) filter (where c.ends) over (order by c.number rows between unbounded preceding and 1 preceding) as ended '
        || chunks || ') c group by c.ended order by c.ended) c, pg_catalog.jsonb_array_elements(c.rows) r'
    end,
    case when others <> '{}' then format(
      ', lateral pg_catalog.jsonb_to_record(pg_catalog.jsonb_object(%L::pg_catalog.text[], array[%s])) o (%s)',
      names, array_to_string(texts, ', '), array_to_string(others, ', ')) end);
end
$$;

-- API: Private. Whether a request is being executed: a live worker has claimed it, and has begun it on a session. One
-- that waits for a connection is queued.
create or replace function pgoffload.is_running(id bigint) returns boolean
language sql volatile
set search_path = pg_catalog, pg_temp
as $$
  select coalesce((
    select pgoffload.worker_is_alive(c.worker, c.epoch)
       and exists (select from pgoffload.sql_session s where s.id = c.id and s.attempt = c.attempt)
    from pgoffload.claim c where c.id = is_running.id
    -- a dead worker's request waits for the next one
    order by c.attempt desc limit 1), false)
$$;

-- API: Private. What a request has last told of its progress, or, before it has begun, what it waits for.
create or replace function pgoffload.last_progress(id bigint, out pct integer, out message text)
language sql volatile
set search_path = pg_catalog, pg_temp
as $$
  select s.pct, s.message from pgoffload.sql_progress s
  where s.id = last_progress.id and (not s.waits or not pgoffload.is_running(last_progress.id))
  order by s.number desc limit 1
$$;

-- API: Public. The state of a request: queued, running, succeeded, failed, cancelled or expired.
create or replace function ${public_schema}.sql_status(
  id bigint)         -- of a request that the caller may see
returns text         -- queued | running | succeeded | failed | cancelled | expired
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  outcome pgoffload.sql_result := pgoffload.sql_outcome(pgoffload.handle_of(id));
begin
  if outcome.id is not null then
    return outcome.status;
  end if;
  if not exists (select from ${public_schema}.sql_request q where q.id = sql_status.id) then
    if pgoffload.is_launched_here(id) then
      return 'queued';
    elsif not pgoffload.await_recording(id) then
      perform pgoffload.raise_unknown_request('sql', id);
    end if;
  end if;
  return case when pgoffload.is_running(id) then 'running' else 'queued' end;
end
$$;

-- API: Public. What became of a request: its status, command tag, row count and error. Never raises for a failed one.
create or replace function ${public_schema}.sql_result(
  id bigint,                  -- of a request that the caller may see
  out status text,
  out tag text,               -- of the last statement: INSERT 0 3, CREATE TABLE, …; null while it has not ended
  out row_count bigint,       -- how many rows the last statement returned or changed
  out error text,             -- what went wrong, or null
  out sqlstate text,
  out detail text,
  out hint text,
  out "position" integer,     -- the character of the command that the error is about
  out attempts integer,
  out queued interval,        -- from the request to its claim
  out ran interval,           -- from its claim to its result
  out finished_at timestamptz)
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  r pgoffload.sql_result := pgoffload.sql_outcome(pgoffload.handle_of(id));
begin
  if r.id is null then
    status := ${public_schema}.sql_status(id);
    return;
  end if;
  status := r.status;
  tag := r.tags[cardinality(r.tags)];
  row_count := coalesce(r.row_count, substring(tag from ' ([0-9]+)$')::bigint);
  error := r.error ->> 'message';
  sqlstate := r.error ->> 'sqlstate';
  detail := r.error ->> 'detail';
  hint := r.error ->> 'hint';
  "position" := r.error ->> 'position';
  attempts := r.attempt;
  queued := make_interval(secs => r.queued_ms / 1000);
  ran := make_interval(secs => r.ran_ms / 1000);
  finished_at := r.finished_at;
end
$$;

-- API: Private. The result of a request that has ended well, for its rows.
create or replace function pgoffload.rows_outcome(id bigint) returns pgoffload.sql_result
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  r pgoffload.sql_result := pgoffload.sql_outcome(pgoffload.handle_of(id));
begin
  if r.id is null then
    raise exception 'sql request % is still %', id, ${public_schema}.sql_status(id)
      using errcode = 'object_not_in_prerequisite_state', hint = 'Wait for it: select * from llm_wait(array[' || id || '])';
  end if;
  if r.status <> 'succeeded' then
    perform pgoffload.raise_task_failure(r);
  end if;
  return r;
end
$$;

-- API: Private. The rows of a result that a caller with an old snapshot finds in a large object, or null.
create or replace function pgoffload.large_rows(handle pgoffload.attachment, result pgoffload.sql_result) returns text
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  if handle.large and result.chunks > 0 then
    return (select pgoffload.read_large_answer(handle.id));
  end if;
  return null;
end
$$;

-- API: Private. What to declare the columns of a result as.
create or replace function pgoffload.columns_hint(types text[]) returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  select case when cardinality(types) = 0 then 'The rows have no columns: read them with sql_rows_json.'
              else 'The columns are: ' || replace(array_to_string(types, ', '), 'pg_catalog.', '') end
$$;

-- API: Private. The rows of a result under the settings in which they were written, for a query that names the
-- types as its columns'.
create or replace function pgoffload.cast_rows(result pgoffload.sql_result, types text[], content text)
returns setof record
language plpgsql volatile
set intervalstyle = 'sql_standard'
set datestyle = 'ISO'
set lc_monetary = 'C'
as $$
begin
  return query execute pgoffload.rows_query(result, types, content is not null)
  using result.id, result.attempt, result.rows, content;
end
$$;

-- API: Private. A query for the rows of a result as JSON. Its parameters are the result, the types of its columns, and
-- the text of a large object.
create or replace function pgoffload.rows_as_json_query(columns jsonb, types text[]) returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  given constant text[] := array(select c ->> 'name' from jsonb_array_elements(columns) with ordinality e (c, n) order by n);
  name text;
  unique_name text;
  number integer;
  names text[] := '{}';
begin
  foreach name in array given loop
    number := 1;
    unique_name := name;
    while unique_name = any (names) or number > 1 and unique_name = any (given) loop
      number := number + 1;
      unique_name := name || '_' || number;
    end loop;
    names := names || unique_name;
  end loop;
  if names = '{}' then
    return 'select pg_catalog.jsonb_build_object() from pg_catalog.generate_series(1, ($1).row_count)';
  end if;
  -- the row, also where a column has this name
  return 'select pg_catalog.to_jsonb(t.*) from pgoffload.cast_rows($1, $2, $3) t ('
    || (select string_agg(format('%I %s', c, t), ', ' order by n) from unnest(names, types) with ordinality u (c, t, n))
    || ')';
end
$$;

-- Names everything with its schema, as the functions that cast do.
-- API: Public. The rows of a request as JSON objects; no column list is needed.
create or replace function ${public_schema}.sql_rows_json(
  id bigint)             -- of a request that the caller may see
returns setof jsonb      -- an object for each row; of several columns of one name, later ones are numbered
language plpgsql volatile
as $$
declare
  result pgoffload.sql_result := pgoffload.rows_outcome(id);
  writer pg_catalog.oid := result.requested_by_oid;
  types pg_catalog.text[];
begin
  if result.columns is null then
    return;
  end if;
  -- Two logins that have set the same role are not the same: code of the one could go back to the other's login. With an
  -- old snapshot the request of this very session is not seen.
  if coalesce(
      (select q.login_oid from ${public_schema}.sql_request q where q.id operator(pg_catalog.=) sql_rows_json.id)
        operator(pg_catalog.<>) pgoffload.login_oid(),
      not pgoffload.is_launched_here(id)) then
    writer := 0;
  end if;
  types := pgoffload.result_types(result.columns, writer);
  return query execute pgoffload.rows_as_json_query(result.columns, types)
  using result, types, pgoffload.large_rows(pgoffload.handle_of(id), result);
end
$$;

-- API: Public. Asks at once, whatever becomes of the transaction, that a request be cancelled; it ends as cancelled, or
-- as what it had become by then.
create or replace function ${public_schema}.sql_cancel(
  id bigint)          -- of a request that the caller may see
returns boolean       -- whether it had not ended yet
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  if ${public_schema}.sql_status(id) not in ('queued', 'running') then
    return false;
  end if;
  perform (select pgoffload.emit_command('cancel', id, null, null));
  return true;
end
$$;

-- API: Public. The SQL requests that have not ended and that the reader may see.
create or replace view ${public_schema}.sql_queue with (security_invoker) as
select q.id, coalesce((select r.rolname from pg_catalog.pg_roles r where r.oid = q.requested_by_oid), q.requested_by) as requested_by,
       q.label, pg_catalog.left(q.command, 120) as command,
       case when pgoffload.is_running(q.id) then 'running' else 'queued' end as status,
       q.created_at, pg_catalog.clock_timestamp() - q.created_at as age, e.attempt as attempts, e.worker,
       p.pct as progress_pct, p.message as progress_msg
from ${public_schema}.sql_request q
left join lateral (
  select x.attempt, x.worker from pgoffload.claim x
  where x.id = q.id order by x.attempt desc limit 1) e on true
left join lateral pgoffload.last_progress(q.id) p on true
where not exists (select from pgoffload.sql_result r where r.id = q.id);

-- The functions that return rows: the same body, because only the function itself knows the caller's column
-- definition list. They differ in how they find their result, and pg_background_run_query in what it sets: a SET
-- clause would be in force before it launches, and go with the task.
-- Makes: ${public_schema}.sql_rows(bigint)
-- Makes: ${public_schema}.pg_background_result(integer)
-- Makes: ${public_schema}.pg_background_result(integer, bigint)
-- Makes: ${public_schema}.pg_background_result_v2(integer, bigint)
-- Makes: ${public_schema}.pg_background_run_query(text, integer, integer, text, text)
-- Makes: ${public_schema}.pg_background_run_query_v2(text, integer, integer, text, text)
do $do$
declare
  signature text;
  body constant text := $body$
create or replace function ${public_schema}.@signature@ returns setof record
language plpgsql volatile @settings@
as $function$
declare
  launched ${public_schema}.pg_background_handle;
  before pg_catalog.text[];
  handle pgoffload.attachment;
  result pgoffload.sql_result;
  types pg_catalog.text[];
  retyped pg_catalog.text[];
  content pg_catalog.text;
  said pg_catalog.text;
  ignored pg_catalog.text;
begin
  @find@
  if result.columns is null then
    begin
      return query select pg_catalog.unnest(result.tags);
    exception when datatype_mismatch then
      raise exception 'remote query did not return a result set, but result rowtype is not a single text column'
        using errcode = 'datatype_mismatch', hint = 'Declare the result as: as (result text)';
    end;
    @end@
    return;
  end if;
  types := pgoffload.result_types(result.columns);
  if handle.large then
    content := pgoffload.large_rows(handle, result);
  end if;
  -- once, and once for each column that is declared with another modifier
  for i in 0 .. pg_catalog.cardinality(types) loop
    begin
      return query execute pgoffload.rows_query(result, types, content is not null)
      using result.id, result.attempt, result.rows, content;
      @end@
      return;
    exception when datatype_mismatch then
      get stacked diagnostics said = pg_exception_detail;
      retyped := pgoffload.with_declared_modifier(types, said);
      exit when retyped is null;
      types := retyped;
    end;
  end loop;
  raise exception 'remote query result rowtype does not match the specified FROM clause rowtype'
    using errcode = 'datatype_mismatch', detail = said, hint = pgoffload.columns_hint(types);
end
$function$
$body$;
  pinned constant text := $settings$strict
set intervalstyle = 'sql_standard'
set datestyle = 'ISO'
set lc_monetary = 'C'$settings$;
  -- c: read, d: detached
  taken constant text := $find$
  ignored := pgoffload.leave(handle.id, '%s');
  if result.notices is not null then
    perform pgoffload.raise_notices(result.notices);
  end if;
  if result.status operator(pg_catalog.<>) 'succeeded' then
    perform pgoffload.raise_task_failure(result);
  end if;$find$;
  found constant text := $find$
  ignored := pgoffload.refuse_results_of_submitted(handle.id, pid);
  result := pgoffload.await_outcome(handle, null);
  if pgoffload.is_pooled() then
    -- it may have been recorded meanwhile
    ignored := pgoffload.refuse_results_of_submitted(handle.id, pid);
  end if;$find$ || format(taken, 'c');
  run constant text := $find$
  if sql is null then
    return;
  end if;
  launched := ${public_schema}.pg_background_launch(sql, queue_size, label);
  if not pgoffload.await_run(launched.pid, launched.cookie, timeout_ms) then
    raise exception 'pg_background_run_query: worker did not complete within % ms', timeout_ms
      using errcode = 'query_canceled', detail = 'The task was cancelled.';
  end if;
  handle := pgoffload.known(launched.pid, launched.cookie);
  result := pgoffload.sql_outcome(handle);$find$ || format(taken, 'd') || $find$
  if col_def is null then
    return;
  end if;
  before := array[pg_catalog.current_setting('IntervalStyle'), pg_catalog.current_setting('DateStyle'),
    pg_catalog.current_setting('lc_monetary')];
  perform pg_catalog.set_config('IntervalStyle', 'sql_standard', true), pg_catalog.set_config('DateStyle', 'ISO', true),
    pg_catalog.set_config('lc_monetary', 'C', true);$find$;
  run_end constant text := $end$
      perform pg_catalog.set_config('IntervalStyle', before[1], true), pg_catalog.set_config('DateStyle', before[2], true),
        pg_catalog.set_config('lc_monetary', before[3], true);$end$;
  made record;
begin
  for made in
    select * from (values
      ('sql_rows', '(id bigint)', pinned,
       'handle := pgoffload.handle_of(id); result := pgoffload.rows_outcome(id);', '',
       'The rows of a request that has ended, cast to the column definition list of the call; the command tags if it returned none. Raises the request''s error.'),
      ('pg_background_result', '(pid integer)', pinned,
       'handle := pgoffload.resolve(pid, null);' || found, '',
       'Waits for a task of this session and returns its rows, once, or its command tags if it returned none; raises its error.'),
      ('pg_background_result', '(pid integer, cookie bigint)', pinned,
       'handle := pgoffload.resolve(pid, cookie);' || found, '',
       'Waits for a task and returns its rows, once in each session, or its command tags if it returned none; raises its error.'),
      ('pg_background_result_v2', '(pid integer, cookie bigint)', pinned,
       'handle := pgoffload.resolve(pid, cookie);' || found, '',
       'An older name: pg_background_result(pid, cookie).'),
      ('pg_background_run_query',
       '(sql text, queue_size integer default 0, timeout_ms integer default 0, label text default null, col_def text default null)',
       '', run, run_end,
       'Launches a task, waits for it, cancels it and raises query_canceled when the time is up, and returns its rows, cast to the column definition list of the call; none where col_def is null, which is not read otherwise. Raises its error.'),
      ('pg_background_run_query_v2',
       '(sql text, queue_size integer default 0, timeout_ms integer default 0, label text default null, col_def text default null)',
       '', run, run_end,
       'An older name: pg_background_run_query(sql, queue_size, timeout_ms, label, col_def).')
    ) known (name, arguments, settings, find, finish, about)
  loop
    execute replace(replace(replace(replace(body, '@signature@', made.name || made.arguments), '@settings@', made.settings),
      '@find@', made.find), '@end@', made.finish);
    signature := '${public_schema}.' || made.name || regexp_replace(made.arguments, ' default [^,)]+', '', 'g');
    execute format('comment on function %s is %L', signature, made.about);
  end loop;
end
$do$;
