-- Sending dead letters again. For the owner alone: a caller of this function acts for every role. Operators call
-- replay_letter, which notes who does it.

-- API: Private, for the owner. Sends a request of this installation again, as a new one: with the identity that was
-- signed, with this transaction, and wanted for as long from now on as it was then. Returns its id. pgoffload.settle_letter
-- calls it. Raises, with what to do, when it is not ours, cannot be read, may not be sent any more,
-- or was answered or sent again already.
create or replace function pgoffload.replay_request(
  message bytea,                -- the envelope's bytes, as they were signed
  key_id integer, mac bytea,    -- its signature
  force boolean default false)  -- even if it was answered, runs, or was sent again already
returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
  envelope jsonb;
  payload jsonb;
  old_id bigint;
  kind text;
  requester oid;
  requester_name name;
  time_limit interval;
  known bigint;
  new_id bigint;
  usual constant text[] := array[
    current_setting('llm.model', true), current_setting('llm.provider', true), current_setting('llm.timeout', true)];
begin
  if not coalesce(pgoffload.is_signed(message, key_id, mac), false) then
    raise exception 'the letter is not signed by this installation'
      using errcode = 'invalid_parameter_value',
            detail = format('Its signature names key %s%s.', coalesce(key_id::text, 'null'),
              case when exists (select from pgoffload.signing_key k where k.key_id = replay_request.key_id and k.revoked_at is not null)
                then ', which was revoked' else '' end),
            hint = 'It is forged, damaged, or another installation''s: nothing of it may be executed. What was meant has to be asked again by who wants it.';
  end if;
  begin
    envelope := convert_from(message, 'UTF8')::jsonb;
    payload := envelope -> 'payload';
    old_id := (envelope ->> 'id')::bigint;
    kind := envelope ->> 'kind';
    requester := (envelope #>> '{requested_by,user_oid}')::oid;
    time_limit := make_interval(secs => (envelope ->> 'timeout_ms')::double precision / 1000);
  exception when data_exception or program_limit_exceeded or invalid_text_representation then
    raise exception 'the request in the letter cannot be read: %', sqlerrm
      using errcode = 'invalid_parameter_value',
            hint = 'pgoffload dead-letters show prints it; what was meant has to be asked again by who wants it.';
  end;
  if (envelope ->> 'version') is distinct from '1' then
    raise exception 'request % is of version %, which this installation does not know', old_id, envelope ->> 'version'
      using errcode = 'feature_not_supported',
            hint = 'A newer version has signed it: run its pgoffload install, then replay it again.';
  end if;
  if (envelope ->> 'installation') is distinct from (select i.id from pgoffload.installation i) then
    raise exception 'request % was signed for another installation', old_id
      using errcode = 'invalid_parameter_value',
            hint = 'It was sent before this database was copied and adopted: it is the other one''s to execute.';
  end if;
  if old_id is null or requester is null or jsonb_typeof(payload) is distinct from 'object' then
    raise exception 'the request in the letter is not complete'
      using errcode = 'invalid_parameter_value', hint = 'pgoffload dead-letters show prints it.';
  end if;
  if kind is null or kind not in ('ask', 'embed', 'rerank', 'sql') then
    raise exception 'what is of kind % is not sent again', coalesce(kind, 'null')
      using errcode = 'feature_not_supported',
            hint = 'Commands, such as a cancellation, are given again by who wants them.';
  end if;

  select r.rolname into requester_name from pg_roles r where r.oid = requester;
  if not found then
    raise exception 'the role that asked request %, %, does not exist any more', old_id, envelope #>> '{requested_by,user}'
      using errcode = 'undefined_object', hint = 'It has to be asked again, by another role.';
  end if;
  if not has_any_column_privilege(requester,
      case kind when 'sql' then '${public_schema}.sql_request' else '${public_schema}.llm_request' end, 'insert') then
    raise exception 'role % may not ask any more', requester_name
      using errcode = 'insufficient_privilege',
            hint = format('To send request %s again for it: grant %s to %I', old_id,
              case kind when 'sql' then 'pgbackground_role' else 'llm_user' end, requester_name);
  end if;

  -- Of two at once, the second sees the first. Not an advisory lock, which any role may hold.
  lock table pgoffload.replay in share row exclusive mode;
  if not force then
    if not exists (select from pgoffload.partitions_of(old_id >> 36)) then
      raise exception 'whether request % was answered is not known any more', old_id
        using errcode = 'object_not_in_prerequisite_state',
              detail = 'It is older than retention, and was removed with its result.',
              hint = 'To send it all the same: --force';
    end if;
    if exists (select from pgoffload.llm_result r where r.id = old_id and r.status = 'succeeded')
       or exists (select from pgoffload.sql_result r where r.id = old_id and r.status = 'succeeded') then
      raise exception 'request % has succeeded', old_id
        using errcode = 'object_not_in_prerequisite_state', hint = 'To send it again all the same: --force';
    end if;
    if not exists (select from pgoffload.llm_result r where r.id = old_id)
       and not exists (select from pgoffload.sql_result r where r.id = old_id)
       and pgoffload.is_held(old_id) then
      raise exception 'request % is being executed', old_id
        using errcode = 'object_not_in_prerequisite_state',
              hint = 'Wait for its result. To send it again all the same: --force';
    end if;
    select p.replayed_as into known from pgoffload.replay p where p.id = old_id order by p.replayed_as desc limit 1;
    if found then
      raise exception 'request % was sent again already, as request %', old_id, known
        using errcode = 'object_not_in_prerequisite_state', hint = 'To send it once more: --force';
    end if;
  end if;

  if kind = 'sql' then
    insert into ${public_schema}.sql_request (
      command, label, timeout, ordering_key, tags, queue_size, requested_by, requested_by_oid, login_oid, settings,
      session, submitted, retry_of)
    values (
      payload ->> 'command', payload ->> 'label', time_limit, envelope ->> 'ordering_key', payload -> 'tags',
      coalesce((payload ->> 'queue_size')::integer, 65536), requester_name, requester, (payload ->> 'login_oid')::oid,
      coalesce(payload -> 'settings', '{}'), coalesce(payload ->> 'session', ''),
      coalesce((payload ->> 'submitted')::boolean, false), old_id)
    returning id into new_id;
  else
    -- an immediate request that no worker could claim is not recorded, and retry_of names recorded requests only
    begin
      insert into ${public_schema}.llm_request (
        id, kind, prompt, system, messages, model, options, timeout, ordering_key, tags, provider, response_schema,
        inputs, retry_of, requested_by, requested_by_oid, created_at, immediate)
      values (
        old_id, kind, payload ->> 'prompt', payload ->> 'system', payload -> 'messages', payload ->> 'model',
        payload -> 'options', time_limit, envelope ->> 'ordering_key', payload -> 'tags', payload ->> 'provider',
        payload -> 'response_schema',
        case when payload ? 'inputs' then array(select jsonb_array_elements_text(payload -> 'inputs')) end,
        (payload ->> 'retry_of')::bigint, requester_name, requester,
        timestamptz 'epoch'
          + coalesce(envelope ->> 'created_at_us', envelope ->> 'signed_at_us')::bigint * interval '1 microsecond',
        true)
      on conflict (id) do nothing;
    exception when check_violation then
      null;  -- its partition has been removed
    end;
    -- what the request does not say is the worker's to choose, not this session's
    perform set_config('llm.model', '', true), set_config('llm.provider', '', true), set_config('llm.timeout', '', true);
    insert into ${public_schema}.llm_request (
      kind, prompt, system, messages, model, options, timeout, ordering_key, tags, provider, response_schema, inputs,
      retry_of, requested_by, requested_by_oid)
    values (
      kind, payload ->> 'prompt', payload ->> 'system', payload -> 'messages', payload ->> 'model',
      payload -> 'options', time_limit, envelope ->> 'ordering_key', payload -> 'tags', payload ->> 'provider',
      payload -> 'response_schema',
      case when payload ? 'inputs' then array(select jsonb_array_elements_text(payload -> 'inputs')) end,
      (select q.id from ${public_schema}.llm_request q where q.id = old_id), requester_name, requester)
    returning id into new_id;
    perform set_config('llm.model', coalesce(usual[1], ''), true), set_config('llm.provider', coalesce(usual[2], ''), true),
            set_config('llm.timeout', coalesce(usual[3], ''), true);
  end if;
  delete from pgoffload.replay p where p.replayed_at < clock_timestamp() - interval '1 month';
  insert into pgoffload.replay (id, replayed_as) values (old_id, new_id);
  return new_id;
end
$$;
