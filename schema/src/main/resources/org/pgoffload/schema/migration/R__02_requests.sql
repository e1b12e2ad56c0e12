-- How a request is validated, signed and sent. Every way in ends in pgoffload.send_envelope.

-- API: Private. Signs and sends an envelope as a logical decoding message: bound to the commit of this
-- transaction, or at once. The message is the signature, a line feed and the envelope; the envelope's
-- bytes travel verbatim to the worker, which checks them. Runs within the rights and the search_path of
-- its callers, which are security definers: entering one more such function costs as much as signing.
create or replace function pgoffload.send_envelope(
  signer pgoffload.signer,
  id bigint,
  kind text,
  share_group text,        -- messages of one group share a partition; null: of no group
  ordering_key text,       -- and those of one key are executed one after another
  immediate boolean,       -- now, or when the transaction commits
  timeout interval,        -- null: for as long as it takes
  requested_by name,
  requested_by_oid oid,
  payload text)            -- the fields of a JSON object, without its braces
returns void
language plpgsql volatile
as $$
declare
  envelope bytea;
  message bytea;
begin
  -- The routing fields come first and the payload last: the transform reads no further than it must.
  -- Concatenated, every value through to_json: half the time of json_build_object.
  envelope := convert_to(
    '{"version":1,"id":' || id
    || ',"kind":' || to_json(kind)
    || coalesce(',"group":' || to_json(share_group), '')
    || ',"ordering_key":' || coalesce(to_json(ordering_key)::text, 'null')
    || ',"immediate":' || to_json(immediate)
    || ',"installation":' || to_json(signer.installation)
    || ',"nonce":"' || gen_random_uuid()
    || '","signed_at_us":' || (extract(epoch from clock_timestamp()) * 1000000)::bigint
    || ',"timeout_ms":' || coalesce(ceil(extract(epoch from timeout) * 1000)::bigint::text, 'null')
    || ',"requested_by":{"user":' || to_json(requested_by)
    || ',"user_oid":' || requested_by_oid
    || ',"session_user":' || to_json(session_user)
    || ',"session_user_oid":' || quote_ident(session_user)::regrole::oid
    || ',"role":' || to_json(current_setting('role'))
    || '},"payload":{' || payload
    || '}}', 'UTF8');

  if octet_length(envelope) > signer.max_request_bytes then
    raise exception 'the request is too large: % bytes as JSON, the limit is % bytes',
        octet_length(envelope), signer.max_request_bytes
      using errcode = 'program_limit_exceeded',
            hint = 'Shorten it, or have the owner raise max_request_bytes in pgoffload.setting.';
  end if;

  message := convert_to(
      signer.key_id || ':' ||
      encode(sha256(signer.outer_pad || sha256(signer.inner_pad || envelope)), 'hex') || E'\n', 'UTF8')
    || envelope;

  if immediate and current_setting('server_version_num')::integer >= 170000 then
    -- flush: a message that is not bound to a commit would wait for somebody else's
    perform pg_logical_emit_message(false, 'pgoffload.request', message, true);
  else
    -- before 17 the producer commits something every few tens of milliseconds, which flushes this too
    perform pg_logical_emit_message(not immediate, 'pgoffload.request', message);
  end if;
end
$$;
comment on function pgoffload.send_envelope(pgoffload.signer, bigint, text, text, text, boolean, interval, name, oid, text) is
  'Private. Signs and sends an envelope.';
revoke all on function pgoffload.send_envelope(pgoffload.signer, bigint, text, text, text, boolean, interval, name, oid, text) from public;

-- API: Private. Raises what is wrong with a request, before anything is stored or sent. Runs within the
-- rights and the search_path of pgoffload.send_llm_request's callers.
create or replace function pgoffload.check_llm_request(request ${public_schema}.llm_request) returns void
language plpgsql immutable
as $$
declare
  unknown text;
  turn jsonb;
  last_role text;
