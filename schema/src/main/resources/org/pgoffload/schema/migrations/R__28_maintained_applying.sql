-- How the answers of maintained columns come into their rows: by background SQL of the role that has declared them. And
-- the step that keeps it going, which the results application takes every second.

-- API: Private. Launches background SQL for a maintained column, as the role that has declared it would: returns its id;
-- null if no worker may log in.
create or replace function pgoffload.launch_maintained(c pgoffload.maintained_column, task text) returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  launched bigint;
begin
  if pgoffload.login_refusal(c.login, c.declarer) is null then
    insert into ${public_schema}.sql_request (
      command, label, ordering_key, requested_by, requested_by_oid, login_oid, settings, session, submitted, maintained)
    values (
      format('select pgoffload.%s(%s)', task, c.number), task,
      -- one after another; nobody else knows the key, and can hold them up under it
      pgoffload.proof_of('maintained column ' || c.number, (select s from pgoffload.signer s)),
      pg_get_userbyid(c.declarer), c.declarer, c.login, c.settings, 'maintained ' || c.number, true, c.number)
    returning id into launched;
  end if;
  return launched;
end
$$;

-- API: Private. Where the last background SQL of that name stands; no row: there is none.
create or replace function pgoffload.last_maintained_task(
  number integer, task text, out id bigint, out is_begun boolean, out status text, out finished_at timestamptz, out error text)
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
  select q.id into id from ${public_schema}.sql_request q
  where q.maintained = last_maintained_task.number and q.label = task order by q.id desc limit 1;
  is_begun := exists (select from pgoffload.claim c where c.id = last_maintained_task.id);
  select r.status, r.finished_at, r.error ->> 'message' into status, finished_at, error
  from pgoffload.sql_result r where r.id = last_maintained_task.id;
end
$$;

-- API: Private. Has the waiting answers of a maintained column written, unless a task for it is about to begin, which
-- takes them along, or one has failed just now.
create or replace function pgoffload.launch_apply(number integer) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  c pgoffload.maintained_column;
  last constant record := pgoffload.last_maintained_task(launch_apply.number, 'apply_maintained');
begin
  if last.id is not null and last.status is null and not last.is_begun
     or last.status <> 'succeeded' and last.finished_at > clock_timestamp() - interval '10 s' then
    return;
  end if;
  select m.* into c from pgoffload.maintained_column m, pgoffload.installation i
  where m.number = launch_apply.number and m.installation = i.id::uuid;
  if found and pgoffload.maintained_obstacle(c) is null then
    perform pgoffload.launch_maintained(c, 'apply_maintained');
  end if;
end
$$;

-- API: Private. Takes note of LLM requests that have ended: those of maintained columns are to be applied. To be called in
-- the transaction that writes their results.
create or replace function pgoffload.queue_maintained(ids bigint[]) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
-- as in pgoffload.claim_llm_requests
set enable_seqscan = off
as $$
declare
  number integer;
begin
  if coalesce(cardinality(ids), 0) = 0 or not exists (select from pgoffload.maintained_column) then
    return;
  end if;
  for number in
      with queued as (
        insert into pgoffload.maintained_answer (number, request)
        select q.maintained, a.id
        from unnest(ids) a (id)
        cross join lateral (
          select r.maintained from ${public_schema}.llm_request r where r.id = a.id and r.maintained is not null offset 0) q
        where exists (select from pgoffload.maintained_column c where c.number = q.maintained)
        on conflict do nothing
        returning maintained_answer.number
      )
      select distinct q.number from queued q order by q.number loop
    -- what keeps it from being launched now must not keep results from being written: the next step tries again
    begin
      perform pgoffload.launch_apply(number);
    exception when others then
      raise warning 'answers of maintained column % wait: %', number, sqlerrm;
    end;
  end loop;
end
$$;

