-- Ranges of ids, their partitions, and the removal of rows that are older than the setting retention. For the owner
-- alone, who runs pgoffload maintain: detaching a partition concurrently cannot be done in a function.

-- API: Private. The tables that are partitioned by ranges of ids.
create or replace function pgoffload.partitioned_tables() returns setof regclass
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select c.oid::regclass
  from pg_class c
  where c.relkind = 'p'
    and (c.relnamespace = 'pgoffload'::regnamespace
         or c.oid in ('${public_schema}.llm_request'::regclass, '${public_schema}.sql_request'::regclass))
  order by c.relname
$$;

-- API: Private. The partitions of a range of ids, in the order in which they are removed.
create or replace function pgoffload.partitions_of(number bigint)
returns table (parent regclass, partition regclass, detaching boolean)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select t, i.inhrelid::regclass, i.inhdetachpending
  from pgoffload.partitioned_tables() t
  join pg_inherits i on i.inhparent = t
  join pg_class c on c.oid = i.inhrelid
  where c.relnamespace = 'pgoffload'::regnamespace
    and c.relname = (select p.relname from pg_class p where p.oid = t) || '_' || number
  -- requests first: if the removal is interrupted, a result without its request misleads no reader
  order by c.relname !~ '_request_', c.relname
$$;

-- API: Private, for the owner. Makes the partitions of a range of ids where there are none; returns how many were
-- missing. A table is made beside its parent and then attached, which a caller that waits in a long statement does not
-- hold up, as PARTITION OF would be.
create or replace function pgoffload.make_partitions(number bigint) returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  parent regclass;
  name text;
  made integer := 0;
begin
  -- two that make the same partitions wait for each other, and look after it
  lock table pgoffload.id_range in share row exclusive mode;
  for parent in
      select t from pgoffload.partitioned_tables() t
      where not exists (select from pgoffload.partitions_of(make_partitions.number) p where p.parent = t) loop
    name := (select c.relname from pg_class c where c.oid = parent) || '_' || number;
    execute format('create table pgoffload.%I (like %s including all)', name, parent);
    -- a user's column of this type would keep the partition from being dropped
    execute format('revoke usage on type pgoffload.%I from public', name);
    -- a role that the owner's default privileges let read the partition directly would see every role's rows
    execute format('alter table pgoffload.%I enable row level security', name);
    execute format('alter table %s attach partition pgoffload.%I for values from (%s) to (%s)',
                   parent, name, number << 36, (number + 1) << 36);
    made := made + 1;
  end loop;
  return made;
end
$$;

-- API: Private. The range that ids are taken from.
create or replace function pgoffload.current_id_range() returns bigint
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  select s.last_value >> 36 from pgoffload.request_id s
$$;

-- API: Private, for the owner. Has new plans take the given range and the one before it for the recent ones.
create or replace function pgoffload.note_current_range(number bigint) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  execute format('create or replace function pgoffload.recent_from() returns bigint language sql stable as %L',
    format('select %s::bigint', greatest(0, number - 1) << 36));
end
$$;
select pgoffload.note_current_range(pgoffload.current_id_range());

-- API: Private, for the owner. Begins the next range of ids, whose partitions have to be there: made by a transaction
-- that has committed, since a sequence does not go back when this one rolls back. Returns its number.
create or replace function pgoffload.begin_id_range() returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  following bigint;
begin
  -- of two that begin one, the second begins another after the first
  lock table pgoffload.id_range in share row exclusive mode;
  following := pgoffload.current_id_range() + 1;
  if (select count(*) from pgoffload.partitions_of(following) p join pg_class c on c.oid = p.partition
      where not p.detaching and c.xmin <> pg_current_xact_id()::xid)
     < (select count(*) from pgoffload.partitioned_tables()) then
    raise exception 'the range of ids % has no partitions yet', following
      using errcode = 'object_not_in_prerequisite_state', hint = 'Call pgoffload.make_partitions first, and commit.';
  end if;
  -- the current one too, if the transaction that began it was rolled back: the sequence was not
  insert into pgoffload.id_range (number) values (following - 1), (following) on conflict do nothing;
  perform setval('pgoffload.request_id', following << 36, false);
  perform pgoffload.note_current_range(following);
  return following;