begin
  -- the kinds of this surface only: sql has one of its own, for another right
  if request.kind is distinct from 'ask' then
    raise exception 'unknown kind of llm_request: %', quote_nullable(request.kind)
      using errcode = 'invalid_parameter_value', column = 'kind', hint = 'The kinds are: ask.';
  end if;
  if request.prompt is null and request.messages is null or btrim(request.prompt, E' \t\r\n') = '' then
    raise exception 'the prompt of an llm_request must not be empty'
      using errcode = 'invalid_parameter_value', column = 'prompt',
            hint = 'Give the text to send to the model in prompt, or earlier turns in messages.';
  end if;

  if request.messages is not null then
    if jsonb_typeof(request.messages) <> 'array' or jsonb_array_length(request.messages) = 0 then
      raise exception 'messages must be a JSON array with at least one element'
        using errcode = 'invalid_parameter_value', column = 'messages',
              hint = 'For example: [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}]';
    end if;
    for turn in select e from jsonb_array_elements(request.messages) e loop
      if jsonb_typeof(turn) <> 'object'
         or coalesce(turn ->> 'role', '') not in ('user', 'assistant')
         or jsonb_typeof(turn -> 'content') is distinct from 'string'
         or btrim(turn ->> 'content', E' \t\r\n') = ''
         or exists (select from jsonb_object_keys(turn) k where k not in ('role', 'content')) then
        raise exception 'each message must be an object with a role and a content that is not empty'
          using errcode = 'invalid_parameter_value', column = 'messages',
                hint = 'The roles are user and assistant; instructions go into system.';
      end if;
      last_role := turn ->> 'role';
    end loop;
    if request.prompt is null and last_role <> 'user' then
      raise exception 'without a prompt, the last message must be the user''s'
        using errcode = 'invalid_parameter_value', column = 'messages';
    end if;
  end if;

  if request.options is not null then
    if jsonb_typeof(request.options) <> 'object' then
      raise exception 'options must be a JSON object, not a JSON %', jsonb_typeof(request.options)
        using errcode = 'invalid_parameter_value', column = 'options',
              hint = 'For example: {"temperature": 0.2, "max_output_tokens": 500}';
    end if;
    select k into unknown from jsonb_object_keys(request.options) k
    where k not in ('temperature', 'max_output_tokens')
    limit 1;
    if found then
      raise exception 'unknown option "%"', unknown
        using errcode = 'invalid_parameter_value', column = 'options',
              hint = 'The options are temperature and max_output_tokens.';
    end if;
    if request.options ? 'temperature'
       and (jsonb_typeof(request.options -> 'temperature') <> 'number'
            or not (request.options ->> 'temperature')::numeric between 0 and 2) then
      raise exception 'the option temperature must be a number from 0 to 2'
        using errcode = 'invalid_parameter_value', column = 'options';
    end if;
    if request.options ? 'max_output_tokens'
       and (jsonb_typeof(request.options -> 'max_output_tokens') <> 'number'
            or (request.options ->> 'max_output_tokens')::numeric % 1 <> 0
            or not (request.options ->> 'max_output_tokens')::numeric between 1 and 2147483647) then
      raise exception 'the option max_output_tokens must be a positive integer'
        using errcode = 'invalid_parameter_value', column = 'options';
    end if;
  end if;

  if not coalesce(request.timeout > interval '0' and request.timeout <= interval '1 day', true) then
    raise exception 'timeout must be more than 0 and at most 1 day, not %', request.timeout
      using errcode = 'invalid_parameter_value', column = 'timeout';
  end if;
  if btrim(request.model) = '' then
    raise exception 'model must not be empty'
      using errcode = 'invalid_parameter_value', column = 'model',
            hint = 'Leave it out (null) for the setting llm.model or the worker''s default.';
  end if;
  if not coalesce(octet_length(request.ordering_key) between 1 and 1024, true) then
    raise exception 'ordering_key must be 1 to 1024 bytes long'
      using errcode = 'invalid_parameter_value', column = 'ordering_key';
  end if;
  if jsonb_typeof(request.tags) <> 'object' then
    raise exception 'tags must be a JSON object, not a JSON %', jsonb_typeof(request.tags)
      using errcode = 'invalid_parameter_value', column = 'tags',
            hint = 'For example: {"team": "search"}';
  end if;
  -- what the claim parses again must not come near the server's stack depth, or no claim would succeed
  if request.tags is not null and jsonb_path_exists(request.tags, '$.**{65}') then
    raise exception 'tags must not be nested deeper than 64 levels'
      using errcode = 'invalid_parameter_value', column = 'tags';
  end if;
