-- The capture: its slot, what becomes of requests when the slot is gone for good, and how everything does.

-- API: Private. Announces that a slot or a topic is about to be made anew. From now on, for two minutes at most,
-- immediate requests are refused, and callers who wait for one that nobody has seen are told: what they wait for
-- needs the slot, whose making waits for their transactions. False where nobody has ever asked for anything.
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
  insert into pgoffload.capture_break (reason) values (plan_capture_break.reason);
  return true;
end
$$;
comment on function pgoffload.plan_capture_break(text) is
  'Private, for the owner. Announces that a slot or a topic is about to be made anew.';
revoke all on function pgoffload.plan_capture_break(text) from public;

-- API: Private. Takes an announcement back: nothing was made anew.
create or replace function pgoffload.forget_planned_break(reason text) returns void
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  delete from pgoffload.capture_break b where b.first_id is null and b.reason = forget_planned_break.reason
$$;
comment on function pgoffload.forget_planned_break(text) is 'Private, for the owner. Takes an announcement of a break back.';
revoke all on function pgoffload.forget_planned_break(text) from public;

-- API: Private. Records what was planned, and what was lost unplanned if a reason is given: requests that were sent
-- before now may not have been captured. Every request of before has an id below first_id, a READ ONLY caller's
-- too, because a new range of ids is begun: call pgoffload.make_partitions for it first, in a transaction of its
-- own. Returns how many breaks were recorded.
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
comment on function pgoffload.record_capture_break(text) is
  'Private, for the owner. Records that requests sent before now may not have been captured; a sweep follows.';
revoke all on function pgoffload.record_capture_break(text) from public;

-- API: Private. The break whose sweep is due, with where the WAL is now and who has committed by now: what of
-- before the break has been captured is on its topic once the slot is past that.
create or replace function pgoffload.next_sweep(out number integer, out first_id bigint, out wal_position pg_lsn, out snapshot pg_snapshot)
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  select b.number, b.first_id, pg_current_wal_insert_lsn(), pg_current_snapshot()
  from pgoffload.capture_break b
  -- who had drawn an id before the break has sent it by then
  where b.first_id is not null and b.swept_at is null
    -- and every worker has read that its key was revoked
    and b.broken_at < clock_timestamp() - case b.reason when 'key_revoked' then interval '6 s' else interval '1 s' end
  order by b.number limit 1
$$;
comment on function pgoffload.next_sweep() is 'Private, for the producer. The break whose sweep is due, or nulls.';
revoke all on function pgoffload.next_sweep() from public;
grant execute on function pgoffload.next_sweep() to pgoffload_producer;

-- API: Private. Whether the slot has confirmed everything before a position.
create or replace function pgoffload.slot_is_past(slot text, wal_position pg_lsn) returns boolean
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  select exists (select from pg_replication_slots s where s.slot_name = slot and s.confirmed_flush_lsn >= wal_position)
$$;
comment on function pgoffload.slot_is_past(text, pg_lsn) is 'Private, for the producer. Whether everything before a position is on its topic.';
revoke all on function pgoffload.slot_is_past(text, pg_lsn) from public;
grant execute on function pgoffload.slot_is_past(text, pg_lsn) to pgoffload_producer;

-- API: Private. Whether a live worker has a request.
create or replace function pgoffload.is_held(id bigint) returns boolean
language sql stable
as $$
  select coalesce((
    select pgoffload.worker_is_alive(e.worker, e.epoch)
    from pgoffload.execution e where e.id = is_held.id order by e.attempt desc limit 1), false)
$$;
comment on function pgoffload.is_held(bigint) is 'Private. Whether a live worker has a request. Runs within its callers'' rights and search_path.';
revoke all on function pgoffload.is_held(bigint) from public;

-- A row whose transaction is another one than it says was not asked here: it was restored from a dump, or replicated.
-- Such a row is nobody's, so that no sweep sends it.
create or replace function pgoffload.disown_request() returns trigger
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  new.installation := null;
  return new;
end
$$;
comment on function pgoffload.disown_request() is 'Private. Marks a request that was not asked here.';
revoke all on function pgoffload.disown_request() from public;