-- API: Private. What a maintained column's answer is as a value of its target, as an expression.
create or replace function pgoffload.answer_expression(c pgoffload.maintained_column, answer text) returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  -- without the type's modifier, which a cast would cut the value to: the assignment to the column refuses it
  select format('case when %1$s is not null then %2$s end', answer, format(case
    when c.kind = 'embed' then '%1$s::%2$s'
    -- texts and JSON come as they are
    when c.response_schema is null or t.typcategory = 'S' or pgoffload.base_type(c.target_type) in ('json'::regtype, 'jsonb'::regtype)
      then '%1$s::%2$s'
    when t.typcategory = 'A' and t.typelem <> 0
      then 'array(select pg_catalog.jsonb_array_elements_text(pgoffload.as_written(%1$s::pg_catalog.jsonb operator(pg_catalog.->) ''answer'')))::%2$s'
    else '(pgoffload.as_written(%1$s::pg_catalog.jsonb operator(pg_catalog.->) ''answer'') operator(pg_catalog.#>>) ''{}'')::%2$s'
    end, answer, format_type(c.target_type, -1)))
  from pg_type t where t.oid = c.target_type
$$;

-- API: Private. The statements that write answers; $1 has their requests. Only a row whose inputs are still those that
-- were asked about is written to, and none that another transaction has locked: it is tried again.
create or replace function pgoffload.apply_statements(
  c pgoffload.maintained_column,
  out find text,             -- the requests whose rows are as they were
  out lock text,             -- those of them whose rows are locked by it now; null: of chunks, whose source is only read
  out remove text,           -- of chunks: those of before
  out write text)
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  answers constant text := format('pgoffload.answers_to_apply(%s, $1) a', c.number);
  of_row constant text := pgoffload.key_condition(c, c.source, 't', 'a.key');
  keys record;
begin
  find := format('%s join %s t on %s where pgoffload.maintained_hash(%L::pg_catalog.bytea, %s) operator(pg_catalog.=) a.hash',
    answers, c.source, of_row, c.configuration, (pgoffload.row_expressions(c, 't')).input_expression);
  if c.into_table is null then
    lock := format('select pg_catalog.array_agg(l.request) from (select a.request from %s for no key update of t skip locked) l', find);
  end if;
  find := 'select pg_catalog.array_agg(a.request) from ' || find;
  if c.into_table is null then
    write := format('update %s t set %I = %s from %s where %s',
      c.source, (pgoffload.names_of(c.source, array[c.target_number]))[1],
      pgoffload.answer_expression(c, case c.kind when 'embed' then 'a.embedding' else 'a.answer' end), answers, of_row);
    return;
  end if;
  select string_agg(format('%I', a.attname), ', ' order by k.n) as names,
         string_agg(format('a.key[%s]::%s', k.n, format_type(a.atttypid, -1)), ', ' order by k.n) as values
  into keys
  from unnest(c.key_numbers) with ordinality k (number, n)
  join pg_attribute a on a.attrelid = c.source and a.attnum = k.number;
  remove := format('delete from %s t using %s where %s',
    c.into_table, answers, pgoffload.key_condition(c, c.into_table, 't', 'a.key'));
  write := format(
    'insert into %s (%s, n, chunk, embedding) select %s, a.n, a.chunk, %s from pgoffload.chunks_to_apply(%s, $1) a',
    c.into_table, keys.names, keys.values, pgoffload.answer_expression(c, 'a.embedding'), c.number);
end
$$;

-- API: Private, for the background SQL of a maintained column. Takes answers that wait, and says how they are written.
-- From now on, what changes in their rows is not asked about in this transaction.
create or replace function pgoffload.begin_apply(
  number integer,
  out requests bigint[], out find text, out lock text, out remove text, out write text)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  c constant pgoffload.maintained_column := pgoffload.maintained_of_this_task(begin_apply.number);
  obstacle constant text := pgoffload.maintained_obstacle(c);
