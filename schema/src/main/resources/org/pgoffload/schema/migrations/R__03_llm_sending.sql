-- How an LLM request is checked, stamped and sent. Both ways in end in pgoffload.send_llm_request: a row that is
-- inserted, and a call that is sent at once.

-- API: Private. Whether a text has nothing but white space, as the worker sees it: what a model is asked
-- must not. Runs within the search_path of its callers, so that it is inlined.
create or replace function pgoffload.is_blank(said text) returns boolean
language sql immutable
as $$
  -- most begin with a letter: no need to look at the rest
  select case when ascii(said) between 33 and 126 then false
              else btrim(said, E' \t\n\x0b\f\r\x1c\x1d\x1e\x1f\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006'
                               '\u2008\u2009\u200a\u2028\u2029\u205f\u3000') = '' end
$$;

-- API: Private. Whether JSON is an integer from 1 to 2147483647, which a model takes for a number of something. Runs
-- within the search_path of its callers.
create or replace function pgoffload.is_positive_integer(value jsonb) returns boolean
language sql immutable
as $$
  select case when jsonb_typeof(value) = 'number'
              then value::numeric % 1 = 0 and value::numeric between 1 and 2147483647
              else false end
$$;

-- API: Private. Raises invalid_parameter_value for what is wrong with the options of a request. Runs within the rights
-- and the search_path of pgoffload.send_llm_request's callers.
create or replace function pgoffload.check_llm_options(kind text, options jsonb) returns void
language plpgsql stable
as $$
declare
  taken text[] := case kind
    when 'ask' then array['temperature', 'max_output_tokens', 'stop', 'reasoning_effort', 'stream', 'cache']
    when 'rerank' then array['top_n', 'cache']
    else array['dimensions', 'cache'] end;
  kept interval;
  retention interval;