create or replace trigger disown_request
  before insert on ${public_schema}.llm_request
  for each row
  when (new.created_xid <> pg_catalog.pg_current_xact_id())
  execute function pgoffload.disown_request();
create or replace trigger disown_request
  before insert on ${public_schema}.sql_request
  for each row
  when (new.created_xid <> pg_catalog.pg_current_xact_id())
  execute function pgoffload.disown_request();
-- in a session that replicates, too
alter table ${public_schema}.llm_request enable always trigger disown_request;
alter table ${public_schema}.sql_request enable always trigger disown_request;

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
comment on function pgoffload.end_of_page(bigint, bigint, integer) is
  'Private. The last id of a page of requests. Runs within its callers'' rights and search_path.';
revoke all on function pgoffload.end_of_page(bigint, bigint, integer) from public;

-- API: Private. Looks through requests of before a break, and sends again those that have no result: as they were,
-- newly signed, with the time at which they were asked. Also what a live worker has: its record may be gone with
-- a topic. Who has received it before recognises it by its id.
create or replace function pgoffload.send_again(
  break_number integer,
  of_snapshot pg_snapshot,   -- of pgoffload.next_sweep: what was committed later has been captured
  after_id bigint,           -- to go on after; -1 to begin
  look_at integer,           -- at so many requests
  out sent integer,
  out last_id bigint)        -- the last that was looked at; null: there are no more
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- as in pgoffload.claim
set enable_seqscan = off
as $$
#variable_conflict use_column
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
        -- recorded by what it said of itself: who has the key may have made it up
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
comment on function pgoffload.send_again(integer, pg_snapshot, bigint, integer) is
  'Private, for the producer. Sends again what a break of the capture may have lost.';
revoke all on function pgoffload.send_again(integer, pg_snapshot, bigint, integer) from public;
grant execute on function pgoffload.send_again(integer, pg_snapshot, bigint, integer) to pgoffload_producer;

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
           'chunks', 0, 'split', false, 'finished_at', clock_timestamp(), 'error', end_unexecuted.error)) r
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
    perform pg_notify('llm_done', request_id::text);
  end if;
end
$$;
comment on function pgoffload.end_unexecuted(bigint, boolean, text, text, jsonb) is
  'Private. Ends a request as failed that no worker executes. Runs within its callers'' rights and search_path.';
revoke all on function pgoffload.end_unexecuted(bigint, boolean, text, text, jsonb) from public;

-- API: Private. Ends a request whose key was revoked, as failed.
create or replace function pgoffload.end_revoked(request_id bigint, is_sql boolean) returns void
language sql volatile
as $$
  select pgoffload.end_unexecuted(
    request_id, is_sql, 'key_revoked', 'the key that had signed it was revoked; ask again',
    -- of a command that cannot run in a transaction nobody knows what it has done
    case when exists (select from pgoffload.sql_session s where s.id = request_id and s.autocommit)
      then jsonb_build_object('sqlstate', '08006',
        'message', 'the key that had signed it was revoked while it ran: its outcome is unknown',
        'detail', 'The command cannot run in a transaction, and may have taken effect.',
        'hint', 'See what it has done before you launch it again.')
      else jsonb_build_object('sqlstate', 'PO003',
        'message', 'the key that had signed it was revoked',
        'detail', 'What it did, if it had begun, is rolled back.', 'hint', 'Launch it again.') end)
$$;
comment on function pgoffload.end_revoked(bigint, boolean) is
  'Private. Ends a request whose key was revoked, as failed. Runs within its callers'' rights and search_path.';
revoke all on function pgoffload.end_revoked(bigint, boolean) from public;

-- API: Private. Ends requests that came with a copy of the database and have no result: only their own installation
-- executes them. pgoffload adopt calls it page by page.
create or replace function pgoffload.end_copied(
  after_id bigint,           -- to go on after; -1 to begin
  look_at integer,           -- at so many requests
  out ended integer,
  out last_id bigint)        -- the last that was looked at; null: there are no more
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- as in pgoffload.claim
set enable_seqscan = off
as $$
declare
  copied record;
