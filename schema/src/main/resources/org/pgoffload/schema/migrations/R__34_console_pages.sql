-- What pages of the console ask for besides what users can read.

-- API: Private. How fast maintained columns go on, of declarers whose privileges the reader has: how many requests ended
-- within the last ten minutes, by the minute. Batches that were summed up do not count. Runs with its owner's rights.
create or replace view pgoffload.maintained_pace with (security_barrier) as
select m.name,
       coalesce((select pg_catalog.round(pg_catalog.sum(n.ended) * 60
                          / greatest(extract(epoch from pg_catalog.clock_timestamp() - pg_catalog.min(n.at)), 60), 1)
                 from (select t.at, t.done + t.failed + t.stale as ended
                       from pgoffload.maintained_count t where t.number = m.number order by t.at desc limit 100) n
                 where n.at > pg_catalog.clock_timestamp() - interval '10 min' and n.ended > 0), 0) as per_minute
from pgoffload.maintained_column m
where pg_catalog.pg_has_role(m.declarer, 'usage');