end
$$;
comment on function pgoffload.check_llm_request(${public_schema}.llm_request) is
  'Private. Raises invalid_parameter_value for what is wrong with a request.';
revoke all on function pgoffload.check_llm_request(${public_schema}.llm_request) from public;

-- API: Private. Reads an interval that came as text from a setting.
create or replace function pgoffload.parse_timeout(setting_name text, value text) returns interval
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return value::interval;
exception when others then
  raise exception 'the setting % is not an interval: "%"', setting_name, value
    using errcode = 'invalid_parameter_value', hint = 'For example: set ' || setting_name || ' = ''30 s''';
end
$$;
comment on function pgoffload.parse_timeout(text, text) is 'Private. Reads an interval from a setting.';
revoke all on function pgoffload.parse_timeout(text, text) from public;

-- API: Private. Validates, signs and sends a stamped request. Only its two callers are security definers.
create or replace function pgoffload.send_llm_request(request ${public_schema}.llm_request) returns bigint
language plpgsql volatile
as $$
declare
  signer pgoffload.signer;
begin
  -- what the settings say is checked like what the caller says
  request.model := coalesce(request.model, nullif(current_setting('llm.model', true), ''));
  if request.timeout is null and current_setting('llm.timeout', true) <> '' then
    request.timeout := pgoffload.parse_timeout('llm.timeout', current_setting('llm.timeout'));
  end if;
  -- a plain prompt, which is most of them, has nothing else to be checked
  if btrim(request.prompt, E' \t\r\n') <> '' and request.kind = 'ask' and num_nonnulls(
      request.messages, request.options, request.timeout, request.model, request.ordering_key, request.tags) = 0 then
    null;
  else
    perform pgoffload.check_llm_request(request);
  end if;

  select * into strict signer from pgoffload.signer;
  request.timeout := coalesce(request.timeout, signer.default_timeout);

  perform pgoffload.send_envelope(
    signer, request.id, request.kind, null, request.ordering_key, request.immediate, request.timeout,
    request.requested_by, request.requested_by_oid,
    concat_ws(',',
      '"prompt":' || to_json(request.prompt),
      '"system":' || to_json(request.system),
      '"messages":' || request.messages::text,
      '"model":' || to_json(request.model),
      '"options":' || request.options::text,
      '"tags":' || request.tags::text));
  return request.id;
end
$$;
comment on function pgoffload.send_llm_request(${public_schema}.llm_request) is
  'Private. Validates, signs and sends a stamped request.';
revoke all on function pgoffload.send_llm_request(${public_schema}.llm_request) from public;

-- The way in with the transaction. AFTER, so that what was not inserted is not sent; the message belongs
-- to the (sub)transaction, so that what is rolled back is not sent either.
create or replace function pgoffload.send_inserted_llm_request() returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform pgoffload.send_llm_request(new);
  return null;
end
$$;
comment on function pgoffload.send_inserted_llm_request() is 'Private. Sends an inserted request with its transaction.';
revoke all on function pgoffload.send_inserted_llm_request() from public;

-- Not for what the claim records of an immediate request, nor for rows restored from a dump, which bear
-- the transaction of their first life.
create or replace trigger send_llm_request
  after insert on ${public_schema}.llm_request
  for each row
  when (not new.immediate and new.created_xid = pg_catalog.pg_current_xact_id())
  execute function pgoffload.send_inserted_llm_request();

