-- llm_map: one statement, whose rows are all asked about at once.

-- API: Private. Reads a template: {column} or {"Odd Name"} stands for a column's value, {{ and }} for braces, a backslash
-- and n for a line feed, also where the literal is a plain one; two backslashes and n for a backslash and n.
create or replace function pgoffload.parse_template(
  template text,
  out literals text[],     -- what stands before, between and behind the columns
  out columns text[])      -- their names, as they are
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
declare
  part text[];
  literal text := '';
begin
  literals := '{}';
  columns := '{}';
  for part in
      select m from regexp_matches(template, '([{][{]|[}][}])|[{][[:space:]]*("(?:[^"]|"")+"|[^{}"]+)[[:space:]]*[}]|([{}])|([^{}]+)', 'g') m loop
    if part[1] is not null then
      literal := literal || left(part[1], 1);
    elsif part[2] is not null then
      literals := literals || literal;
      literal := '';
      perform pgoffload.require_text('name of a column', part[2]);
      columns := columns || case
        when starts_with(part[2], '"') then replace(substr(part[2], 2, length(part[2]) - 2), '""', '"')
        else lower(btrim(part[2], E' \t\n\r') collate "C") end;
    elsif part[3] is not null then
      raise exception 'a single % in "%"', part[3], left(template, 80)
        using errcode = 'invalid_parameter_value', detail = 'Nothing was sent.',
              hint = 'A column stands in braces, as {name} or {"Odd Name"}; a brace itself is written twice.';
    else
      literal := literal || array_to_string(
        array(select replace(p.said, E'\\n', E'\n')
              from string_to_table(part[4], E'\\\\n') with ordinality p (said, n) order by p.n), E'\\n');
    end if;
  end loop;
  literals := literals || literal;
end
$$;

-- API: Private. A template with the values of a row; null if it has columns and all of them are empty. Values are put in
-- as they are: braces in them mean nothing.
create or replace function pgoffload.fill_template(literals text[], row_values text[]) returns text
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
declare
  filled text := literals[1];
  is_empty boolean := true;
begin
  if cardinality(row_values) = 0 then
    return filled;
  end if;
  for n in 1 .. cardinality(row_values) loop
    is_empty := is_empty and coalesce(pgoffload.is_blank(row_values[n]), true);
    filled := concat(filled, row_values[n], literals[n + 1]);
  end loop;
  return case when not is_empty then filled end;
end
$$;

drop function if exists pgoffload.map_statements(text, text[], regtype, boolean);
drop function if exists pgoffload.mapped_columns(pgoffload.llm_result, regtype);
drop function if exists pgoffload.await_mapped(bigint, pgoffload.llm_result[], timestamptz, timestamptz, regtype);

-- API: Private. The statements of llm_map. The caller's query stands in FROM, where the server takes nothing that
-- changes data. Its rows are kept: they are read twice, the second time with their answers.
create or replace function pgoffload.map_statements(
  query text, columns text[], returns regtype, with_error boolean,
  mark text,                  -- in the names of what is added, so that no column of the query has one of them
  out shape text,             -- no rows of the result
  out rows text)              -- whole: a row of the result; row_values; n, its number; asked, that of the first equal one
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  result_row constant text := concat(
    'select q.*, null::', pgoffload.qualified_name(returns), format(' as %I', 'answer ' || mark),
    case when with_error then format(', null::pg_catalog.text as %I', 'error ' || mark) end,
    -- the caller's query may end with a comment
    ' from (', E'\n', regexp_replace(query, '[;[:space:]]+$', ''), E'\n', ') q');
begin
  shape := result_row || ' limit 0';
  rows := concat(
    'with "pgoffload rows" as materialized (', result_row, '), "pgoffload values" as materialized (',
    format('select %I as whole, array[', 'row ' || mark), (
      select string_agg(format('%I::pg_catalog.text collate pg_catalog."C"', c), ', ' order by n)
      from unnest(columns) with ordinality u (c, n)),
    format(']::pg_catalog.text[] as row_values, pg_catalog.row_number() over () as n from "pgoffload rows" %I)', 'row ' || mark),
    ' select v.whole, v.row_values, v.n, pg_catalog.min(v.n) over (partition by v.row_values) as asked',
    ' from "pgoffload values" v order by v.n');
end
$$;

-- API: Private. A JSON value as its type reads it: JSON writes an integer as 1.0 too.
create or replace function pgoffload.as_written(value jsonb) returns jsonb
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  return case jsonb_typeof(value)
    when 'number' then to_jsonb(trim_scale(value::numeric))
    when 'array' then (
      select coalesce(jsonb_agg(pgoffload.as_written(e.value) order by e.n), '[]')
      from jsonb_array_elements(value) with ordinality e (value, n))
    else value end;
end
$$;

-- API: Private. The columns that llm_map adds to a row, by the result of its request.
create or replace function pgoffload.mapped_columns(result pgoffload.llm_result, returns regtype, mark text) returns jsonb
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  failure constant text := pgoffload.failure_of(result);
begin
  if failure is not null then
    return jsonb_build_object('error ' || mark, failure);
  end if;
  return jsonb_build_object('answer ' || mark, case when returns = 'text'::regtype then to_jsonb(result.answer)
    else pgoffload.as_written(result.answer::jsonb -> 'answer') end);
exception when others then
  return jsonb_build_object('error ' || mark, 'schema_mismatch: ' || sqlerrm);
end
$$;

-- API: Private. Waits for the answer of a request of llm_map, and returns it as columns of the row.
create or replace function pgoffload.await_mapped(
  request_id bigint,
  unsent pgoffload.llm_result[],     -- the failures of those that could not be sent
  since timestamptz, give_up timestamptz,
  returns regtype,
  mark text)                         -- as of map_statements