begin
  if c.number is null then
    return;
  elsif obstacle is not null then
    raise exception 'maintained column "%" is blocked: %', c.name, obstacle
      using errcode = 'object_not_in_prerequisite_state', detail = 'The answers are kept.';
  end if;
  with taken as (
    delete from pgoffload.maintained_answer m
    where m.number = c.number and m.request in (
      select w.request from pgoffload.maintained_answer w where w.number = c.number order by w.request
      limit (select s.value::integer from pgoffload.setting s where s.name = 'maintained_step'))
    returning m.request
  )
  select array_agg(t.request order by t.request) into requests from taken t;
  perform set_config('pgoffload.applying', concat_ws(' ', c.number, '', (
    select string_agg(q.maintained_row::text, ' ')
    from unnest(requests) i (id)
    cross join lateral (select r.maintained_row from ${public_schema}.llm_request r where r.id = i.id limit 1) q)), true);
  select s.* into find, lock, remove, write from pgoffload.apply_statements(c) s;
end
$$;

-- API: Private, for the background SQL of a maintained column. The answers of requests that have succeeded.
create or replace function pgoffload.answers_to_apply(number integer, requests bigint[])
returns table (request bigint, key text[], hash bytea, answer text, embedding real[])
language plpgsql stable security definer rows 500
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  c constant pgoffload.maintained_column := pgoffload.maintained_of_this_task(answers_to_apply.number);
begin
  return query
  -- of two of one row and the same inputs, the newest
  select distinct on (q.maintained_row, q.maintained_hash) q.id, q.maintained_key, q.maintained_hash, r.answer,
         case when cardinality(r.embeddings) > 0 then array(select unnest(r.embeddings[1:1])) end
  from unnest(requests) i (id)
  cross join lateral (select * from ${public_schema}.llm_request r where r.id = i.id and r.maintained = c.number offset 0) q
  cross join lateral (
    select * from pgoffload.llm_result l where l.id = i.id and l.status = 'succeeded' offset 0) r
  order by q.maintained_row, q.maintained_hash, q.id desc;
end
$$;

-- API: Private, for the background SQL of a maintained column. The chunks of requests that have succeeded.
create or replace function pgoffload.chunks_to_apply(number integer, requests bigint[])
returns table (request bigint, key text[], n integer, chunk text, embedding real[])
language plpgsql stable security definer rows 5000
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  c constant pgoffload.maintained_column := pgoffload.maintained_of_this_task(chunks_to_apply.number);
begin
  return query
  select q.id, q.maintained_key, p.n::integer, p.chunk, array(select unnest(r.embeddings[p.n:p.n]))
  from unnest(requests) i (id)
  cross join lateral (select * from ${public_schema}.llm_request r where r.id = i.id and r.maintained = c.number offset 0) q
  cross join lateral (
    select * from pgoffload.llm_result l where l.id = i.id and l.status = 'succeeded' offset 0) r
  -- without chunking the text is one
  cross join lateral unnest(
    case when cardinality(r.embeddings) > 0
         then case when r.answer is null then array[q.prompt] else array(select jsonb_array_elements_text(r.answer::jsonb)) end
    end) with ordinality p (chunk, n);
end
$$;

-- API: Private. Whether a failure tells of the vendor or the workers, and not of what was asked.
create or replace function pgoffload.is_vendor_failure(error_code text) returns boolean
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  select error_code = any (array[
    'authentication_failed', 'permission_denied', 'model_not_found', 'endpoint_not_found', 'embeddings_not_supported',
    'quota_exhausted', 'budget_exceeded', 'rate_limited', 'provider_error', 'provider_overloaded', 'provider_unreachable',
    'provider_not_configured', 'too_many_open_files', 'connection_lost', 'response_stalled', 'timeout',
    'malformed_response', 'tls_failure', 'unexpected_redirect', 'deadline_passed'])
$$;

