-- How the installation does: what llm_health shows.

drop function if exists pgoffload.awaited_standbys(text);

-- API: Private. The standbys in synchronized_standby_slots, for which a slot waits that is synchronised to them: it
-- delivers nothing that one of them has not got. None where the slot does not wait. Runs within its callers' rights and
-- search_path.
create or replace function pgoffload.awaited_standbys(slot text)
returns table (
  name text,             -- of the standby's physical slot
  fault text,            -- why it never gets anything; null: it is being read
  advice text,           -- what to do about the fault
  says_what_it_needs boolean)
language sql volatile
as $$
  select n.name, f.fault, f.advice, coalesce(p.xmin, p.catalog_xmin) is not null
  from pg_replication_slots l
  cross join lateral (
    select distinct lower(btrim(s, ' "')) as name
    from string_to_table(current_setting('synchronized_standby_slots', true), ',') s) n
  left join pg_replication_slots p on p.slot_name = n.name
  left join lateral (
    select case when p.slot_name is null then format('there is no slot %L', n.name)
                when p.slot_type <> 'physical' then format('slot %s is no standby''s', n.name)
                when p.wal_status = 'lost' then format('slot %s is lost', n.name)
                when p.active_pid is null then format('no standby reads from slot %s', n.name) end as fault,
           case when p.slot_name is null
                  then format('Make it (select pg_create_physical_replication_slot(%L)) and start the standby with that primary_slot_name.', n.name)
                when p.slot_type <> 'physical' then format('Name the physical slot of the standby instead of the logical slot %s.', n.name)
                when p.wal_status = 'lost'
                  then format('Drop it (select pg_drop_replication_slot(%1$L)), make it anew (select pg_create_physical_replication_slot(%1$L)), and make the standby anew if it cannot get the missing WAL from an archive.', n.name)
                when p.active_pid is null then format('Start the standby with primary_slot_name = %L.', n.name) end as advice) f on true
  where l.slot_name = slot and to_jsonb(l) ->> 'failover' = 'true' and n.name <> ''
$$;

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
  awaited record;
  found_slot record;
  retains text;
begin
  keep_bytes := case when setting <> '-1' then pg_size_bytes(setting) end;
  select s.database, s.plugin, s.wal_status, s.active_pid, to_jsonb(s) ->> 'invalidation_reason' as reason,
         pg_wal_lsn_diff(pg_current_wal_insert_lsn(), s.restart_lsn)::bigint as retained
  into found_slot from pg_replication_slots s where s.slot_name = slot;
  if not found then
    state := 'error';
    detail := format('there is no replication slot %s: nothing is captured', slot);
    advice := 'Run pgoffload install: it makes a new one, and what was committed meanwhile is sent again.'
      || case when (select t.reason in ('promoted', 'accepted') from pgoffload.server_timeline t order by t.number desc limit 1)
           then ' After a promotion a running pgoffload maintain does so, or its log says why not.' else '' end;
    return;
  end if;
  retained_bytes := found_slot.retained;
  retains := format('retains %s of WAL', pg_size_pretty(retained_bytes))
    || case when keep_bytes is null then '' else format('; beyond max_slot_wal_keep_size = %s it is lost', setting) end;
  select string_agg(w.fault, ', ' order by w.name) as faults, string_agg(w.advice, ' ' order by w.name) as advice
  into awaited from pgoffload.awaited_standbys(slot) w;
  if found_slot.wal_status = 'lost' then
    state := 'error';
    detail := format('replication slot %s is lost%s: the server has removed WAL that it needs, and nothing is captured',
                     slot, coalesce(' (' || found_slot.reason || ')', ''));
    advice := format('Drop it (select pg_drop_replication_slot(%L)) and run pgoffload install: what was committed meanwhile is sent again.', slot);
  elsif awaited.faults is not null then
    state := 'error';
    detail := format('replication slot %s delivers nothing: it waits for each standby in synchronized_standby_slots, and %s. It %s',
                     slot, awaited.faults, retains);
    advice := awaited.advice || ' Or take the name out of synchronized_standby_slots (alter system, then select pg_reload_conf()): then requests are captured before that standby has them.';
  elsif keep_bytes is not null and (retained_bytes > keep_bytes * 0.5 or found_slot.wal_status = 'unreserved') then
    state := case when retained_bytes > keep_bytes * 0.8 or found_slot.wal_status = 'unreserved' then 'error' else 'warning' end;
    detail := format('replication slot %s %s', slot, retains);
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