end
$$;

-- API: Private. Which part of its ids of the current range the sequence has drawn: it draws from the lower half alone.
-- Any role that may ask can draw ids without asking, which must not use up a range.
create or replace function pgoffload.share_of_ids_drawn() returns double precision
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  select (s.last_value & ((1::bigint << 36) - 1))::double precision / (1::bigint << 35) from pgoffload.request_id s
$$;

-- API: Private, for the owner. Whether it is time for the next range.
create or replace function pgoffload.id_range_is_over() returns boolean
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    (select r.begun_at from pgoffload.id_range r where r.number = pgoffload.current_id_range())
      + (select s.value::interval from pgoffload.setting s where s.name = 'id_range_lasts') <= clock_timestamp(),
    true)
    -- at the speed of a session that does nothing else, the other half lasts longer than maintain needs to look again
    or pgoffload.share_of_ids_drawn() > 0.5
$$;

-- API: Private. The requests between two ids that have no result. Both sides go by their own index, since millions
-- may lie there. Runs within its callers' rights and search_path, so that it is inlined.
create or replace function pgoffload.unanswered(first_id bigint, last_id bigint)
returns table (
  id bigint, is_sql boolean, immediate boolean, created_at timestamptz, created_xid xid8,
  is_ours boolean)    -- not a copy of another installation's, nor restored
language sql stable
as $$
  select q.id, false, q.immediate, q.created_at, q.created_xid, q.installation is not distinct from i.id::uuid
  from ${public_schema}.llm_request q
  left join (select r.id from pgoffload.llm_result r where r.id between first_id and last_id) r on r.id = q.id
  cross join pgoffload.installation i
  where q.id between first_id and last_id and r.id is null
  union all
  select q.id, true, q.immediate, q.created_at, q.created_xid, q.installation is not distinct from i.id::uuid
  from ${public_schema}.sql_request q
  left join (select r.id from pgoffload.sql_result r where r.id between first_id and last_id) r on r.id = q.id
  cross join pgoffload.installation i
  where q.id between first_id and last_id and r.id is null
$$;

-- API: Private, for the owner. The ranges whose last request is older than the setting retention, the oldest first.
create or replace function pgoffload.old_id_ranges() returns setof bigint
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  select r.number
  from (select i.number, i.removing_since, lead(i.begun_at) over (order by i.number) as ended_at from pgoffload.id_range i) r
  where r.removing_since is not null
     or r.ended_at < clock_timestamp() - (select s.value::interval from pgoffload.setting s where s.name = 'retention')
  order by r.number
$$;

-- API: Private, for the owner. Begins the removal of a range, if each of its requests has a result; once begun, it is
-- only finished. Waits for transactions that write to it, which may have inserted requests that are not visible yet; no
-- new transaction takes an id of an old range.
create or replace function pgoffload.begin_removal(
  number bigint,
  out unanswered bigint,     -- up to 1000; 0: its removal has begun
  out example bigint)        -- one of them
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  first_id constant bigint := begin_removal.number << 36;
  last_id constant bigint := (begin_removal.number + 1 << 36) - 1;
  requests regclass;
begin
  unanswered := 0;
  if exists (select from pgoffload.id_range r where r.number = begin_removal.number and r.removing_since is not null) then
    return;
  end if;
  for requests in
      select p.partition from pgoffload.partitions_of(begin_removal.number) p
      where p.parent in ('${public_schema}.llm_request'::regclass, '${public_schema}.sql_request'::regclass) loop
    execute format('lock table %s in share mode', requests);
  end loop;
  select count(*), min(u.id) into unanswered, example
  from (select n.id from pgoffload.unanswered(first_id, last_id) n where n.is_ours limit 1000) u;
  update pgoffload.id_range r
  set removing_since = case unanswered when 0 then clock_timestamp() end, kept_for = example
  where r.number = begin_removal.number and (unanswered = 0 or r.kept_for is distinct from example);
  if unanswered = 0 then
    perform pgoffload.ask_unapplied_again(first_id, last_id);
  end if;