-- API: Private, for the background SQL of a maintained column. Records what has become of requests.
create or replace function pgoffload.record_applied(
  number integer,
  requests bigint[],
  written bigint[],           -- those whose answer is in its row now
  skipped bigint[],           -- those whose row another transaction has locked: their answers wait on
  not_written jsonb)          -- by request: why its answer could not be written
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  c constant pgoffload.maintained_column := pgoffload.maintained_of_this_task(record_applied.number);
  -- rows whose answer is never of their inputs: something changes them whenever they are asked about
  most_stale constant integer := 20;
  counted pgoffload.maintained_count;
begin
  insert into pgoffload.maintained_answer (number, request) select c.number, s from unnest(skipped) s on conflict do nothing;
  with ended as materialized (
    select q.id, q.maintained_row, q.maintained_key, q.maintained_hash,
           o.id is null as is_newest, e.error_code, e.error_message,
           case when q.id = any (written) then 'done' when e.error_code is not null then 'failed' else 'stale' end as outcome,
           coalesce(r.input_tokens, 0) + coalesce(r.output_tokens, 0) as tokens, pgoffload.cost_of_calls(r) as cost
    from unnest(requests) i (id)
    cross join lateral (select * from ${public_schema}.llm_request l where l.id = i.id and l.maintained = c.number offset 0) q
    left join pgoffload.maintained_row k on k.number = c.number and k.row_id = q.maintained_row
    cross join lateral (select l from pgoffload.llm_result l where l.id = i.id offset 0) l (r)
    cross join lateral (select (l.r).*) r
    left join lateral (
      select n.id from ${public_schema}.llm_request n
      where n.maintained = c.number and n.maintained_row = q.maintained_row and n.id > q.id limit 1) o on true
    cross join lateral (select
      case when not_written ? q.id::text then 'not_written'
           when r.status <> 'succeeded' and r.error_code <> 'superseded' then r.error_code
           when q.id <> all (written) and o.id is null and k.attempts >= most_stale then 'inputs_keep_changing' end as error_code,
      coalesce(not_written ->> q.id::text, r.error_message, 'its inputs were others each time that its answer came') as error_message) e
    where q.id <> all (skipped)
  ), newest as (
    insert into pgoffload.maintained_row as m (
      number, row_id, key, request, hash, error_code, error_message, attempts, failed_at)
    select c.number, e.maintained_row, e.maintained_key, e.id,
           case e.outcome when 'done' then e.maintained_hash end, e.error_code, e.error_message,
           case e.outcome when 'done' then 0 else 1 end, case e.outcome when 'failed' then clock_timestamp() end
    from (select distinct on (f.maintained_row) f.* from ended f where f.is_newest or f.outcome = 'done'
          order by f.maintained_row, f.id desc) e
    -- all writers of these rows go by their order
    order by e.maintained_row
    on conflict (number, row_id) do update
      set request = excluded.request, hash = coalesce(excluded.hash, m.hash), error_code = excluded.error_code,
          error_message = excluded.error_message, failed_at = excluded.failed_at,
          attempts = case when excluded.attempts > 0 then m.attempts + 1 else 0 end
      where m.request < excluded.request
  ), overtaken as (
    -- what has changed, or gone, without being asked about: a row that was read for this request changed meanwhile
    insert into pgoffload.maintained_due (number, row_id, key)
    select c.number, e.maintained_row, e.maintained_key from ended e where e.outcome = 'stale' and e.is_newest
  )
  insert into pgoffload.maintained_count (number, done, failed, stale, vendor_failed, tokens, cost, last_error)
  select c.number, count(*) filter (where e.outcome = 'done'), count(*) filter (where e.outcome = 'failed' and e.is_newest),
         count(*) filter (where e.outcome = 'stale' or e.outcome = 'failed' and not e.is_newest),
         count(*) filter (where pgoffload.is_vendor_failure(e.error_code)), coalesce(sum(e.tokens), 0), coalesce(sum(e.cost), 0),
         (array_agg(e.error_code || ': ' || e.error_message order by e.id desc)
            filter (where pgoffload.is_vendor_failure(e.error_code)))[1]
  from ended e
  having count(*) > 0
  returning * into counted;

  -- a row without a text has asked the vendor nothing
  if counted.done > 0 and exists (
      select from unnest(written) w
      cross join lateral (select q.maintained_end from ${public_schema}.llm_request q where q.id = w limit 1) q
      where q.maintained_end is null) then
    perform pgoffload.end_failing(c.number);
  end if;
  -- those whose rows are locked are tried again in the next step
  if exists (select from pgoffload.maintained_answer m where m.number = c.number and m.request <> all (skipped)) then
    perform pgoffload.launch_apply(c.number);
  end if;
  perform pgoffload.launch_walk(c);
