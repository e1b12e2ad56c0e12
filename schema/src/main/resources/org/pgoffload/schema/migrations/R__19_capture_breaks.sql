-- What becomes of requests when the slot, a topic or a key is gone for good: breaks of the capture and their sweeps.

-- API: Private, for the owner. Announces that a slot or a topic is about to be made anew. From now on, for two minutes
-- at most, immediate requests are refused, and callers who wait for one that is not recorded are told: what they wait
-- for needs the slot, whose making waits for their transactions. One that is announced already is so again, from now on:
-- it has one sweep. False where no request was ever made.
create or replace function pgoffload.plan_capture_break(
  reason text)           -- slot_created | topics_created | …
returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if not (select s.is_called from pgoffload.request_id s) and pgoffload.current_id_range() = 0 then
    return false;
  end if;
  update pgoffload.capture_break b set broken_at = clock_timestamp()
  where b.first_id is null and b.reason = plan_capture_break.reason;
  if not found then
    insert into pgoffload.capture_break (reason) values (plan_capture_break.reason);
  end if;
  return true;
end
$$;

-- API: Private, for the owner. Takes an announcement of a break back: nothing was made anew.
create or replace function pgoffload.forget_planned_break(reason text) returns void
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  delete from pgoffload.capture_break b where b.first_id is null and b.reason = forget_planned_break.reason
$$;

-- API: Private, for the owner. Records the planned breaks, and an unplanned one if a reason is given: requests that
-- were sent before now may not have been captured. Every request of before has an id below first_id, a READ ONLY
-- caller's too, because a new range of ids is begun: call pgoffload.make_partitions for it first, in a transaction of
-- its own. Returns how many breaks were recorded.
create or replace function pgoffload.record_capture_break(reason text default null) returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  recorded integer;
begin
  if record_capture_break.reason is not null then
    perform pgoffload.plan_capture_break(record_capture_break.reason);
  end if;
  if not exists (select from pgoffload.capture_break b where b.first_id is null) then
    return 0;
  end if;
  update pgoffload.capture_break b
  set broken_at = clock_timestamp(), first_id = begun.number << 36
  from (select pgoffload.begin_id_range() as number offset 0) begun
  where b.first_id is null;
  get diagnostics recorded = row_count;
  return recorded;
end
$$;

-- API: Private, for the producer. The break whose sweep is due, or nulls, with the WAL's position and a snapshot of
-- now: once the slot is past this position, each request of before the break that was captured is on its topic.
create or replace function pgoffload.next_sweep(out number integer, out first_id bigint, out wal_position pg_lsn, out snapshot pg_snapshot)
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  select b.number, b.first_id, pg_current_wal_insert_lsn(), pg_current_snapshot()
  from pgoffload.capture_break b
  -- a caller that had drawn an id before the break has sent its request by then
  where b.first_id is not null and b.swept_at is null
    -- and every worker has read that its key was revoked
    and b.broken_at < clock_timestamp() - case b.reason when 'key_revoked' then interval '6 s' else interval '1 s' end
  order by b.number limit 1
$$;

-- API: Private, for the producer. Whether the slot has confirmed everything before a position.
create or replace function pgoffload.slot_is_past(slot text, wal_position pg_lsn) returns boolean
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  select exists (select from pg_replication_slots s where s.slot_name = slot and s.confirmed_flush_lsn >= wal_position)
$$;

-- API: Private. The last id of a page of requests of either kind, or null when no more requests follow.
create or replace function pgoffload.end_of_page(
  after_id bigint,       -- the page begins after it; -1: at the first request
  before_id bigint,      -- and ends before it
  look_at integer)       -- with so many requests
returns bigint
language sql stable
as $$
  select max(l.id)
  from (select u.id
        from ((select q.id from ${public_schema}.llm_request q where q.id > after_id and q.id < before_id order by q.id limit look_at)
              union all
              (select q.id from ${public_schema}.sql_request q where q.id > after_id and q.id < before_id order by q.id limit look_at)) u
        order by u.id limit look_at) l
$$;

