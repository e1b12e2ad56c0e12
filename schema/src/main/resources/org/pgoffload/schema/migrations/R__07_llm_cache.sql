-- The cache of answers, for the role pgoffload_worker alone.

-- API: Private, for workers. Finds the answer to a request that others have asked for before. It comes back as
--   hit     result is the answer's row, succeeded within max_age
--   lead    the caller makes the call; asking again as the leader gives lead again
--   follow  a live worker makes it for leader_id: ask again later
--
-- The next request leads when the leader has ended otherwise, or its worker is dead. Of two that ask at the same time
-- the primary key lets one lead.
create or replace function pgoffload.consult_cache(
  worker_name text, worker_epoch bigint,
  request_id bigint,          -- which the caller has claimed
  cache_key bytea,            -- SHA-256 of all that makes an answer: provider, model and every parameter
  max_age interval)
returns table (outcome text, leader_id bigint, result jsonb)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- as in pgoffload.claim_llm_requests
set enable_seqscan = off
as $$
declare
  role_scope oid;
  leader record;
  answer pgoffload.llm_result;
begin
  perform pgoffload.require_lease(worker_name, worker_epoch);
  select c.requested_by_oid into role_scope
  from pgoffload.claim c where c.id = request_id order by c.attempt desc limit 1;
  if not found then
    raise exception 'request % is not claimed', request_id using errcode = 'object_not_in_prerequisite_state';
  end if;
  if (select s.value = 'on' from pgoffload.setting s where s.name = 'cache_across_roles') then
    role_scope := 0;
  end if;
  loop
    select c.number, c.id into leader
    from pgoffload.llm_cache c
    where c.scope = role_scope and c.key = cache_key order by c.number desc limit 1;
    if found then
      leader_id := leader.id;
      if leader.id = request_id then
        outcome := 'lead';
        exit;
      end if;
      select r.* into answer from pgoffload.llm_result r where r.id = leader.id;
      if found then
        if answer.status = 'succeeded' and answer.finished_at > clock_timestamp() - max_age then
          outcome := 'hit';
          result := to_jsonb(answer);
          exit;
        end if;
      elsif pgoffload.is_held(leader.id) or not pgoffload.judges(worker_name, worker_epoch) then
        outcome := 'follow';
        exit;
      end if;
    end if;
    insert into pgoffload.llm_cache (scope, key, number, id)
    values (role_scope, cache_key, coalesce(leader.number, 0) + 1, request_id)
    on conflict do nothing;
    if found then
      outcome := 'lead';
      leader_id := request_id;
      exit;
    end if;
  end loop;
  return next;
end
$$;