end
$$;

-- API: Private, for the owner. Drops the detached partitions of a range, also those that an interrupted removal has
-- detached.
create or replace function pgoffload.drop_detached(number bigint) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  detached regclass;
begin
  lock table pgoffload.id_range in share row exclusive mode;
  for detached in
      select c.oid::regclass
      from pgoffload.partitioned_tables() t
      join pg_class p on p.oid = t
      join pg_class c on c.relnamespace = 'pgoffload'::regnamespace and c.relname = p.relname || '_' || drop_detached.number
      where c.relkind = 'r' and not c.relispartition loop
    execute format('drop table %s', detached);
  end loop;
end
$$;

-- API: Private, for the owner. Forgets a range whose partitions have been dropped.
create or replace function pgoffload.forget_id_range(number bigint) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (select from pgoffload.partitions_of(number)) then
    raise exception 'range % has partitions', number using errcode = 'object_not_in_prerequisite_state';
  end if;
  delete from pgoffload.id_range r where r.number = forget_id_range.number;
  delete from pgoffload.capture_break b where b.first_id < (forget_id_range.number + 1) << 36 and b.swept_at is not null;
end
$$;

-- API: Private, for the owner. Removes old rows of the tables that are not partitioned: leaders in the cache whose
-- answer is gone, sums of usage, leases of the dead, and backends that have ended. A thousand at a time, so that no
-- transaction is long; returns whether there may be more.
create or replace function pgoffload.remove_old_rows() returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  at_most constant integer := 1000;
  oldest_id constant bigint := (select min(r.number) << 36 from pgoffload.id_range r);
  usage_from constant timestamptz := clock_timestamp()
    - (select s.value::interval from pgoffload.setting s where s.name = 'usage_retention');
  removed integer;
  more boolean := false;
begin
  delete from pgoffload.llm_cache c
  where c.ctid = any (array(select o.ctid from pgoffload.llm_cache o where o.id < oldest_id limit at_most));
  get diagnostics removed = row_count;
  more := more or removed = at_most;

  delete from pgoffload.llm_usage_minute u
  where u.ctid = any (array(select o.ctid from pgoffload.llm_usage_minute o where o.minute < usage_from limit at_most));
  get diagnostics removed = row_count;
  more := more or removed = at_most;

  delete from pgoffload.llm_usage_hour u
  where u.ctid = any (array(select o.ctid from pgoffload.llm_usage_hour o where o.hour < usage_from limit at_most));
  get diagnostics removed = row_count;
  more := more or removed = at_most;

  delete from pgoffload.action a
  where a.ctid = any (array(
    select o.ctid from pgoffload.action o
    where o.at < clock_timestamp() - (select s.value::interval from pgoffload.setting s where s.name = 'retention') limit at_most));
  get diagnostics removed = row_count;
  more := more or removed = at_most;

  -- Kafka keeps a letter for up to a day longer than retention, and what was settled must stay so
  delete from pgoffload.settled_letter l
  where l.ctid = any (array(
    select o.ctid from pgoffload.settled_letter o
    where o.settled_at < clock_timestamp() - interval '2 days'
      - (select s.value::interval from pgoffload.setting s where s.name = 'retention') limit at_most));
  get diagnostics removed = row_count;
  more := more or removed = at_most;

  -- which sessions there are is looked up after the rows: one that has recorded itself since is there
  perform pg_stat_clear_snapshot();
  delete from pgoffload.task_backend b
  where b.pid = any (array(
    select o.pid from pgoffload.task_backend o
    where not exists (select from pg_stat_get_activity(o.pid)) limit at_most));
  get diagnostics removed = row_count;
  more := more or removed = at_most;

  perform pgoffload.remove_dead_leases();
  return more;
end
$$;