-- API: Private, for the producer. Looks through requests of before a break, and sends again those that have no result:
-- as they were, newly signed, with the time at which they were asked. Also what a live worker has: its record may be
-- gone with a topic. A worker that has received it before recognises it by its id.
create or replace function pgoffload.send_again(
  break_number integer,
  of_snapshot pg_snapshot,   -- of pgoffload.next_sweep: what was committed later has been captured
  after_id bigint,           -- to go on after; -1 to begin
  look_at integer,           -- at so many requests
  out sent integer,
  out last_id bigint)        -- the last that was looked at; null: there are no more
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- as in pgoffload.claim_llm_requests
set enable_seqscan = off
as $$
declare
  before_id constant bigint := (select b.first_id from pgoffload.capture_break b where b.number = break_number);
  reason constant text := (select b.reason from pgoffload.capture_break b where b.number = break_number);
  -- a copy of a database does not send what it was copied with
  since constant timestamptz := (select i.since from pgoffload.installation i);
  lost record;
begin
  sent := 0;
  last_id := pgoffload.end_of_page(after_id, before_id, look_at);
  for lost in
      select u.id, u.is_sql, u.immediate from pgoffload.unanswered(after_id + 1, last_id) u
      where u.is_ours and u.created_at >= since and pg_visible_in_snapshot(u.created_xid, of_snapshot)
      order by u.id loop
    begin
      if lost.immediate and reason in ('key_revoked', 'key_sealed') then
        -- recorded by what its envelope said: a holder of the key may have made it up
        if reason = 'key_revoked' then
          perform pgoffload.end_revoked(lost.id, lost.is_sql);
        end if;
        continue;
      end if;
      if lost.is_sql then
        perform pgoffload.send_sql_again(lost.id);
      else
        perform pgoffload.send_llm_again(lost.id);
      end if;
      sent := sent + 1;
    exception when data_exception or program_limit_exceeded or raise_exception then
      -- one must not keep the others from being sent
      raise warning 'request % was lost and cannot be sent again: %', lost.id, sqlerrm;
    end;
  end loop;
end
$$;

-- API: Private. Ends a request as failed that no worker executes. The first result of a request wins.
create or replace function pgoffload.end_unexecuted(
  request_id bigint, is_sql boolean,
  code text, message text,     -- of an LLM request
  error jsonb)                 -- of SQL: sqlstate, message, detail, hint
returns void
language plpgsql volatile
as $$
begin
  if is_sql then
    insert into pgoffload.sql_result
    select r.*
    from ${public_schema}.sql_request q,
         jsonb_populate_record(null::pgoffload.sql_result, jsonb_build_object(
           'id', q.id, 'attempt', 0, 'requested_by_oid', q.requested_by_oid, 'status', 'failed', 'tags', '[]'::jsonb,
           'chunks', 0, 'split', false, 'stored', 0, 'finished_at', clock_timestamp(), 'error', end_unexecuted.error)) r
    where q.id = request_id
    on conflict (id) do nothing;
    perform pg_notify('sql_done', request_id::text);
  else
    insert into pgoffload.llm_result
    select r.*
    from ${public_schema}.llm_request q,
         jsonb_populate_record(null::pgoffload.llm_result, jsonb_build_object(
           'id', q.id, 'kind', q.kind, 'status', 'failed', 'requested_by_oid', q.requested_by_oid, 'attempts', 0,
           'error_code', code, 'error_message', message, 'finished_at', clock_timestamp())) r
    where q.id = request_id
    on conflict (id) do nothing;
    perform pgoffload.queue_maintained(array[request_id]);
    perform pg_notify('llm_done', request_id::text);
  end if;
end
$$;

-- API: Private. Ends a request whose key was revoked, as failed.
create or replace function pgoffload.end_revoked(request_id bigint, is_sql boolean) returns void
language sql volatile
as $$
  select pgoffload.end_unexecuted(
    request_id, is_sql, 'key_revoked', 'the key that had signed it was revoked; ask again',
    -- what a command that cannot run in a transaction has done is not known
    case when exists (select from pgoffload.sql_session s where s.id = request_id and s.autocommit)
      then jsonb_build_object('sqlstate', '08006',
        'message', 'the key that had signed it was revoked while it ran: its outcome is unknown',
        'detail', 'The command cannot run in a transaction, and may have taken effect.',
        'hint', 'See what it has done before you launch it again.')
      else jsonb_build_object('sqlstate', 'PO003',
        'message', 'the key that had signed it was revoked',
        'detail', 'What it did, if it had begun, is rolled back.', 'hint', 'Launch it again.') end)
$$;

-- API: Private. Sends a recorded LLM request again.
create or replace function pgoffload.send_llm_again(request_id bigint) returns void
language plpgsql volatile
as $$
declare
  request ${public_schema}.llm_request;
