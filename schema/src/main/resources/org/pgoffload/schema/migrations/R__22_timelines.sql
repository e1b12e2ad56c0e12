-- Which server this is, and how a new timeline becomes the installation's own.

-- API: Private. The timeline of the server's WAL. The control file would lag behind it until a checkpoint. Runs within
-- its callers' rights and search_path.
create or replace function pgoffload.current_timeline() returns integer
language sql volatile
as $$
  select ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::integer
$$;

-- API: Private, for the parts. Which server this is: what a part compares with the record of the primary in Kafka.
create or replace function pgoffload.server_identity(
  out system_identifier bigint,
  out timeline integer,        -- of the server's WAL
  out token uuid,              -- of the newest row of pgoffload.server_timeline
  out flushed pg_lsn,          -- where the durable WAL ends, maybe within a record
  out confirmed pg_lsn,        -- of the slot: after a crash, too, the WAL goes on from here or later
  out installation text,
  out copied boolean,          -- the database is a copy that was not adopted
  out started text)            -- when the server was started, in seconds: no two servers have the same
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_variable
begin
  if pg_is_in_recovery() then
    raise exception 'the server is a standby' using errcode = 'read_only_sql_transaction';
  end if;
  select i.id, s.system_identifier, pgoffload.current_timeline(), pg_current_wal_flush_lsn(), pgoffload.is_copy(),
         extract(epoch from pg_postmaster_start_time())::text
  into installation, system_identifier, timeline, flushed, copied, started
  from pgoffload.installation i, pg_control_system() s;
  token := pgoffload.current_token();
  confirmed := coalesce(
    (select r.confirmed_flush_lsn from pg_replication_slots r, pgoffload.setting s
     where s.name = 'slot' and r.slot_name = s.value and r.database = current_database()), '0/0');
end
$$;

-- API: Private. The token of the present timeline.
create or replace function pgoffload.current_token() returns uuid
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
  select t.token from pgoffload.server_timeline t order by t.number desc limit 1
$$;

-- API: Private. Raises 25006 where a consumer or worker knows another timeline. Null: it knows none. Runs within its
-- callers' rights and search_path.
create or replace function pgoffload.require_token(token uuid) returns void
language plpgsql stable
as $$
begin
  if require_token.token <> pgoffload.current_token() then
    raise exception 'the database was failed over meanwhile' using errcode = 'read_only_sql_transaction';
  end if;
end
$$;

-- API: Private. How far the numbers of timelines have risen since a row was written, by the row's xmin: another row that
-- was written after it may have been lost so often. A transaction more than 2^31 ago counts as a new one. Runs
-- within its callers' rights and search_path.
create or replace function pgoffload.timelines_since(written xid) returns integer
language sql stable
as $$
  select max(t.number) - max(t.number) filter (where t.accepted_xid is null or t.accepted_xid::text::bigint <= w.xid8)
  from (select pg_snapshot_xmax(pg_current_snapshot())::text::bigint as xid8) next
  -- the transaction nearest to the next one that has these 32 bits
  cross join lateral (
    select next.xid8 + ((written::text::bigint - next.xid8 + (1::bigint << 31)) & ((1::bigint << 32) - 1)) - (1::bigint << 31)
      as xid8) w
  cross join pgoffload.server_timeline t
$$;

-- API: Private, for the parts. Raises 25006 unless the server writes on this timeline and has this token: each session
-- of the capture begins with it, so that none reads from a server that was not compared with the record.
create or replace function pgoffload.require_primary(timeline integer, token uuid) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if pg_is_in_recovery()
     or require_primary.timeline <> pgoffload.current_timeline()
     or require_primary.token is distinct from pgoffload.current_token() then
    raise exception 'the server is not the recorded primary' using errcode = 'read_only_sql_transaction';
  end if;
end
$$;

-- API: Private, for the producer. How many bytes of WAL a promoted standby may lack of what the recorded primary is
-- known to have had, and is still accepted without an administrator.
create or replace function pgoffload.failover_permitted_lag() returns bigint
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
  select pg_size_bytes(s.value) from pgoffload.setting s where s.name = 'failover_permitted_lag'
$$;

-- API: Private. By how much the number of the next timeline, and its range of ids, are above the present ones. What a
-- promoted server lacks may have been the beginning of a range, and the acceptances of servers before it: each of these
-- had a timeline of the WAL below this one's, and may have begun another range. One that was accepted by hand may have
-- had the same timeline as this one. Runs within its callers' rights and search_path.
create or replace function pgoffload.timeline_step(reason text) returns integer
language sql volatile
as $$
  select case when t.ahead < 1 then 1
              when reason = 'promoted' then 2 * t.ahead
              else 2 * t.ahead + 1 end
  from (select pgoffload.current_timeline() - t.timeline as ahead
        from pgoffload.server_timeline t order by t.number desc limit 1) t
$$;

-- API: Private, for the producer and the owner. Makes the partitions of the next range of ids, which
-- pgoffload.begin_timeline begins, and of those before it. A transaction of its own has to commit them first.
create or replace function pgoffload.prepare_timeline() returns void
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  select pgoffload.make_partitions(pgoffload.current_id_range() + n)
  from generate_series(1, pgoffload.timeline_step('accepted')) n
$$;

-- API: Private. Makes the server's present timeline the newest of the installation's, and returns its token. Runs
-- within its callers' rights and search_path.
create or replace function pgoffload.record_timeline(
  forked_at pg_lsn,
  reason text,
  first_id bigint)       -- every request that may have been lost has an id below it; null: none was
returns uuid
language plpgsql volatile
as $$
declare
  begun uuid;