-- API: Private. An id for an immediate request. A READ ONLY transaction may not call nextval: it takes a
-- random one from the upper half of the current partition's range, which the sequence never reaches.
create or replace function pgoffload.next_request_id() returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  drawn bigint;
begin
  if current_setting('transaction_read_only') = 'off' then
    return nextval('pgoffload.request_id');
  end if;
  loop
    drawn := (select (s.last_value >> 36 << 36) + (1::bigint << 35) from pgoffload.request_id s)
      + (('x' || right(gen_random_uuid()::text, 12))::bit(48)::bigint & ((1::bigint << 35) - 1));
    -- among 100,000 of these ids one in seven times two would be alike, and one caller would read
    -- the other's answer
    exit when not exists (select from ${public_schema}.llm_request q where q.id = drawn)
      and not exists (select from pgoffload.llm_result r where r.id = drawn)
      and not exists (select from ${public_schema}.sql_request q where q.id = drawn);
  end loop;
  return drawn;
end
$$;
comment on function pgoffload.next_request_id() is 'Private. An id for an immediate request, also in a READ ONLY transaction.';
revoke all on function pgoffload.next_request_id() from public;

-- The way in at once is an aggregate over one row, because EXECUTE on an aggregate's component functions
-- is checked against the aggregate's owner, while its state function runs with the caller's identity:
-- the one sees who calls, the other may sign, and neither can be called apart (docs/decisions/0004).

create or replace function pgoffload.stamp_llm_request(
  state ${public_schema}.llm_request,
  kind text, prompt text, system text, messages jsonb, model text, options jsonb, timeout interval,
  ordering_key text, tags jsonb)
returns ${public_schema}.llm_request
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  if state.requested_by is not null then
    raise exception 'pgoffload.emit_llm_request takes one request, not one for each row'
      using errcode = 'cardinality_violation',
            hint = 'Insert many requests with INSERT INTO llm_request … SELECT.';
  end if;
  state.requested_by := current_user;
  state.requested_by_oid := quote_ident(current_user)::regrole::oid;
  state.kind := stamp_llm_request.kind;
  state.prompt := stamp_llm_request.prompt;
  state.system := stamp_llm_request.system;
  state.messages := stamp_llm_request.messages;
  state.model := stamp_llm_request.model;
  state.options := stamp_llm_request.options;
  state.timeout := stamp_llm_request.timeout;
  state.ordering_key := stamp_llm_request.ordering_key;
  state.tags := stamp_llm_request.tags;
  return state;
end
$$;
comment on function pgoffload.stamp_llm_request(${public_schema}.llm_request, text, text, text, jsonb, text, jsonb, interval, text, jsonb) is
  'Private. Stamps an immediate request with the caller''s identity.';
revoke all on function pgoffload.stamp_llm_request(${public_schema}.llm_request, text, text, text, jsonb, text, jsonb, interval, text, jsonb) from public;

create or replace function pgoffload.send_stamped_llm_request(request ${public_schema}.llm_request) returns bigint
language plpgsql volatile strict security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  request.id := pgoffload.next_request_id();
  request.immediate := true;
  return pgoffload.send_llm_request(request);
end
$$;
comment on function pgoffload.send_stamped_llm_request(${public_schema}.llm_request) is
  'Private. Sends a stamped request at once.';
revoke all on function pgoffload.send_stamped_llm_request(${public_schema}.llm_request) from public;

create or replace aggregate pgoffload.emit_llm_request(
  kind text, prompt text, system text, messages jsonb, model text, options jsonb, timeout interval,
  ordering_key text, tags jsonb) (
  sfunc = pgoffload.stamp_llm_request,
  stype = ${public_schema}.llm_request,
  finalfunc = pgoffload.send_stamped_llm_request
);
comment on aggregate pgoffload.emit_llm_request(text, text, text, jsonb, text, jsonb, interval, text, jsonb) is
  'Sends one LLM request at once, whatever becomes of the transaction; returns its id. llm_ask calls it.';
revoke all on function pgoffload.emit_llm_request(text, text, text, jsonb, text, jsonb, interval, text, jsonb) from public;
grant execute on function pgoffload.emit_llm_request(text, text, text, jsonb, text, jsonb, interval, text, jsonb) to llm_user;