begin
  ended := 0;
  last_id := pgoffload.end_of_page(after_id, 9223372036854775807, look_at);
  for copied in
      select u.id, u.is_sql from pgoffload.unanswered(after_id + 1, last_id) u where not u.is_ours order by u.id loop
    perform pgoffload.end_unexecuted(
      copied.id, copied.is_sql, 'copied', 'it came with a copy of the database and is not executed here; ask again',
      jsonb_build_object('sqlstate', 'PO004',
        'message', 'the request came with a copy of the database and is not executed here',
        'detail', 'The installation that it was launched in executes it.', 'hint', 'Launch it again to have it run here.'));
    ended := ended + 1;
  end loop;
end
$$;
comment on function pgoffload.end_copied(bigint, integer) is
  'Private, for the owner. Ends requests that came with a copy of the database and have no result.';
revoke all on function pgoffload.end_copied(bigint, integer) from public;

create or replace function pgoffload.send_llm_again(request_id bigint) returns void
language plpgsql volatile
as $$
declare
  request ${public_schema}.llm_request;
begin
  select q.* into strict request from ${public_schema}.llm_request q where q.id = request_id;
  perform pgoffload.send_envelope(
    request.id, request.kind, null, request.ordering_key, request.immediate, request.timeout, true,
    request.requested_by, request.requested_by_oid, pgoffload.llm_payload(request), request.created_at);
end
$$;
comment on function pgoffload.send_llm_again(bigint) is
  'Private. Sends a recorded request again. Runs within its callers'' rights and search_path.';
revoke all on function pgoffload.send_llm_again(bigint) from public;

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
    request.created_at);
end
$$;
comment on function pgoffload.send_sql_again(bigint) is
  'Private. Sends a recorded request again. Runs within its callers'' rights and search_path.';
revoke all on function pgoffload.send_sql_again(bigint) from public;

-- API: Private. Ends a sweep, after which callers of what is not recorded are told.
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
comment on function pgoffload.end_sweep(integer, bigint, boolean) is 'Private, for the producer. Ends a sweep.';
revoke all on function pgoffload.end_sweep(integer, bigint, boolean) from public;
grant execute on function pgoffload.end_sweep(integer, bigint, boolean) to pgoffload_producer;

-- API: Private. Tells a caller that waits for a request which was sent at once before the capture broke: by the
-- end of the sweep everything that had been captured is recorded, unless the workers had too much to do. Ids of
-- the upper half of a range say nothing of the time: a task's launches have them, whenever it launches.
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
        -- what was answered and has been removed since was not lost
        and exists (select from pgoffload.id_range r where r.number = raise_if_lost.id >> 36 and r.removing_since is null)
     or b.first_id is null and b.reason <> 'key_revoked' and b.broken_at > clock_timestamp() - interval '2 min')
  order by b.first_id nulls last limit 1;
  if found
     and not exists (select from ${public_schema}.llm_request q where q.id = raise_if_lost.id)
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
comment on function pgoffload.raise_if_lost(bigint, timestamptz) is 'Private. Raises PO003 for a request that was lost with the slot, or may be while it is made anew.';
revoke all on function pgoffload.raise_if_lost(bigint, timestamptz) from public;
grant execute on function pgoffload.raise_if_lost(bigint, timestamptz) to llm_user, pgbackground_role;

-- API: Private. How a replication slot does, and what to do about it.
create or replace function pgoffload.slot_health(
  slot text, out state text, out detail text, out advice text, out retained_bytes bigint, out keep_bytes bigint)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
  -- megabytes without a unit
  setting constant text := current_setting('max_slot_wal_keep_size');
  found_slot record;