begin
  lock table pgoffload.server_timeline in share row exclusive mode;
  -- under the lock the number needs no sequence, which a restored or promoted server may have at another value
  insert into pgoffload.server_timeline (number, timeline, forked_at, reason, first_id, accepted_xid)
  overriding system value
  select max(t.number) + pgoffload.timeline_step(record_timeline.reason), pgoffload.current_timeline(),
         record_timeline.forked_at, record_timeline.reason,
         record_timeline.first_id, case when record_timeline.first_id is not null then pg_current_xact_id() end
  from pgoffload.server_timeline t
  returning token into begun;
  perform pgoffload.note_accepted_timeline();
  return begun;
end
$$;

-- API: Private. The timeline that is the installation's own, as in the names of WAL files; null before the first is
-- recorded. Nothing but a constant, which pgoffload.note_accepted_timeline replaces: each inserted row is compared with
-- it. In PL/pgSQL, since a trigger's condition would have a function of SQL parsed in each statement.
create or replace function pgoffload.accepted_timeline() returns text
language plpgsql stable
as $$ begin return null; end $$;

-- API: Private, for the owner. Has inserted rows compared with the newest timeline. Runs within its callers' rights.
create or replace function pgoffload.note_accepted_timeline() returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  execute format('create or replace function pgoffload.accepted_timeline() returns text language plpgsql stable as %L',
    format(' begin return %L; end ',
      (select upper(lpad(to_hex(t.timeline), 8, '0')) from pgoffload.server_timeline t order by t.number desc limit 1)));
end
$$;
select pgoffload.note_accepted_timeline();

-- API: Private. Takes the installation from a row whose transaction is another one than it says: such a row was not asked
-- here, but restored from a dump, or replicated, and no sweep sends it. Gives a row another id on a server that was
-- promoted a moment ago: it may not have got the last ids that were drawn, and the sequence would draw them again, until
-- the acceptance begins a new range.
create or replace function pgoffload.place_request() returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if new.created_xid <> pg_current_xact_id() then
    new.installation := null;
  elsif not new.immediate
     -- as pgoffload.current_timeline has it
     and substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) <> pgoffload.accepted_timeline() then
    new.id := pgoffload.random_request_id(new.id);
  end if;
  return new;
end
$$;

-- Without a condition: each statement that inserts a row would have it parsed and planned. In a session that replicates,
-- too.
create or replace trigger place_request
  before insert on ${public_schema}.llm_request
  for each row execute function pgoffload.place_request();
create or replace trigger place_request
  before insert on ${public_schema}.sql_request
  for each row execute function pgoffload.place_request();
alter table ${public_schema}.llm_request enable always trigger place_request;
alter table ${public_schema}.sql_request enable always trigger place_request;
drop trigger if exists disown_request on ${public_schema}.llm_request;
drop trigger if exists disown_request on ${public_schema}.sql_request;
drop trigger if exists draw_id_anew on ${public_schema}.llm_request;
drop trigger if exists draw_id_anew on ${public_schema}.sql_request;
drop function if exists pgoffload.disown_request();
drop function if exists pgoffload.draw_id_anew();

-- API: Private, for the producer and the owner. Makes the server's timeline the installation's own, and returns its
-- token. A break of the capture is recorded with it, which begins a new range of ids: no id of before is drawn again,
-- also of those that a server had drawn of which this one knows nothing.
--
-- The producer may only promote, and a timeline only once: where the newest row has the server's timeline, its token
-- comes back and nothing is written, since a producer that ended between the database and Kafka does it again.
create or replace function pgoffload.begin_timeline(
  timeline integer,      -- of the server: it must not have changed meanwhile
  forked_at pg_lsn,      -- where it begins; null: not known
  reason text)           -- promoted | accepted
returns uuid
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  present record;
  step integer;
begin
  -- one at a time, and the second sees the first
  lock table pgoffload.server_timeline in share row exclusive mode;
  if begin_timeline.timeline <> pgoffload.current_timeline() then
    raise exception 'the server writes on timeline % and not on %', pgoffload.current_timeline(), begin_timeline.timeline
      using errcode = 'object_not_in_prerequisite_state';
  end if;
  if begin_timeline.reason <> 'promoted' and not pg_has_role(session_user, current_user, 'usage') then
    raise exception 'only the owner of pgoffload may make a timeline % by hand', begin_timeline.timeline
      using errcode = 'insufficient_privilege';
  end if;
  select t.timeline, t.token into present from pgoffload.server_timeline t order by t.number desc limit 1;
  if begin_timeline.reason = 'promoted' and begin_timeline.timeline <= present.timeline then
    if begin_timeline.timeline < present.timeline then
      raise exception 'timeline % is not above %, which is the installation''s', begin_timeline.timeline, present.timeline
        using errcode = 'object_not_in_prerequisite_state';
    end if;
    return present.token;
  end if;
  -- a server before may have drawn ids of the ranges between, and the transaction that began this one may be lost
  lock table pgoffload.id_range in share row exclusive mode;
  step := pgoffload.timeline_step(begin_timeline.reason);
  if step > 1 then
    insert into pgoffload.id_range (number)
    select pgoffload.current_id_range() + n from generate_series(0, step - 1) n on conflict do nothing;
    perform setval('pgoffload.request_id', (pgoffload.current_id_range() + step - 1) << 36, false);
  end if;
  -- also where no request is known: the first ones may be among what the standby did not have
  insert into pgoffload.capture_break (reason) values ('promoted');
  perform pgoffload.record_capture_break();
  return pgoffload.record_timeline(begin_timeline.forked_at, begin_timeline.reason, pgoffload.current_id_range() << 36);
end
$$;