-- API: Private. Whether a standby could take this server's place with the slot, as far as this server can see, and what
-- to do about it. Where there is no standby, there is nothing to say: what only receives WAL, as a backup does, is none.
-- The slot of a standby that is gone is told from a backup's by the rows that it needs; one without hot_standby_feedback
-- needs none, so that its slot is named and nothing is warned of.
create or replace function pgoffload.standby_health(slot text, out state text, out detail text, out advice text)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
  synchronises constant boolean := current_setting('server_version_num')::integer >= 170000;
  waited_for constant text := coalesce(nullif(current_setting('synchronous_standby_names'), ''), '');
  captured_after constant text := coalesce(current_setting('synchronized_standby_slots', true), '');
  attached boolean;
  physical text;
  gone text;
  clean_up text;
  unread text;
  awaited record;
begin
  -- a standby replays, and says so; to an owner without pg_read_all_stats only its slot tells, by the rows that it needs
  select count(*) > 0, string_agg(f.slot_name::text, ', ' order by f.slot_name) into attached, physical
  from (select case when not s.temporary then s.slot_name end as slot_name
        from pg_stat_replication r left join pg_replication_slots s on s.active_pid = r.pid
        where r.replay_lsn is not null and s.slot_type is distinct from 'logical'
        union
        select s.slot_name from pg_replication_slots s
        where s.slot_type = 'physical' and s.active_pid is not null and not s.temporary
          and coalesce(s.xmin, s.catalog_xmin) is not null) f;
  select string_agg(s.slot_name::text, ', ' order by s.slot_name) filter (where s.needs_rows),
         string_agg(format('select pg_drop_replication_slot(%L)', s.slot_name), '; ' order by s.slot_name)
           filter (where s.needs_rows),
         string_agg(s.slot_name::text, ', ' order by s.slot_name) filter (where not s.needs_rows and s.restart_lsn is not null)
  into gone, clean_up, unread
  from (select p.*, coalesce(p.xmin, p.catalog_xmin) is not null as needs_rows from pg_replication_slots p
        where p.slot_type = 'physical' and p.active_pid is null and not p.temporary) s;
  select string_agg(w.fault, ', ' order by w.name) as faults, string_agg(w.advice, ' ' order by w.name) as advice,
         bool_or(not w.says_what_it_needs) as are_silent
  into awaited from pgoffload.awaited_standbys(slot) w;
  state := 'ok';
  if not attached and gone is null and waited_for = '' and captured_after = '' then
    detail := case when unread is null then 'no standby is connected or configured'
      else format('no standby is connected, and nobody reads from slot %s: of a backup, or of a standby without hot_standby_feedback', unread) end;
    return;
  end if;
  detail := case when waited_for = '' then 'no commit waits for a standby: what it has not got is lost with this server'
    else 'commits wait for the standbys of synchronous_standby_names' end;
  if awaited.faults is not null then
    state := 'error';
    detail := format('nothing is captured until each standby in synchronized_standby_slots has it, and %s', awaited.faults);
    advice := awaited.advice || ' Or take the name out of synchronized_standby_slots (alter system, then select pg_reload_conf()).';
  elsif waited_for <> '' and not exists (
      select from pg_stat_replication r left join pg_replication_slots s on s.active_pid = r.pid
      -- null: the owner may not see it
      where s.slot_type is distinct from 'logical' and coalesce(r.sync_state, 'sync') <> 'async') then
    state := 'error';
    detail := 'commits wait for a standby of synchronous_standby_names, and none is connected';
    advice := 'Start it, or take it out of synchronous_standby_names (alter system, then select pg_reload_conf()): then what it has not got is lost with this server.';
  elsif gone is not null then
    state := 'warning';
    detail := format('no standby reads from slot %s, from which one has read', gone);
    advice := format('Start that standby. If it will not come back: %s; its slot keeps WAL and dead rows.', clean_up);
  elsif not synchronises then
    detail := detail || '; this version does not synchronise slots: after a promotion pgoffload maintain makes the slot anew';
  elsif exists (select from pg_replication_slots s where s.slot_name = slot and to_jsonb(s) ->> 'failover' = 'false') then
    state := 'warning';
    detail := format('replication slot %s is not synchronised to standbys', slot);
    advice := format('End the producer, and run over the replication protocol: ALTER_REPLICATION_SLOT %I (FAILOVER true).', slot);
  elsif attached and physical is null then
    state := 'warning';
    detail := 'a standby has no physical slot: replication slot ' || slot || ' cannot be synchronised to it';
    advice := 'Make one (pg_create_physical_replication_slot), name it in the standby''s primary_slot_name, and set there sync_replication_slots and hot_standby_feedback to on.';
  elsif attached and captured_after = '' then
    state := 'warning';
    detail := 'requests are captured before a standby has them: synchronized_standby_slots is empty';
    advice := format('Set synchronized_standby_slots to the physical slot of the standby that is to take over (%s), and only while that standby runs: nothing is captured without it.', physical);
  elsif awaited.are_silent then
    state := 'warning';
    detail := 'a standby does not say which rows it needs, without which it synchronises no slot';
    advice := 'Set hot_standby_feedback (and sync_replication_slots) to on on the standby.';
  end if;