end
$$;

-- API: Private. The vendor answers again: what has failed meanwhile is asked again.
create or replace function pgoffload.end_failing(number integer) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  update pgoffload.maintained_state s set failing = null, failing_until = null, failing_pause = null
  where s.number = end_failing.number and s.failing_until is not null;
  if found then
    insert into pgoffload.maintained_due (number, row_id, key)
    select r.number, r.row_id, r.key from pgoffload.maintained_row r
    where r.number = end_failing.number and r.error_code is not null and pgoffload.is_vendor_failure(r.error_code);
  end if;
end
$$;

-- API: Private, for the background SQL of a maintained column: writes its answers, with the declarer's rights. All of them
-- together; if that fails, each by itself, and what a row refuses is that row's failure. Has no SET clause: the table's
-- triggers run as those of the caller's own statements.
create or replace function pgoffload.apply_maintained(number integer) returns void
language plpgsql volatile
as $$
declare
  apply pg_catalog.record := pgoffload.begin_apply(number);
  done pg_catalog.record;
  written pg_catalog.int8[] := '{}';
  skipped pg_catalog.int8[] := '{}';
  not_written pg_catalog.jsonb := '{}';
  fault pg_catalog.text;
  unchanged pg_catalog.int8[];
begin
  if apply.requests is null then
    return;
  end if;
  begin
    done := pgoffload.write_answers(apply.requests, apply.find, apply.lock, apply.remove, apply.write);
    written := done.written;
    skipped := done.skipped;
  exception when others then
    for i in 1 .. pg_catalog.cardinality(apply.requests) loop
      begin
        done := pgoffload.write_answers(apply.requests[i:i], apply.find, apply.lock, apply.remove, apply.write);
        written := pg_catalog.array_cat(written, done.written);
        skipped := pg_catalog.array_cat(skipped, done.skipped);
      exception
        when transaction_rollback or lock_not_available then
          skipped := pg_catalog.array_append(skipped, apply.requests[i]);
        when others then
          fault := pg_catalog.concat(sqlstate, ': ', sqlerrm);
          begin
            execute apply.find into unchanged using apply.requests[i:i];
          exception when others then
            unchanged := apply.requests[i:i];
          end;
          -- a row that has gone meanwhile, or is another one now, takes no answer, and refuses none
          if unchanged is not null then
            not_written := not_written operator(pg_catalog.||) pg_catalog.jsonb_build_object(apply.requests[i], fault);
          end if;
      end;
    end loop;
  end;
  perform pgoffload.record_applied(number, apply.requests, written, skipped, not_written);
end
$$;

-- API: Private. Writes the answers of these requests.
create or replace function pgoffload.write_answers(
  requests bigint[], find text, lock text, remove text, write text,
  out written bigint[],      -- those whose rows are as they were
  out skipped bigint[])      -- those of whose rows another transaction has locked
language plpgsql volatile
as $$
declare
  path pg_catalog.text := pg_catalog.current_setting('search_path');
  unchanged pg_catalog.int8[];