returns jsonb
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  sent pgoffload.llm_result;
begin
  if unsent <> '{}' then
    select u.* into sent from unnest(unsent) u where u.id = request_id;
  end if;
  sent.id := request_id;
  return pgoffload.mapped_columns(pgoffload.await_sent(sent, since, give_up), returns, mark);
end
$$;

-- API: Public. Runs a query, asks about each of its rows, all at once, and returns the rows with the answers behind
-- their columns. Of equal questions one is asked. A row whose question fails has a null; its error stands in one more
-- column, if the column list has one, a text. If the statement is cancelled, or fails, so are the requests.
--
-- Has no SET clause: the query's names are looked up as the caller's are.
create or replace function ${public_schema}.llm_map(
  query text,                        -- one SELECT, VALUES or TABLE; runs with the caller's rights
  ask text,                          -- the question, in which {column} or {"Odd Name"} is the row's value, {{ a brace
  returns regtype default 'text',    -- the type of the answer
  model text default null,           -- null: the setting llm.model, else the worker's
  system text default null,          -- instructions to the model, for each
  options jsonb default null,        -- as llm_request.options, for each
  timeout interval default null,     -- for all; null: the setting llm.timeout, else default_timeout
  provider text default null)        -- null: the setting llm.provider, else the worker's
returns setof record                 -- the query's columns, the answer, and, if wanted, the error
language plpgsql volatile
as $$
declare
  -- every name is qualified, types too: the caller's search_path is in force, and the session keeps what they meant at
  -- its first call
  mark pg_catalog.text := pg_catalog.gen_random_uuid()::pg_catalog.text;
  template pg_catalog.record;
  statements pg_catalog.record;
  response_schema pg_catalog.jsonb;                    -- none of an answer that is a text
  rows_of pg_catalog.refcursor;
  found_row pg_catalog.record;
  result_row pg_catalog.record;
  answered pg_catalog.jsonb;
  has_row pg_catalog.bool;
  request_id pg_catalog.int8;
  prompt pg_catalog.text;
  prompts pg_catalog.text[] := '{}';
  size pg_catalog.int8 := 0;                           -- of these prompts, in bytes
  numbers pg_catalog.int8[] := '{}';                   -- of their rows
  sent pgoffload.llm_result[];
  ids pg_catalog.int8[] := '{}';                       -- by the number of a row that was asked about
  unsent pgoffload.llm_result[] := '{}';               -- those that were too large
  since pg_catalog.timestamptz := pg_catalog.clock_timestamp();
  give_up pg_catalog.timestamptz;
begin
  perform pgoffload.refuse_to_wait_on_old_snapshot();
  perform pgoffload.require_text('query', query);
  perform pgoffload.require_text('question', ask);
  response_schema := pgoffload.answer_schema(pgoffload.type_schema(returns));
  if returns operator(pg_catalog.=) 'pg_catalog.text'::pg_catalog.regtype then
    response_schema := null;
  end if;
  template := pgoffload.parse_template(ask);
  -- which columns the caller wants, nothing but a result tells
  begin
    statements := pgoffload.map_statements(query, template.columns, returns, true, mark);
    return query execute statements.shape;
  exception when datatype_mismatch then
    statements := pgoffload.map_statements(query, template.columns, returns, false, mark);
    return query execute statements.shape;
  end;

  open rows_of scroll for execute statements.rows;
  loop
    fetch rows_of into found_row;
    has_row := found;
    if has_row and found_row.n operator(pg_catalog.=) found_row.asked then
      prompt := pgoffload.fill_template(template.literals, found_row.row_values);
      if prompt is not null then
        prompts := pg_catalog.array_append(prompts, prompt);
        numbers := pg_catalog.array_append(numbers, found_row.n);
        size := size operator(pg_catalog.+) pg_catalog.octet_length(prompt);
      end if;
    end if;
    if pg_catalog.cardinality(prompts) operator(pg_catalog.>=) 500 or size operator(pg_catalog.>) 16777216
       or not has_row and size operator(pg_catalog.>) 0 then
      sent := pgoffload.send_prompts('ask', null, prompts, model, system, options, timeout, provider, response_schema);
      for i in 1 .. pg_catalog.cardinality(sent) loop
        ids[numbers[i]] := (sent[i]).id;
        if (sent[i]).status is not null then
          unsent := pg_catalog.array_append(unsent, sent[i]);
        end if;
      end loop;
      prompts := '{}';
      numbers := '{}';
      size := 0;
    end if;
    exit when not has_row;
  end loop;

  give_up := pgoffload.give_up_at(pg_catalog.clock_timestamp(), timeout);
  move absolute 0 in rows_of;
  loop
    fetch rows_of into found_row;
    exit when not found;
    result_row := found_row.whole;
    request_id := ids[found_row.asked];
    if request_id is not null then
      answered := pgoffload.await_mapped(request_id, unsent, since, give_up, returns, mark);
      -- not by assignment: PL/pgSQL keeps the coercion to the type of the session's first call
      begin
        result_row := pg_catalog.jsonb_populate_record(result_row, answered);
      exception when others then
        result_row := pg_catalog.jsonb_populate_record(
          result_row, pg_catalog.jsonb_build_object(pg_catalog.concat('error ', mark), pg_catalog.concat('schema_mismatch: ', sqlerrm)));
      end;
    end if;
    return next result_row;
  end loop;
  close rows_of;
exception when query_canceled or others then
  perform pgoffload.cancel_unanswered(ids);
  raise;
end
$$;