end
$$;

-- API: Private. How many requests wait for a worker, and for how long the oldest of them has. A look at all requests
-- would take long, so it looks at the newest 10,000 of each table and of each half of the range. Where there are more,
-- it says so, and looks at the oldest 10,000 of each table as well.
create or replace function pgoffload.queue_depth(
  patience interval,    -- those that have waited for less do not count
  out waiting bigint,
  out oldest interval,
  out at_least boolean) -- whether there are requests that were not looked at, of which some may wait as well
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- as in pgoffload.claim_llm_requests
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
    -- copied and restored requests are not executed
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

-- API: Private. How many of the newest 1,000 requests for SQL nobody has claimed. What was launched at once is recorded by
-- the worker that reads it, and is not among them: maintain counts it in Kafka. Runs within its callers' rights.
create or replace function pgoffload.waiting_sql() returns bigint
language sql volatile
as $$
  select count(*)
  from (select t.id, t.installation from ${public_schema}.sql_request t order by t.id desc limit 1000) q
  where q.installation = (select i.id::uuid from pgoffload.installation i)
    and not exists (select from pgoffload.sql_result r where r.id = q.id)
    and not exists (select from pgoffload.claim c where c.id = q.id)
$$;

-- API: Private. The providers of the newest 1,000 requests to models that nobody has claimed and that no live worker has, as
-- a list; null: there are none. Runs within its callers' rights.
create or replace function pgoffload.missing_providers() returns text
language plpgsql volatile
as $$
begin
  return (
    select string_agg(case when p.provider is null then 'a reranker' else quote_ident(p.provider) end, ', ' order by p.provider)
    from (select distinct q.kind = 'rerank' as is_rerank, q.provider
          from (select l.id, l.kind, l.provider, l.installation from ${public_schema}.llm_request l order by l.id desc limit 1000) q
          where (q.provider is not null or q.kind = 'rerank')
            and q.installation = (select i.id::uuid from pgoffload.installation i)
            and not exists (select from pgoffload.claim c where c.id = q.id)
            and not exists (select from pgoffload.llm_result r where r.id = q.id)
          offset 0) p
    where pgoffload.is_missing_provider(case when p.is_rerank then 'rerank' else 'ask' end, p.provider));
end
$$;

-- API: Private. What a pause is of, in words. Runs within its callers' search_path.
create or replace function pgoffload.paused_words(pause pgoffload.pause) returns text
language sql stable
as $$
  select case when pause.role_oid is not null then 'role ' || quote_ident(pg_get_userbyid(pause.role_oid))
              when pause.model is null then 'provider ' || quote_ident(pause.provider)
              when pause.provider is null then 'model ' || pause.model
              else 'model ' || pause.provider || ':' || pause.model end
$$;