begin
  keep_bytes := case when setting <> '-1' then pg_size_bytes(setting) end;
  select s.database, s.plugin, s.wal_status, s.active_pid, to_jsonb(s) ->> 'invalidation_reason' as reason,
         pg_wal_lsn_diff(pg_current_wal_insert_lsn(), s.restart_lsn)::bigint as retained
  into found_slot from pg_replication_slots s where s.slot_name = slot;
  if not found then
    state := 'error';
    detail := format('there is no replication slot %s: nothing is captured', slot);
    advice := 'Run pgoffload install: it makes a new one, and what was committed meanwhile is sent again.';
    return;
  end if;
  retained_bytes := found_slot.retained;
  if found_slot.wal_status = 'lost' then
    state := 'error';
    detail := format('replication slot %s is lost%s: the server has removed WAL that it needs, and nothing is captured',
                     slot, coalesce(' (' || found_slot.reason || ')', ''));
    advice := format('Drop it (select pg_drop_replication_slot(%L)) and run pgoffload install: what was committed meanwhile is sent again.', slot);
  elsif keep_bytes is not null and (retained_bytes > keep_bytes * 0.5 or found_slot.wal_status = 'unreserved') then
    state := case when retained_bytes > keep_bytes * 0.8 or found_slot.wal_status = 'unreserved' then 'error' else 'warning' end;
    detail := format('replication slot %s retains %s of WAL; beyond max_slot_wal_keep_size = %s it is lost',
                     slot, pg_size_pretty(retained_bytes), setting);
    advice := 'Have the producer running and Kafka answering, or raise max_slot_wal_keep_size meanwhile (a reload suffices).';
  elsif keep_bytes is null and retained_bytes > 10 * (1::bigint << 30) then
    state := 'warning';
    detail := format('replication slot %s retains %s of WAL, which fills the server''s disk', slot, pg_size_pretty(retained_bytes));
    advice := 'Have the producer running and Kafka answering; max_slot_wal_keep_size bounds it, at the price of the slot.';
  elsif found_slot.active_pid is null then
    state := 'warning';
    detail := format('nobody reads from replication slot %s: requests wait', slot);
    advice := 'Start a producer.';
  else
    state := 'ok';
    detail := format('replication slot %s retains %s of WAL', slot, pg_size_pretty(retained_bytes));
  end if;
end
$$;
comment on function pgoffload.slot_health(text) is 'Private. How a replication slot does, and what to do about it.';
revoke all on function pgoffload.slot_health(text) from public;
grant execute on function pgoffload.slot_health(text) to pgoffload_producer;

-- It has other results than before.
drop function if exists pgoffload.queue_depth(interval);

-- API: Private. How many requests wait for a worker, and for how long the oldest of them has. A look at all that are
-- kept would take long: of each half of the range, of each table, the newest 10,000 are looked at, which is all of them
-- or said. Where it is not all, the oldest 10,000 of each table are looked at as well.
create or replace function pgoffload.queue_depth(
  patience interval,    -- those that have waited for less do not count
  out waiting bigint,
  out oldest interval,
  out at_least boolean) -- whether there are requests that were not looked at, of which some may wait as well
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- as in pgoffload.claim
set enable_seqscan = off
as $$
declare
  most constant integer := 10000;
  half constant bigint := (pgoffload.current_id_range() << 36) + (1::bigint << 35);
  since timestamptz;
begin
  with newest as materialized (
    (select 1 as part, l.id, l.created_at, l.installation from ${public_schema}.llm_request l where l.id >= half order by l.id desc limit most)
    union all
    (select 2, l.id, l.created_at, l.installation from ${public_schema}.llm_request l where l.id < half order by l.id desc limit most)
    union all
    (select 3, t.id, t.created_at, t.installation from ${public_schema}.sql_request t where t.id >= half order by t.id desc limit most)
    union all
    (select 4, t.id, t.created_at, t.installation from ${public_schema}.sql_request t where t.id < half order by t.id desc limit most))
  select count(*), min(q.created_at), exists (select from newest n group by n.part having count(*) = most)
  into waiting, since, at_least
  from newest q
  where q.created_at < clock_timestamp() - patience
    -- nobody executes what was copied or restored
    and q.installation = (select i.id::uuid from pgoffload.installation i)
    and not exists (select from pgoffload.llm_result r where r.id = q.id)
    and not exists (select from pgoffload.sql_result r where r.id = q.id)
    and not pgoffload.is_held(q.id);
  if at_least then
    select least(since, min(q.created_at)), greatest(waiting, count(*)) into since, waiting
    from ((select l.id, l.created_at, l.installation from ${public_schema}.llm_request l order by l.id limit most)
          union all
          (select t.id, t.created_at, t.installation from ${public_schema}.sql_request t order by t.id limit most)) q
    where q.created_at < clock_timestamp() - patience
      and q.installation = (select i.id::uuid from pgoffload.installation i)
      and not exists (select from pgoffload.llm_result r where r.id = q.id)
      and not exists (select from pgoffload.sql_result r where r.id = q.id)
      and not pgoffload.is_held(q.id);
  end if;
  oldest := clock_timestamp() - since;