begin
  if jsonb_typeof(options) <> 'object' then
    raise exception 'options must be a JSON object, not a JSON %', jsonb_typeof(options)
      using errcode = 'invalid_parameter_value', column = 'options',
            hint = 'For example: {"temperature": 0.2, "max_output_tokens": 500}';
  end if;
  if options - taken <> '{}' then
    raise exception 'unknown option "%"', (select min(k) from jsonb_object_keys(options - taken) k)
      using errcode = 'invalid_parameter_value', column = 'options',
            hint = format('The options of kind %s are %s and %s.',
                     kind, array_to_string(trim_array(taken, 1), ', '), taken[cardinality(taken)]);
  end if;
  if options ? 'temperature'
     and (jsonb_typeof(options -> 'temperature') <> 'number'
          or not (options ->> 'temperature')::numeric between 0 and 2) then
    raise exception 'the option temperature must be a number from 0 to 2'
      using errcode = 'invalid_parameter_value', column = 'options';
  end if;
  if options ? 'max_output_tokens' and not pgoffload.is_positive_integer(options -> 'max_output_tokens') then
    raise exception 'the option max_output_tokens must be a positive integer'
      using errcode = 'invalid_parameter_value', column = 'options';
  end if;
  if options ? 'dimensions' and not pgoffload.is_positive_integer(options -> 'dimensions') then
    raise exception 'the option dimensions must be a positive integer'
      using errcode = 'invalid_parameter_value', column = 'options',
            hint = 'How many numbers each embedding is to have; the model says which it can give.';
  end if;
  if options ? 'top_n' and not pgoffload.is_positive_integer(options -> 'top_n') then
    raise exception 'the option top_n must be a positive integer'
      using errcode = 'invalid_parameter_value', column = 'options',
            hint = 'How many documents are wanted, the best ones.';
  end if;
  -- a condition with a query of its own takes several times as long as one without: it is asked apart
  if options ? 'stop' then
    if not (case jsonb_typeof(options -> 'stop')
              when 'string' then options ->> 'stop' <> ''
              when 'array' then jsonb_array_length(options -> 'stop') between 1 and 4
                and not exists (select from jsonb_array_elements(options -> 'stop') s
                                where jsonb_typeof(s) <> 'string' or s #>> '{}' = '')
              else false end) then
      raise exception 'the option stop must be a text or an array of 1 to 4 texts, none of them empty'
        using errcode = 'invalid_parameter_value', column = 'options', hint = 'For example: {"stop": ["END", "###"]}';
    end if;
  end if;
  if options ? 'reasoning_effort'
     and coalesce(options ->> 'reasoning_effort', '') not in ('none', 'minimal', 'low', 'medium', 'high', 'xhigh') then
    raise exception 'the option reasoning_effort must be none, minimal, low, medium, high or xhigh'
      using errcode = 'invalid_parameter_value', column = 'options',
            hint = 'Leave it out for the model''s own; not every model takes every one.';
  end if;
  if options ? 'stream' and jsonb_typeof(options -> 'stream') <> 'boolean' then
    raise exception 'the option stream must be true or false'
      using errcode = 'invalid_parameter_value', column = 'options';
  end if;
  if options ? 'cache' then
    begin
      kept := case when jsonb_typeof(options -> 'cache') = 'string' then (options ->> 'cache')::interval end;
    exception when others then
      kept := null;
    end;
    retention := (select s.value::interval from pgoffload.setting s where s.name = 'retention');
    if not coalesce(kept > interval '0' and kept <= retention, false) then
      raise exception 'the option cache must be an interval, as text, of more than 0 and at most %', retention
        using errcode = 'invalid_parameter_value', column = 'options',
              hint = 'For example: {"cache": "1 h"}. Results are not kept longer than retention in pgoffload.setting.';
    end if;
  end if;
end
$$;

-- API: Private. Raises invalid_parameter_value for what is wrong with the texts of a request. Runs within the rights and
-- the search_path of pgoffload.send_llm_request's callers.
create or replace function pgoffload.check_inputs(inputs text[]) returns void
language plpgsql immutable
as $$
declare
  blank bigint;
begin
  if cardinality(inputs) not between 1 and 100000 or array_ndims(inputs) <> 1 then
    raise exception 'inputs must be an array of one dimension with 1 to 100000 texts'
      using errcode = 'invalid_parameter_value', column = 'inputs', hint = 'Split more of them into several requests.';
  end if;
  select i.n into blank
  from unnest(inputs) with ordinality i (said, n)
  where coalesce(pgoffload.is_blank(i.said), true) limit 1;
  if found then
    raise exception 'input % of % is empty', blank, cardinality(inputs)
      using errcode = 'invalid_parameter_value', column = 'inputs', hint = 'No model takes an empty text: leave it out.';
  end if;
end
$$;

-- API: Private. Raises invalid_parameter_value for what is wrong with a request for embeddings. Runs within the rights
-- and the search_path of pgoffload.send_llm_request's callers.
create or replace function pgoffload.check_embed_request(request ${public_schema}.llm_request) returns void
language plpgsql immutable
as $$
declare
  misplaced text := case
    when request.system is not null then 'system'
    when request.messages is not null then 'messages'
    when request.response_schema is not null then 'response_schema' end;
begin
  if misplaced is not null then
    raise exception '% is not for requests of kind embed', misplaced
      using errcode = 'invalid_parameter_value', column = misplaced,
            hint = 'They have inputs (or one input in prompt), and model, provider and options.';
  end if;
  if request.inputs is null then
    if coalesce(pgoffload.is_blank(request.prompt), true) then
      raise exception 'an llm_request of kind embed needs an input that is not empty'
        using errcode = 'invalid_parameter_value', column = 'inputs',
              hint = 'Give the texts to embed in inputs, or one of them in prompt.';
    end if;
    return;
  end if;
  if request.prompt is not null then
    raise exception 'an llm_request of kind embed has its texts in inputs or one of them in prompt, not in both'
      using errcode = 'invalid_parameter_value', column = 'inputs';
  end if;
  perform pgoffload.check_inputs(request.inputs);
end
$$;

-- API: Private. Raises invalid_parameter_value for what is wrong with a request to rank documents. Runs within the rights
-- and the search_path of pgoffload.send_llm_request's callers.
create or replace function pgoffload.check_rerank_request(request ${public_schema}.llm_request) returns void
language plpgsql immutable
as $$
declare
  misplaced text := case
    when request.system is not null then 'system'
    when request.messages is not null then 'messages'
    when request.response_schema is not null then 'response_schema' end;
begin
  if misplaced is not null then
    raise exception '% is not for requests of kind rerank', misplaced
      using errcode = 'invalid_parameter_value', column = misplaced,
            hint = 'They have a prompt, which is the query, inputs, which are the documents, and model, provider and options.';
  end if;
  if coalesce(pgoffload.is_blank(request.prompt), true) then
    raise exception 'an llm_request of kind rerank needs a prompt, which is the query'
      using errcode = 'invalid_parameter_value', column = 'prompt';
  end if;
  if request.inputs is null then
    raise exception 'an llm_request of kind rerank needs inputs, which are the documents'
      using errcode = 'invalid_parameter_value', column = 'inputs';
  end if;
  perform pgoffload.check_inputs(request.inputs);
end
$$;

-- API: Private. What each part of a message has to be, where one of them is not; null if all are. Runs within the
-- search_path of its callers.
create or replace function pgoffload.fault_of_parts(parts jsonb) returns text
language plpgsql immutable
as $$
declare
  part jsonb;
begin
  for part in select e from jsonb_array_elements(parts) e loop
    case part ->> 'type'
      when 'text' then
        if part - array['type', 'text'] <> '{}' or jsonb_typeof(part -> 'text') is distinct from 'string'
           or pgoffload.is_blank(part ->> 'text') then
          return 'each part of type text must have a text that is not empty, and no other field';
        end if;
      when 'image' then
        if part - array['type', 'url', 'data', 'media_type'] <> '{}' or (part ? 'url') = (part ? 'data') then
          return 'each part of type image must have either url or data, may have media_type, and no other field';
        end if;
        if (part ? 'data' or part ? 'media_type') and (
             jsonb_typeof(part -> 'media_type') is distinct from 'string'
             or part ->> 'media_type' not in ('image/png', 'image/jpeg', 'image/gif', 'image/webp')) then
          return 'the media_type of an image, which data needs, must be image/png, image/jpeg, image/gif or image/webp';
        end if;
        -- a host and perhaps a port, no user; then printable ASCII
        if part ? 'url' and (jsonb_typeof(part -> 'url') <> 'string' or length(part ->> 'url') > 8192
             or part ->> 'url' !~ '^https://([A-Za-z0-9._~-]+|[[][0-9A-Fa-f:.]+[]])(:[0-9]{1,5})?([/?#][!-~]*)?$') then
          return 'the url of an image must be an address of the scheme https, without a user, in at most 8192 characters of ASCII';
        end if;
        if part ? 'data' and (jsonb_typeof(part -> 'data') <> 'string' or length(part ->> 'data') % 4 <> 0
             or part ->> 'data' !~ '^[A-Za-z0-9+/]+={0,2}$') then
          return 'the data of an image must be its bytes in base64, padded and without line breaks';
        end if;
      else
        return 'each part of a message must be an object of the type text or image';
    end case;
  end loop;
  return null;
end
$$;

-- API: Private. Raises invalid_parameter_value for what is wrong with a request for an answer. Runs within the rights
-- and the search_path of pgoffload.send_llm_request's callers.
create or replace function pgoffload.check_ask_request(request ${public_schema}.llm_request) returns void
language plpgsql immutable
as $$
declare
  turn jsonb;
  fault text;
  last_role text;
begin
  if request.inputs is not null then
    raise exception 'inputs is for requests of kind embed and rerank'
      using errcode = 'invalid_parameter_value', column = 'inputs',
            hint = 'To have texts embedded, set kind to embed; to ask, give the text in prompt.';
  end if;
  if request.prompt is null and request.messages is null or pgoffload.is_blank(request.prompt) then
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
         or (case jsonb_typeof(turn -> 'content')
               when 'string' then pgoffload.is_blank(turn ->> 'content')
               when 'array' then turn -> 'content' = '[]'
               else true end)
         or exists (select from jsonb_object_keys(turn) k where k not in ('role', 'content')) then
        raise exception 'each message must be an object with a role and a content that is not empty'
          using errcode = 'invalid_parameter_value', column = 'messages',
                hint = 'The roles are user and assistant; instructions go into system.';
      end if;
      if jsonb_typeof(turn -> 'content') = 'array' then
        fault := case when turn ->> 'role' = 'user' then pgoffload.fault_of_parts(turn -> 'content')
                      else 'the content of an assistant''s message must be a text' end;
        if fault is not null then
          raise exception '%', fault
            using errcode = 'invalid_parameter_value', column = 'messages',
                  hint = 'For example: {"role": "user", "content": [{"type": "text", "text": "What is this?"}, '
                         '{"type": "image", "url": "https://www.example.com/a.png"}]}';
        end if;
      end if;
      last_role := turn ->> 'role';
    end loop;
    if request.prompt is null and last_role <> 'user' then
      raise exception 'without a prompt, the last message must be the user''s'
        using errcode = 'invalid_parameter_value', column = 'messages';
    end if;
  end if;

  if request.response_schema is not null then
    if jsonb_typeof(request.response_schema) <> 'object' then
      raise exception 'response_schema must be a JSON object, not a JSON %', jsonb_typeof(request.response_schema)
        using errcode = 'invalid_parameter_value', column = 'response_schema',
              hint = 'For example: {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}';
    end if;
    if jsonb_path_exists(request.response_schema, '$.**{65}') then
      raise exception 'response_schema must not be nested deeper than 64 levels'
        using errcode = 'invalid_parameter_value', column = 'response_schema';
    end if;
    if request.options -> 'stream' = 'true' then
      raise exception 'the option stream does not go with a response_schema'
        using errcode = 'invalid_parameter_value', column = 'options',
              detail = 'An answer that does not satisfy the schema is asked for again.',
              hint = 'Leave one of the two out.';
    end if;
  end if;
end
$$;

comment on column ${public_schema}.llm_request.kind is
  'What is asked for: ask (an answer), embed (embeddings) or rerank (documents in the order of how much they help to answer a query).';
comment on column ${public_schema}.llm_request.prompt is
  'The text of the user''s (last) turn; of kind embed, the one input; of kind rerank, the query.';
comment on column ${public_schema}.llm_request.options is
  'Of ask: temperature, max_output_tokens, stop, reasoning_effort, stream, cache. Of embed: dimensions, cache. Of rerank: top_n, cache.';
comment on column ${public_schema}.llm_request.inputs is 'The texts to embed, or the documents to rank: 1 to 100000.';
comment on column ${public_schema}.llm_request.messages is
  'Earlier turns: an array of {"role": "user"|"assistant", "content": "…"}; the content of a user''s may be an array of {"type": "text", "text": "…"} and {"type": "image", "url" or "data": "…", "media_type": "…"}. The last turn is prompt, or, without one, the last message.';

-- API: Private. Raises invalid_parameter_value for what is wrong with a request, before anything is stored or sent.
-- Runs within the rights and the search_path of pgoffload.send_llm_request's callers.
create or replace function pgoffload.check_llm_request(request ${public_schema}.llm_request) returns void
language plpgsql stable
as $$
begin
  -- the kinds of this surface only: sql has one of its own, for another right
  case request.kind
    when 'ask' then perform pgoffload.check_ask_request(request);
    when 'embed' then perform pgoffload.check_embed_request(request);
    when 'rerank' then perform pgoffload.check_rerank_request(request);
    else
      raise exception 'unknown kind of llm_request: %', quote_nullable(request.kind)
        using errcode = 'invalid_parameter_value', column = 'kind', hint = 'The kinds are: ask, embed, rerank.';
  end case;
  if request.options is not null then
    perform pgoffload.check_llm_options(request.kind, request.options);
  end if;
  if not coalesce(request.timeout > interval '0' and request.timeout <= interval '1 day', true) then
    raise exception 'timeout must be more than 0 and at most 1 day, not %', request.timeout
      using errcode = 'invalid_parameter_value', column = 'timeout';
  end if;
  if pgoffload.is_blank(request.model) then
    raise exception 'model must not be empty'
      using errcode = 'invalid_parameter_value', column = 'model',
            hint = 'Leave it out (null) for the setting llm.model or the worker''s default.';
  end if;
  -- which there are, the workers know
  if request.provider !~ '^[a-z][a-z0-9_]{0,62}$' then
    raise exception 'provider must be a name such as openai or azure_openai, not "%"', left(request.provider, 80)
      using errcode = 'invalid_parameter_value', column = 'provider',
            hint = 'Leave it out (null) for the setting llm.provider or the worker''s own; llm_provider() names it.';
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
  if request.retry_of is not null then
    if not exists (
        select from ${public_schema}.llm_request q
        where q.id = request.retry_of and pg_has_role(request.requested_by_oid, q.requested_by_oid, 'usage')) then
      raise exception 'retry_of must be the id of a request that the role may see, which % is not', request.retry_of
        using errcode = 'invalid_parameter_value', column = 'retry_of', hint = 'llm_retry sets it.';
    end if;
  end if;
end
$$;

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

drop function if exists pgoffload.maintained_mark(integer, text[], bytea, jsonb);

-- API: Private. Which row of which maintained column a request is for, as JSON. Runs within the search_path of its
-- callers.
create or replace function pgoffload.maintained_mark(
  c pgoffload.maintained_column,   -- null: it was dropped
  key text[],
  hash bytea,
  ending jsonb)
returns text
language sql stable
as $$
  select concat(
    '{"name":', to_json(coalesce(c.name, '')),
    ',"key":', to_json(key),
    ',"hash":"', encode(hash, 'hex'), '"',
    ',"end":' || case when c.name is null
                      then '{"code":"superseded","message":"the maintained column was dropped"}'
                      else ending::text end,
    ',"chunk":' || c.chunk::text,
    '}')
$$;

-- API: Private. What the model is asked, as fields of JSON; what is null is left out. Runs within the search_path
-- of its callers.
create or replace function pgoffload.llm_payload(request ${public_schema}.llm_request) returns text
language plpgsql stable
as $$
begin
  -- workers and vendors take lists alone
  if request.kind = 'embed' and request.inputs is null and request.prompt is not null then
    request.inputs := array[request.prompt];
    request.prompt := null;
  end if;
  return concat_ws(',',
    '"prompt":' || to_json(request.prompt),
    '"system":' || to_json(request.system),
    '"messages":' || request.messages::text,
    '"model":' || to_json(request.model),
    '"provider":' || to_json(request.provider),
    '"options":' || request.options::text,
    '"response_schema":' || request.response_schema::text,
    '"inputs":' || to_json(request.inputs),
    '"retry_of":' || request.retry_of,
    '"tags":' || request.tags::text,
    '"maintained":' || case when request.maintained is not null then pgoffload.maintained_mark(
      (select c from pgoffload.maintained_column c where c.number = request.maintained),
      request.maintained_key, request.maintained_hash, request.maintained_end) end);
end
$$;

-- API: Private. Validates, signs and sends a stamped request. Only its two callers are security definers.
create or replace function pgoffload.send_llm_request(request ${public_schema}.llm_request) returns bigint
language plpgsql volatile
as $$
declare
  payload text;
begin
  -- what the settings say is checked like what the caller says; they name models that answer, which rank nothing
  if request.kind <> 'rerank' then
    request.model := coalesce(request.model, nullif(current_setting('llm.model', true), ''));
    request.provider := coalesce(request.provider, nullif(current_setting('llm.provider', true), ''));
  end if;
  if request.timeout is null and current_setting('llm.timeout', true) <> '' then
    request.timeout := pgoffload.parse_timeout('llm.timeout', current_setting('llm.timeout'));
  end if;
  -- a plain prompt, which is most of them, has nothing else to be checked or sent
  if request.kind = 'ask' and not pgoffload.is_blank(request.prompt) and num_nonnulls(
      request.messages, request.options, request.timeout, request.model, request.provider, request.response_schema,
      request.inputs, request.ordering_key, request.tags, request.retry_of) = 0 then
    payload := '"prompt":' || to_json(request.prompt) || coalesce(',"system":' || to_json(request.system), '');
  else
    perform pgoffload.check_llm_request(request);
    payload := pgoffload.llm_payload(request);
  end if;

  perform pgoffload.send_envelope(
    request.id, request.kind, null, request.ordering_key, request.immediate, request.timeout, true,
    request.requested_by, request.requested_by_oid, payload, request.nonce);
  return request.id;
end
$$;

-- API: Private. Sends an inserted request with its transaction, as an AFTER trigger: a row that was not inserted is not
-- sent. The message belongs to the (sub)transaction: a row that is rolled back is not sent either.
create or replace function pgoffload.send_inserted_llm_request() returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform pgoffload.send_llm_request(new);
  return null;
end
$$;

-- Not for what the claim records of an immediate request, nor for those of maintained columns, which whoever inserts them
-- sends, nor for rows restored from a dump, which bear the transaction of their first life.
create or replace trigger send_llm_request
  after insert on ${public_schema}.llm_request
  for each row
  when (not new.immediate and new.maintained is null and new.created_xid = pg_catalog.pg_current_xact_id())
  execute function pgoffload.send_inserted_llm_request();

-- The way in at once is an aggregate over one row. EXECUTE on an aggregate's component functions is checked against the
-- aggregate's owner, while its state function runs with the caller's identity: the state function sees who calls, the
-- final function may sign, and no caller can call one of them alone (docs/decisions/0004).

-- API: Private. The state function: stamps an immediate request with the caller's identity.
create or replace function pgoffload.stamp_llm_request(
  state ${public_schema}.llm_request,
  kind text, prompt text, system text, messages jsonb, model text, options jsonb, timeout interval,
  ordering_key text, tags jsonb, provider text, response_schema jsonb, inputs text[])
returns ${public_schema}.llm_request
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  if state.requested_by is not null then
    raise exception 'pgoffload.emit_llm_request and emit_llm_prompts take one request, not one for each row'
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
  state.provider := stamp_llm_request.provider;
  state.response_schema := stamp_llm_request.response_schema;
  state.inputs := stamp_llm_request.inputs;
  return state;
end
$$;

-- API: Private. The final function: signs and sends a stamped request at once, with the owner's rights.
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

-- API: Private. Sends one LLM request at once, whatever becomes of the transaction; returns its id. llm_ask and the
-- functions like it call it.
create or replace aggregate pgoffload.emit_llm_request(
  kind text, prompt text, system text, messages jsonb, model text, options jsonb, timeout interval,
  ordering_key text, tags jsonb, provider text, response_schema jsonb, inputs text[]) (
  sfunc = pgoffload.stamp_llm_request,
  stype = ${public_schema}.llm_request,
  finalfunc = pgoffload.send_stamped_llm_request
);

-- API: Private. The final function for many prompts, which are the inputs: sends each at once as a request of its own,
-- with the owner's rights. Of kind rerank each is a JSON array of documents, and the prompt is that of all. Of a result only the id is known, unless the prompt was too large: then it is the failure.
-- What ends the sending, a cancelled statement too, is told by one more result, without an id: what was sent is the
-- caller's to cancel.
create or replace function pgoffload.send_stamped_prompts(request ${public_schema}.llm_request)
returns pgoffload.llm_result[]
language plpgsql volatile strict security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  prompts text[] := request.inputs;
  next_prompt text;
  sent pgoffload.llm_result[] := '{}';
  result pgoffload.llm_result;
  ignored text;
begin
  begin
    -- By hand: a SET clause with a setting of our own needs a superuser. An error takes it back.
    ignored := set_config('pgoffload.flush', 'later', true);
    request.id := null;
    request.inputs := null;
    request.immediate := true;
    foreach next_prompt in array prompts loop
      if request.kind = 'rerank' then
        request.inputs := array(select json_array_elements_text(next_prompt::json));
      else
        request.prompt := next_prompt;
      end if;
      result := null;
      begin
        request.id := pgoffload.next_request_id();
        result.id := pgoffload.send_llm_request(request);
      exception when program_limit_exceeded then
        -- the calls for the prompts before it, which are sent, are not to be paid for in vain
        result.id := request.id;
        result.status := 'failed';
        result.error_code := 'request_too_large';
        result.error_message := sqlerrm;
      end;
      sent := sent || result;
      -- this message is not captured: it flushes those before it. A flush takes as long as the sending of many prompts.
      if (cardinality(sent) % 500 = 0 or cardinality(sent) = cardinality(prompts))
         and current_setting('server_version_num')::integer >= 170000 then
        perform pg_logical_emit_message(false, 'pgoffload.flush', '', true);
      end if;
    end loop;
  exception when query_canceled or others then
    result := null;
    -- a cancelled statement may have sent its last message a moment ago: to cancel what was not sent does no harm
    if sqlstate = '57014' and request.id is distinct from sent[cardinality(sent)].id then
      result.id := request.id;
      sent := sent || result;
    end if;
    if sent = '{}' then
      raise;
    end if;
    result.id := null;
    result.error_code := sqlstate;
    result.error_message := sqlerrm;
    sent := sent || result;
  end;
  ignored := set_config('pgoffload.flush', '', true);
  return sent;
end
$$;

-- API: Private. Sends many prompts at once, whatever becomes of the transaction, each as an LLM request of its own that
-- has the other fields. The prompts are the inputs. llm_ask_many calls it.
create or replace aggregate pgoffload.emit_llm_prompts(
  kind text, prompt text, system text, messages jsonb, model text, options jsonb, timeout interval,
  ordering_key text, tags jsonb, provider text, response_schema jsonb, inputs text[]) (
  sfunc = pgoffload.stamp_llm_request,
  stype = ${public_schema}.llm_request,
  finalfunc = pgoffload.send_stamped_prompts
);