begin
  select q.* into strict request from ${public_schema}.llm_request q where q.id = request_id;
  perform pgoffload.send_envelope(
    request.id, request.kind, null, request.ordering_key, request.immediate, request.timeout, true,
    request.requested_by, request.requested_by_oid, pgoffload.llm_payload(request), request.nonce, request.created_at);
end
$$;

-- API: Private. Sends a recorded SQL request again.
create or replace function pgoffload.send_sql_again(request_id bigint) returns void
language plpgsql volatile
as $$
declare
  request ${public_schema}.sql_request;
  depth integer;
begin
  select q.* into strict request from ${public_schema}.sql_request q where q.id = request_id;
  -- a task that was launched by a task has the limits of its depth
  with recursive ancestors as (
    select request.parent as id, 1 as distance where request.parent is not null
    union all
    select q.parent, a.distance + 1
    from ancestors a join ${public_schema}.sql_request q on q.id = a.id
    where q.parent is not null and a.distance < 8
  )
  select coalesce(max(a.distance), 0) into depth from ancestors a;
  perform pgoffload.send_envelope(
    request.id, 'sql', case when request.immediate then 'session ' || request.session end, request.ordering_key,
    request.immediate, request.timeout, false, request.requested_by, request.requested_by_oid,
    -- what the session's own limit was is not recorded: the usual one
    pgoffload.sql_payload(request, case when request.immediate then 16 end, depth, request.large_object),
    request.nonce, request.created_at);
end
$$;

-- API: Private, for the producer. Ends a sweep, after which callers of requests that are not recorded are told.
create or replace function pgoffload.end_sweep(
  break_number integer,
  sent_again bigint,
  worked_off boolean)    -- whether what had been captured was worked off: then it was never captured
returns void
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  update pgoffload.capture_break b
  set swept_at = clock_timestamp(), sent_again = end_sweep.sent_again, worked_off = end_sweep.worked_off
  where b.number = break_number and b.swept_at is null
$$;

-- API: Private. Raises PO003 for a request that was sent at once and was lost with the slot, or may be while it is made
-- anew: by the end of the sweep everything that had been captured is recorded, unless the workers had too much to do.
-- Ids of the upper half of a range say nothing of the time: a task's launches have them, whenever it launches.
create or replace function pgoffload.raise_if_lost(
  id bigint,
  since timestamptz)      -- when the caller began to wait
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  broken_at timestamptz;
  worked_off boolean;
  reason text;
begin
  select b.broken_at, coalesce(b.worked_off, false), b.reason into broken_at, worked_off, reason
  from pgoffload.capture_break b
  where b.reason <> 'key_sealed' and (
        b.first_id > raise_if_lost.id and b.swept_at is not null
        and (raise_if_lost.id & (1::bigint << 35) = 0 or b.broken_at > since)
        -- a request that was answered and has been removed since was not lost
        and exists (select from pgoffload.id_range r where r.number = raise_if_lost.id >> 36 and r.removing_since is null)
     or b.first_id is null and b.reason <> 'key_revoked' and b.broken_at > clock_timestamp() - interval '2 min')
  order by b.first_id nulls last limit 1;
  -- apart: a caller that waits must not lock the tables of requests, for which the next installation would wait
  if not found then
    return;
  end if;
  if not exists (select from ${public_schema}.llm_request q where q.id = raise_if_lost.id)
     and not exists (select from ${public_schema}.sql_request q where q.id = raise_if_lost.id) then
    if reason = 'key_revoked' then
      raise exception 'request % was signed with a key that has been revoked, and nothing was done', id
        using errcode = 'PO003', detail = 'The key was revoked at ' || broken_at || '.', hint = 'Ask again.';
    end if;
    if not worked_off then
      raise exception 'request % was sent to a replication slot that is gone', id
        using errcode = 'PO003',
              detail = 'It is lost, unless it was captured before, and waits for a worker.',
              hint = 'Ask again. Should it have been captured, llm_status(' || id || ') or sql_status(' || id || ') shows it in a while.';
    end if;
    raise exception 'request % was lost with the replication slot, and nothing was done', id
      using errcode = 'PO003',
            detail = 'The capture was interrupted at ' || broken_at || ', before the request had reached it.',
            hint = 'Ask again. What is inserted into llm_request or sql_request is kept in such a case.';
  end if;
end
$$;