-- API: Private. What pgoffload.llm_health shows.
create or replace function pgoffload.health()
returns table ("check" text, state text, detail text, advice text)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- as in pgoffload.claim_llm_requests
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

  "check" := 'server';
  select t.timeline, t.accepted_at, t.reason, t.timeline = pgoffload.current_timeline() as is_present
  into broken from pgoffload.server_timeline t order by t.number desc limit 1;
  state := case when broken.is_present then 'ok' else 'error' end;
  detail := case when broken.is_present
      then format('timeline %s was made the installation''s own at %s (%s)', broken.timeline, date_trunc('second', broken.accepted_at), broken.reason)
    else format('the server was promoted to timeline %s, and timeline %s is the installation''s: nothing is captured or executed',
                pgoffload.current_timeline(), broken.timeline) end;
  advice := case when not broken.is_present
    then 'A running producer accepts it by itself, or its log says why not: so does pgoffload promote, which shows what there is to choose.' end;
  return next;

  "check" := 'standby';
  select h.state, h.detail, h.advice into state, detail, advice from pgoffload.standby_health(setting ->> 'slot') h;
  return next;

  "check" := 'topics';
  state := case when setting ->> 'topic_faults' <> '' then 'error' else 'ok' end;
  detail := case state when 'ok' then 'the topics had the settings that they need when install or maintain last looked'
    else 'with these settings of topics requests or results can be lost: ' || (setting ->> 'topic_faults') end;
  advice := case state when 'error' then 'Run pgoffload install: it sets them, or says why they cannot be set.' end;
  return next;

  "check" := 'replicas';
  select r.s ->> 'state' as state, r.s ->> 'detail' as detail, r.s ->> 'advice' as advice into kept
  from (select nullif(setting ->> 'topic_replicas', '')::jsonb as s) r;
  state := coalesce(kept.state, 'ok');
  detail := coalesce('when maintain last looked: ' || kept.detail, 'maintain has not looked at the topics'' replicas yet');
  advice := kept.advice;
  return next;

  "check" := 'sweep';
  select b.reason, b.broken_at, b.first_id into broken from pgoffload.capture_break b where b.swept_at is null order by b.number limit 1;
  state := case when found then 'warning' else 'ok' end;
  detail := case state when 'ok' then 'nothing was lost on its way, or it was sent again'
    else format('the capture was interrupted at %s (%s): what was lost is about to be sent again', broken.broken_at, broken.reason) end;
  advice := case when state = 'ok' then null
    when broken.first_id is null and broken.reason ~ '^key_' then 'Run pgoffload rotate-key --revoke again: it was interrupted.'
    when broken.first_id is null and broken.broken_at > clock_timestamp() - interval '2 min'
      then 'Nothing: a slot or a topic is being made.'
    when broken.first_id is null then 'Run pgoffload install: it was interrupted while it made a slot or a topic.'
    else 'Have producer, workers and results running: the sweep waits until what reached Kafka has been worked off.' end;
  return next;

  "check" := 'workers';
  select count(*) into alive from pgoffload.worker w where pgoffload.worker_is_alive(w.name, w.epoch);
  state := case alive when 0 then 'error' else 'ok' end;
  detail := format('%s alive', case alive when 0 then 'no worker is' when 1 then '1 worker is' else alive || ' workers are' end);
  advice := case alive when 0 then 'Start one with: pgoffload worker' end;
  return next;

  "check" := 'sql';
  select count(*) filter (where l.runs_sql) as executing, null::bigint as number into waiting from pgoffload.live_queues() l;
  if alive > 0 and waiting.executing = 0 then
    waiting.number := greatest(pgoffload.waiting_sql(), (setting ->> 'unread_sql')::bigint);
  end if;
  state := case when waiting.number > 0 then 'warning' else 'ok' end;
  detail := case when alive = 0 then 'no worker is alive'
    when waiting.executing > 0 then pgoffload.counted(waiting.executing, 'worker') || case waiting.executing when 1 then ' executes' else ' execute' end || ' background SQL'
    when waiting.number > 0 then format('at least %s wait for a worker with SQL, and none of those alive executes any', pgoffload.counted(waiting.number, 'request'))
    else 'no worker executes background SQL, and none is known to wait' end;
  advice := case state when 'warning' then 'Start a worker with PGOFFLOAD_SQL_DATABASE_URL set.' end;
  return next;

  "check" := 'providers';
  select p.missing into waiting from pgoffload.missing_providers() p (missing);
  state := case when waiting.missing is null then 'ok' else 'warning' end;
  detail := case state when 'ok' then 'the workers have the providers of the requests that wait'
    else 'requests wait for a provider that no worker has, and fail once a worker takes them: ' || waiting.missing end;
  advice := case state when 'warning' then 'Configure it at the workers, or have the applications name another: docs/llm-providers.md.' end;
  return next;

  "check" := 'paused';
  select count(*) as number, min(p.since) as oldest into waiting from pgoffload.pause p;
  state := case when waiting.oldest < clock_timestamp() - interval '1 day' then 'warning' else 'ok' end;
  detail := case when waiting.number = 0 then 'no model and no role is paused' else (
    select string_agg(p.words, '; ' order by p.number)
        || case when waiting.number > 5 then format('; and %s more', waiting.number - 5) else '' end
    from (select o.number, format('%s is paused by %s for %s%s', pgoffload.paused_words(o), quote_ident(o.paused_by),
                   date_trunc('second', clock_timestamp() - o.since), ' (' || left(o.reason, 100) || ')') as words
          from pgoffload.pause o order by o.number limit 5) p) end;
  advice := case state when 'warning' then 'Requests wait for it until their deadlines. As a member of pgoffload_operator: select * from pgoffload_paused, then pgoffload_resume_model or pgoffload_resume_role.' end;
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

-- API: Public. How the installation does: of each check its state (ok, warning, error), what is the case, and what to
-- do about it.
create or replace view ${public_schema}.llm_health with (security_invoker) as
select h."check", h.state, h.detail, h.advice from pgoffload.health() h;
