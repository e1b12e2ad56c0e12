-- What operators do: they pause and resume models and roles. And the log of actions, theirs and of the console's users.
--
-- These functions run with their callers' rights, so that who acts is stamped by the tables' defaults, and never given.

-- API: Private. Whether the caller has the rights of the role pgoffload_operator.
create or replace function pgoffload.is_operator() returns boolean
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select pg_has_role('pgoffload_operator', 'usage')
$$;

-- API: Private, for users and the console. Notes an action of the caller in the transaction that takes it; returns its number.
create or replace function pgoffload.note_action(
  what text,                    -- a word: cancel, retry, replay, …
  ids bigint[] default null,    -- of the requests that it is done to
  names text[] default null,    -- of other things that it is done to
  detail jsonb default null)    -- more of it; never a prompt, an answer or SQL
returns bigint
language sql volatile
set search_path = pg_catalog, pg_temp
as $$
  insert into pgoffload.action (what, ids, names, detail) values (what, ids, names, detail) returning number
$$;

-- API: Private. Notes that a model or a role was paused or resumed, however that was done.
create or replace function pgoffload.note_pause() returns trigger
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  changed constant pgoffload.pause := case tg_op when 'DELETE' then old else new end;
begin
  perform pgoffload.note_action(
    case tg_op when 'DELETE' then 'resume_' else 'pause_' end || case when changed.role_oid is null then 'model' else 'role' end,
    null,
    array_remove(array[changed.provider, changed.model, pg_get_userbyid(changed.role_oid)], null),
    nullif(jsonb_strip_nulls(jsonb_build_object('provider', changed.provider, 'model', changed.model, 'role_oid', changed.role_oid::bigint,
      'reason', changed.reason, 'paused_at', case tg_op when 'DELETE' then changed.since end)), '{}'));
  return null;
end
$$;
create or replace trigger note_pause after insert or delete on pgoffload.pause
  for each row execute function pgoffload.note_pause();

-- API: Private, for workers. What is paused, as they read it with each renewal of their leases; null: nothing is.
create or replace function pgoffload.current_pauses() returns jsonb
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_agg(jsonb_strip_nulls(jsonb_build_object('model', p.model, 'provider', p.provider, 'role_oid', p.role_oid::bigint)) order by p.number)
  from pgoffload.pause p
$$;

-- API: Private. Raises unless a model or a provider is named.
create or replace function pgoffload.require_model_or_provider(model text, provider text) returns void
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  if coalesce(model, provider, '') = '' or model = '' or provider = '' then
    raise exception 'neither a model nor a provider is named'
      using errcode = 'invalid_parameter_value', hint = 'Name a model, a provider, or both: select pgoffload_pause_model(''gpt-5'', ''openai'')';
  end if;
end
$$;

-- API: Public. Pauses a model, for members of pgoffload_operator: no request begins that asks it first, and no further call
-- is made to it. Requests wait, until their deadlines; calls that are under way go on. Returns false if it was paused.
create or replace function ${public_schema}.pgoffload_pause_model(
  model text default null,      -- as its provider names it; null: all models of the provider
  provider text default null,   -- as the workers name it; null: the models of this name of any provider
  reason text default null)     -- for those who wait
returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  perform pgoffload.require_model_or_provider(model, provider);
  insert into pgoffload.pause (model, provider, reason) values (model, provider, reason) on conflict do nothing;
  return found;
end
$$;

-- API: Public. Resumes what pgoffload_pause_model has paused, within a second. Returns false if that was not paused.
create or replace function ${public_schema}.pgoffload_resume_model(
  model text default null,      -- both as they were paused
  provider text default null)
returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  perform pgoffload.require_model_or_provider(model, provider);
  delete from pgoffload.pause p
  where p.role_oid is null
    and p.model is not distinct from pgoffload_resume_model.model and p.provider is not distinct from pgoffload_resume_model.provider;
  return found;
end
$$;

-- API: Public. Pauses a role, for members of pgoffload_operator: no request that it asks for, of either kind, begins. What
-- was begun goes on. Other roles, also its members, are not paused. Returns false if it was paused.
create or replace function ${public_schema}.pgoffload_pause_role(
  role regrole,
  reason text default null)     -- for those who wait
returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  if role is null then
    raise exception 'no role is named' using errcode = 'null_value_not_allowed';
  end if;
  insert into pgoffload.pause (role_oid, reason) values (role, reason) on conflict do nothing;
  return found;
end
$$;

-- API: Public. Resumes a role within a second. Returns false if it was not paused.
create or replace function ${public_schema}.pgoffload_resume_role(
  role regrole)                 -- of one that was dropped: its oid
returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  delete from pgoffload.pause p where p.role_oid = role;
  return found;
end
$$;

-- API: Public. What is paused: models and, of the roles, those whose requests the reader may see; operators see all.
create or replace view ${public_schema}.pgoffload_paused with (security_invoker) as
select p.model, p.provider, pg_catalog.pg_get_userbyid(p.role_oid) as role, p.since, p.paused_by, p.reason
from pgoffload.pause p;

-- API: Private. Settles the dead letter that an action of this transaction names: sends its request again, or discards it.
-- Returns the new request's id, or null. Each action settles once, so that nothing is settled that is not in the log.
create or replace function pgoffload.settle_letter(
  action bigint,                -- its number, as replay_letter or discard_letter have noted it
  message bytea,                -- these of replay_request
  key_id integer, mac bytea,
  force boolean)
returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  noted pgoffload.action;
  new_id bigint;
begin
  select a.* into noted from pgoffload.action a where a.number = settle_letter.action and a.at >= transaction_timestamp();
  if not found or noted.what not in ('replay_letter', 'discard_letter') then
    raise exception 'no action of this transaction settles a dead letter'
      using errcode = 'object_not_in_prerequisite_state', hint = 'Call pgoffload.replay_letter or pgoffload.discard_letter.';
  end if;
  if noted.what = 'replay_letter' then
    new_id := pgoffload.replay_request(message, key_id, mac, force);
  end if;
  insert into pgoffload.settled_letter (action, position, came_at, replayed_as)
  values (noted.number, noted.names[1], (noted.detail ->> 'came_at')::timestamptz, new_id);
  return new_id;
end
$$;

-- API: Private. Notes what is done to a dead letter; returns the action's number.
create or replace function pgoffload.note_letter(
  what text,
  letter jsonb,                 -- position, came_at, reason and, where it can be read, id
  force boolean)
returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  if letter ->> 'position' is null or letter ->> 'came_at' is null then
    raise exception 'the dead letter has no position or no time' using errcode = 'invalid_parameter_value';
  end if;
  return pgoffload.note_action(
    what,
    case when letter ->> 'id' is not null then array[(letter ->> 'id')::bigint] end,
    array[letter ->> 'position'],
    jsonb_build_object('came_at', letter -> 'came_at', 'reason', letter -> 'reason') || case when force then '{"force": true}' else '{}' end::jsonb);
end
$$;

-- API: Private, for members of pgoffload_operator. Sends the request of a dead letter again, as replay_request does, and
-- notes it. Returns the new request's id. pgoffload dead-letters replay and the console call it.
create or replace function pgoffload.replay_letter(
  letter jsonb,                 -- position, came_at, reason and, where it can be read, id
  message bytea,                -- these of replay_request
  key_id integer, mac bytea,
  force boolean default false)
returns bigint
language sql volatile
set search_path = pg_catalog, pg_temp
as $$
  select pgoffload.settle_letter(pgoffload.note_letter('replay_letter', letter, force), message, key_id, mac, force)
$$;

-- API: Private, for members of pgoffload_operator. Discards a dead letter: lists leave it out, and no replay of all sends it
-- again. It is on its topic until Kafka removes it. Returns null.
create or replace function pgoffload.discard_letter(
  letter jsonb)                 -- position, came_at, reason and, where it can be read, id
returns bigint
language sql volatile
set search_path = pg_catalog, pg_temp
as $$
  select pgoffload.settle_letter(pgoffload.note_letter('discard_letter', letter, false), null, null, null, false)
$$;