begin
  -- the text of a value is the same as for the trigger
  perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
  execute find into unchanged using requests;
  written := coalesce(unchanged, '{}');
  if lock is not null then
    execute lock into written using written;
    written := coalesce(written, '{}');
  end if;
  skipped := array(select u from pg_catalog.unnest(unchanged) u where u operator(pg_catalog.<>) all (written));
  -- while the table's triggers run as for a statement of the declarer
  perform pg_catalog.set_config('search_path', path, true);
  -- what the table checks at the end of the transaction is checked here, where it is the failure of one row
  set constraints all deferred;
  if remove is not null then
    execute remove using written;
  end if;
  execute write using written;
  set constraints all immediate;
end
$$;

-- API: Private, for the owner. Has rows asked about again whose answers are removed with a range of ids before they were
-- written to their rows.
create or replace function pgoffload.ask_unapplied_again(first_id bigint, last_id bigint) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  with removed as (
    delete from pgoffload.maintained_answer a where a.request between first_id and last_id returning a.number, a.request
  ), asked as materialized (
    select q.id, q.maintained, q.maintained_row, q.maintained_key
    from removed a join ${public_schema}.llm_request q on q.id = a.request
  ), ended as (
    -- no answer of it is on its way any more
    insert into pgoffload.maintained_row as m (number, row_id, key, request, attempts)
    select distinct on (a.maintained, a.maintained_row) a.maintained, a.maintained_row, a.maintained_key, a.id, 0
    from asked a order by a.maintained, a.maintained_row, a.id desc
    on conflict (number, row_id) do update set request = excluded.request where m.request < excluded.request
  ), counted as (
    insert into pgoffload.maintained_count (number, stale) select a.maintained, count(*) from asked a group by a.maintained
  )
  insert into pgoffload.maintained_due (number, row_id, key)
  select a.maintained, a.maintained_row, a.maintained_key from asked a;
end
$$;

-- API: Private. What has become of how many requests of a maintained column.
create or replace view pgoffload.maintained_total as
select s.number, (n.asked + u.asked)::bigint as asked, (n.done + n.failed + n.stale)::bigint as ended, n.done::bigint,
       n.stale::bigint, n.tokens::bigint, n.cost
from pgoffload.maintained_state s
cross join lateral (
  select coalesce(pg_catalog.sum(t.asked), 0), coalesce(pg_catalog.sum(t.done), 0), coalesce(pg_catalog.sum(t.failed), 0),
         coalesce(pg_catalog.sum(t.stale), 0), coalesce(pg_catalog.sum(t.tokens), 0), coalesce(pg_catalog.sum(t.cost), 0)
  from pgoffload.maintained_count t where t.number = s.number
) n (asked, done, failed, stale, tokens, cost)
cross join lateral (
  -- a request that was restored has no installation, and a transaction of another server's
  select pg_catalog.count(*) from ${public_schema}.llm_request q
  where q.maintained = s.number and q.created_xid >= s.counted_xid and q.installation is not null
) u (asked);

-- API: Private, for the results application. Takes the next step of each maintained column: has due rows and the next
-- part of a backfill read, overdue answers written, pauses those whose vendor fails, and counts. Of several at once,
-- one does something. Returns how many maintained columns there are.
create or replace function pgoffload.step_maintained() returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  c pgoffload.maintained_column;
  columns integer := 0;
begin
  if not exists (select from pgoffload.maintained_column) then
    return 0;
  end if;
  if pgoffload.is_copy() then
    return (select count(*) from pgoffload.maintained_column);
  end if;
  if exists (select from pgoffload.maintained_unseen) then
    with unseen as (
      delete from pgoffload.maintained_unseen returning source, trigger_name
    )
    update pgoffload.maintained_state s set backfill = true, backfill_after = null
    from pgoffload.maintained_column m
    where m.number = s.number and exists (
      select from unseen u where u.source = m.source and u.trigger_name = ('pgoffload maintains ' || m.name)::name);
  end if;
  for c in select m.* from pgoffload.maintained_column m order by m.number loop
    columns := columns + 1;
    begin
      -- not while another one steps, or a transaction that pauses it is open
      perform from pgoffload.maintained_state s where s.number = c.number for update skip locked;
      if found then
        perform pgoffload.step_maintained_column(c);
      end if;
    exception when others then
      raise warning 'maintained column "%" waits: %', c.name, sqlerrm;
    end;
  end loop;
  return columns;