end
$$;
comment on function pgoffload.queue_depth(interval) is 'Private. How many requests wait for a worker, or at least do.';
revoke all on function pgoffload.queue_depth(interval) from public;
grant execute on function pgoffload.queue_depth(interval) to llm_user, pgbackground_role;

-- API: Private. What pgoffload.llm_health shows.
create or replace function pgoffload.health()
returns table ("check" text, state text, detail text, advice text)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- as in pgoffload.claim
set enable_seqscan = off
as $$
#variable_conflict use_column
declare
  patience constant interval := interval '1 min';
  setting constant jsonb := (select jsonb_object_agg(s.name, s.value) from pgoffload.setting s);
  alive integer;
  waiting record;
  broken record;
  kept record;
begin
  "check" := 'installation';
  state := case when pgoffload.is_copy() then 'error' else 'ok' end;
  detail := case state when 'ok' then 'the database is the one that pgoffload was installed in'
    else 'the database is a copy of another installation: nothing is captured or executed' end;
  advice := case state when 'error' then 'To run it as one of its own: pgoffload adopt' end;
  return next;

  "check" := 'capture';
  select h.state, h.detail, h.advice into state, detail, advice from pgoffload.slot_health(setting ->> 'slot') h;
  return next;

  "check" := 'topics';
  state := case when setting ->> 'topic_faults' <> '' then 'error' else 'ok' end;
  detail := case state when 'ok' then 'the topics had the settings that they need when install or maintain last looked'
    else 'with these settings of topics requests or results can be lost: ' || (setting ->> 'topic_faults') end;
  advice := case state when 'error' then 'Run pgoffload install: it sets them, or says why they cannot be set.' end;
  return next;

  "check" := 'sweep';
  select b.reason, b.broken_at, b.first_id into broken from pgoffload.capture_break b where b.swept_at is null order by b.number limit 1;
  state := case when found then 'warning' else 'ok' end;
  detail := case state when 'ok' then 'nothing was lost on its way, or it was sent again'
    else format('the capture was interrupted at %s (%s): what was lost is about to be sent again', broken.broken_at, broken.reason) end;
  advice := case when state = 'ok' then null
    when broken.first_id is null and broken.reason ~ '^key_' then 'Run pgoffload rotate-key --revoke again: it was interrupted.'
    when broken.first_id is null then 'Run pgoffload install: it was interrupted while it made a slot or a topic.'
    else 'Have producer, workers and results running: the sweep waits until what reached Kafka has been worked off.' end;
  return next;

  "check" := 'workers';
  select count(*) into alive from pgoffload.worker w where pgoffload.worker_is_alive(w.name, w.epoch);
  state := case alive when 0 then 'error' else 'ok' end;
  detail := format('%s alive', case alive when 0 then 'no worker is' when 1 then '1 worker is' else alive || ' workers are' end);
  advice := case alive when 0 then 'Start one with: pgoffload worker' end;
  return next;

  "check" := 'clients';
  state := 'ok';
  select s.reset_val = '0' as off into waiting from pg_settings s where s.name = 'client_connection_check_interval';
  detail := case when waiting.off then 'client_connection_check_interval is off: a caller whose client is gone waits on, with its connection and its snapshot, until its time is up'
    else 'a caller whose client is gone ends' end;
  advice := case when waiting.off then format('Run: alter database %I set client_connection_check_interval = ''2s'' (or pgoffload install --set-client-check).', current_database()) end;
  return next;

  "check" := 'queue';
  select d.waiting as number, d.oldest as age, case when d.at_least then 'at least ' else '' end as bound
  into waiting from pgoffload.queue_depth(patience) d;
  state := case waiting.number when 0 then 'ok' else 'warning' end;
  detail := case when waiting.number > 0 then format('%s%s wait for a worker for more than a minute, the oldest for %s%s',
                   waiting.bound, case waiting.number when 1 then '1 request' else waiting.number || ' requests' end,
                   waiting.bound, date_trunc('second', waiting.age))
    when waiting.bound = '' then 'no request has waited for a worker for more than a minute'
    else 'of the newest and of the oldest requests, none has waited for a worker for more than a minute' end;
  advice := case waiting.number when 0 then null else 'See whether producer and workers run and are not limited too tightly; more workers take more at a time.' end;
  return next;

  "check" := 'retention';
  select count(*) as number, min(r.begun_at) as oldest into waiting from pgoffload.id_range r;
  state := case when pgoffload.id_range_is_over() and (
                    select r.begun_at + 2 * (setting ->> 'id_range_lasts')::interval < clock_timestamp()
                    from pgoffload.id_range r order by r.number desc limit 1)
                  or waiting.oldest < clock_timestamp() - (setting ->> 'retention')::interval - 3 * (setting ->> 'id_range_lasts')::interval
                then 'warning' else 'ok' end;
  detail := format('requests since %s are kept, in %s of ids', date_trunc('second', waiting.oldest),
    case waiting.number when 1 then '1 range' else waiting.number || ' ranges' end);
  advice := case state when 'warning' then 'Have pgoffload maintain running: old requests are not removed, or it says why they are kept.' end;
  if pgoffload.share_of_ids_drawn() > 0.75 then
    state := 'warning';
    detail := format('%s; %s %% of the ids of the current range were drawn', detail, (100 * pgoffload.share_of_ids_drawn())::integer);
    advice := 'Have pgoffload maintain running, which begins the next range. See who draws ids from pgoffload.request_id without asking for anything.';
  end if;
  select q.*, s.pid into kept
  from pgoffload.id_range r
  cross join lateral (
    select l.id, l.requested_by, l.created_at, 'llm_cancel' as cancel from ${public_schema}.llm_request l
    where l.id = r.kept_for and not exists (select from pgoffload.llm_result x where x.id = l.id)
    union all
    select t.id, t.requested_by, t.created_at, 'sql_cancel' from ${public_schema}.sql_request t
    where t.id = r.kept_for and not exists (select from pgoffload.sql_result x where x.id = t.id)) q
  left join lateral (
    select o.pid from pgoffload.sql_session o
    where o.id = q.id
      and exists (select from pg_stat_get_activity(o.pid) a where a.backend_start = o.started or a.backend_start is null)
    order by o.attempt desc, o.recorded_at desc limit 1) s on true
  where r.kept_for is not null
  order by r.number limit 1;
  if found then
    state := 'warning';
    detail := format('%s; request %s of role %s, asked at %s, has no result and keeps its whole range from being removed',
      detail, kept.id, quote_ident(kept.requested_by), date_trunc('second', kept.created_at));
    advice := format('As that role or a superuser: select %s(%s)', kept.cancel, kept.id)
      || case when kept.pid is null then '.'
           else format('; if the task does not end then: select pg_terminate_backend(%s).', kept.pid) end;
  end if;
  return next;
end
$$;
comment on function pgoffload.health() is 'Private. What llm_health shows.';
revoke all on function pgoffload.health() from public;
grant execute on function pgoffload.health() to llm_user, pgbackground_role, pgoffload_producer;

-- API: Public.
create or replace view ${public_schema}.llm_health with (security_invoker) as
select h."check", h.state, h.detail, h.advice from pgoffload.health() h;
comment on view ${public_schema}.llm_health is
  'How the installation does: of each check its state (ok, warning, error), what is the case, and what to do about it.';
grant select on ${public_schema}.llm_health to llm_user, pgbackground_role;