end
$$;

-- API: Private. Has due rows, or the next part of a backfill, read, where fewer requests are under way than the setting
-- maintained_ahead, and none of its tasks is on it or has failed just now.
create or replace function pgoffload.launch_walk(c pgoffload.maintained_column) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  last constant record := pgoffload.last_maintained_task(c.number, 'walk_maintained');
begin
  if (last.id is null or last.status = 'succeeded' or last.finished_at < clock_timestamp() - interval '10 s'
      -- which is about to end
      or last.id = (select t.task from pgoffload.current_task() t))
     and exists (
       select from pgoffload.maintained_state s join pgoffload.maintained_total t on t.number = s.number
       where s.number = c.number and s.paused_at is null and coalesce(s.failing_until <= clock_timestamp(), true)
         -- of a failing vendor one is asked at a time
         and (s.failing_until is null or t.asked <= t.ended)
         and (s.backfill
              or exists (select from pgoffload.maintained_sweep w where w.number = c.number and w.after is not null)
              or exists (select from pgoffload.maintained_due d where d.number = c.number))
         and t.asked - t.ended < (select l.value::bigint from pgoffload.setting l where l.name = 'maintained_ahead')) then
    perform pgoffload.launch_maintained(c, 'walk_maintained');
  end if;
end
$$;

-- API: Private. What columns are called today.
create or replace function pgoffload.names_of(relation regclass, numbers smallint[]) returns name[]
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select array_agg(a.attname order by u.n)
  from unnest(numbers) with ordinality u (number, n)
  join pg_attribute a on a.attrelid = relation and a.attnum = u.number
$$;

-- API: Private. The step of one of them.
create or replace function pgoffload.step_maintained_column(c pgoffload.maintained_column) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  state pgoffload.maintained_state;
  obstacle constant text := pgoffload.maintained_obstacle(c);
  totals record;
  bad record;
  found_error text;
begin
  perform pgoffload.count_asked(c.number);
  select s.* into strict state from pgoffload.maintained_state s where s.number = c.number;
  select t.asked, t.ended into totals from pgoffload.maintained_total t where t.number = c.number;
  if totals.ended >= state.mark_asked and totals.asked > state.mark_asked then
    update pgoffload.maintained_state s set mark_at = clock_timestamp(), mark_asked = totals.asked where s.number = c.number;
  end if;
  if state.blocked is distinct from obstacle then
    update pgoffload.maintained_state s set blocked = obstacle where s.number = c.number;
  end if;
  if obstacle is not null or not exists (select from pgoffload.installation i where i.id::uuid = c.installation) then
    return;
  end if;
  perform pgoffload.make_trigger_function(c);

  -- where the declaration is restored, the columns are found by their names
  if exists (
      select
      from unnest(c.key_numbers || c.input_numbers || c.target_number, c.key_columns || c.input_columns || c.target) u (number, name)
      join pg_attribute a on a.attrelid = c.source and a.attnum = u.number and a.attname <> u.name) then
    update pgoffload.maintained_column m
    set key_columns = pgoffload.names_of(c.source, c.key_numbers), input_columns = pgoffload.names_of(c.source, c.input_numbers),
        target = (pgoffload.names_of(c.source, array[c.target_number]))[1]
    where m.number = c.number;
  end if;

  select coalesce(w.error, a.error) into found_error
  from pgoffload.last_maintained_task(c.number, 'walk_maintained') w, pgoffload.last_maintained_task(c.number, 'apply_maintained') a;
  if found_error is distinct from state.task_error then
    update pgoffload.maintained_state s set task_error = found_error where s.number = c.number;
  end if;

  if exists (select from pgoffload.maintained_answer a where a.number = c.number) then
    perform pgoffload.launch_apply(c.number);
  end if;

  -- failing: at least five in a row; what is tried when the pause is over, is one
  select coalesce(sum(t.vendor_failed), 0) as times, (array_agg(t.last_error order by t.at desc))[1] as error, max(t.at) as at
  into bad
  from pgoffload.maintained_count t
  where t.number = c.number and t.vendor_failed > 0
    and t.at > coalesce((select max(g.at) from pgoffload.maintained_count g where g.number = c.number and g.done > 0), '-infinity');
  if state.failing_until is null and bad.times >= 5
     or state.failing_until < bad.at then
    update pgoffload.maintained_state s
    set failing = bad.error,
        failing_pause = least(coalesce(s.failing_pause * 2, interval '1 min'), interval '1 h'),
        failing_until = clock_timestamp() + least(coalesce(s.failing_pause * 2, interval '1 min'), interval '1 h')
    where s.number = c.number;
    return;
  end if;

  if state.paused_at is not null or state.failing_until > clock_timestamp() then
    return;
  end if;
  if state.failing_until is not null and not exists (select from pgoffload.maintained_due d where d.number = c.number) then
    insert into pgoffload.maintained_due (number, row_id, key)
    select r.number, r.row_id, r.key from pgoffload.maintained_row r
    where r.number = c.number and r.error_code is not null and pgoffload.is_vendor_failure(r.error_code) limit 1;
    if not found and totals.asked <= totals.ended and not state.backfill then
      perform pgoffload.end_failing(c.number);  -- there is nothing to try it with
    end if;
  end if;
  -- once a day, while nothing else is to be done
  if state.failing_until is null and not state.backfill and totals.asked <= totals.ended then
    update pgoffload.maintained_sweep s set after = '00000000-0000-0000-0000-000000000000'
    where s.number = c.number and s.after is null and s.ended_at < clock_timestamp() - interval '1 day';
  end if;
  perform pgoffload.launch_walk(c);
end
$$;

-- API: Private. Counts the requests of transactions that have ended since they were counted last, and sums up what was
-- counted by the hundred.
create or replace function pgoffload.count_asked(number integer) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  until constant xid8 := pg_snapshot_xmin(pg_current_snapshot());
  since constant xid8 := (select s.counted_xid from pgoffload.maintained_state s where s.number = count_asked.number);
  more bigint;
begin
  select count(*) into more from ${public_schema}.llm_request q
  where q.maintained = count_asked.number and q.created_xid >= since and q.created_xid < until
    and q.installation is not null;
  if more > 0 then
    insert into pgoffload.maintained_count (number, asked) values (count_asked.number, more);
    update pgoffload.maintained_state s set counted_xid = until where s.number = count_asked.number;
  end if;
  if (select count(*) from pgoffload.maintained_count t where t.number = count_asked.number) > 200 then
    with old as (
      delete from pgoffload.maintained_count t
      where t.ctid = any (array(
        select o.ctid from pgoffload.maintained_count o where o.number = count_asked.number
        order by o.at desc offset 100))
      returning t.*
    )
    insert into pgoffload.maintained_count (number, at, asked, done, failed, stale, vendor_failed, tokens, cost, last_error)
    select o.number, max(o.at), sum(o.asked), sum(o.done), sum(o.failed), sum(o.stale),
           case when sum(o.done) > 0 then 0 else sum(o.vendor_failed) end, sum(o.tokens), sum(o.cost),
           (array_agg(o.last_error order by o.at desc) filter (where o.last_error is not null))[1]
    from old o group by o.number;
  end if;
end
$$;
