create schema pgoffload;
-- Roles are shared by all databases of a cluster: another installation may have made them.

do $$
declare
  role_name text;
begin
  foreach role_name in array array[
    'llm_user',            -- the right to the LLM surface
    'pgbackground_role',   -- the right to launch SQL; pg_background's own name for it
    'pgoffload_producer',  -- capture
    'pgoffload_worker',    -- claims, leases, signing keys
    'pgoffload_results'    -- write-back
  ] loop
    if not exists (select from pg_catalog.pg_roles r where r.rolname = role_name) then
      execute pg_catalog.format('create role %I nologin', role_name);
    end if;
  end loop;
end
$$;

do $$
begin
  if not (select rolreplication from pg_catalog.pg_roles where rolname = 'pgoffload_producer') then
    alter role pgoffload_producer replication;
  end if;
exception when insufficient_privilege then
  raise notice 'role pgoffload_producer could not be given REPLICATION'
    using hint = 'Have an administrator run: alter role pgoffload_producer replication '
                 '(Amazon RDS: grant rds_replication to pgoffload_producer).';
end
$$;

-- Settings of the installation, changed by its owner with a plain UPDATE.
create table pgoffload.setting (
  name text not null,
  value text not null,
  description text not null,
  constraint setting_pkey primary key (name)
);
comment on table pgoffload.setting is
  'Settings of this installation. Change them with UPDATE, as the role that installed pgoffload.';

insert into pgoffload.setting (name, value, description) values
  ('max_request_bytes', '16777216',
   'Largest request in bytes, as signed JSON. The topics must take it: run pgoffload install after a change.'),
  ('default_timeout', '5 min',
   'How long an answer is wanted when neither the request nor the setting llm.timeout says so.'),
  ('retention', '7 days',
   'How long terminal requests and their results are kept; requests older than half of it are not executed.'),
  ('public_schema', 'public',
   'Where the public tables and functions are; fixed when pgoffload was installed.'),
  ('worker_dead_after', '4 s',
   'A worker whose lease is older than this counts as dead.');

-- One row. A copy of the database has the same row, but not the same system and database: the parts
-- compare them and refuse to run on a copy until `pgoffload adopt` has given it an identity of its own.
create table pgoffload.installation (
  singleton boolean not null default true,
  id text not null,
  system_identifier bigint not null,
  database_oid oid not null,
  since timestamptz not null default pg_catalog.clock_timestamp(),
  constraint installation_pkey primary key (singleton),
  constraint installation_is_one_row check (singleton)
);
comment on table pgoffload.installation is 'Which installation this is; requests of another are not executed.';

insert into pgoffload.installation (id, system_identifier, database_oid)
select pg_catalog.gen_random_uuid()::text, s.system_identifier, d.oid
from pg_catalog.pg_control_system() s, pg_catalog.pg_database d
where d.datname = pg_catalog.current_database();

-- Readable by its owner and, through a function, by the worker role alone.
create table pgoffload.signing_key (
  key_id integer generated always as identity,
  key bytea not null,
  created_at timestamptz not null default pg_catalog.clock_timestamp(),
  retired_at timestamptz,
  constraint signing_key_pkey primary key (key_id),
  constraint signing_key_is_256_bits check (pg_catalog.octet_length(key) = 32)
);
comment on table pgoffload.signing_key is
  'HMAC-SHA256 keys. The newest that is not retired signs; the worker accepts every one that is here.';

-- What every request needs, in one row, because it is read with every request: one scan of one page
-- costs a fifth of the joins that it stands for. Derived by pgoffload.refresh_signer().
create table pgoffload.signer (
  singleton boolean not null default true,
  installation text not null,
  key_id integer not null,
  inner_pad bytea not null,
  outer_pad bytea not null,
  max_request_bytes integer not null,
  default_timeout interval not null,
  constraint signer_pkey primary key (singleton),
  constraint signer_is_one_row check (singleton),
  constraint signer_pads_are_blocks
    check (pg_catalog.octet_length(inner_pad) = 64 and pg_catalog.octet_length(outer_pad) = 64)
);
comment on table pgoffload.signer is 'The key that signs, as HMAC blocks, and the settings that go with every request. Derived.';
-- Ids come from one sequence for every kind of request. All tables are partitioned by range of id, so
-- that unique(id) is legal and old ranges can be dropped whole; see docs/decisions/0003.

create sequence pgoffload.request_id as bigint;

create table public.llm_request (
  id bigint not null default pg_catalog.nextval('pgoffload.request_id'),
  kind text not null default 'ask',
  prompt text,
  system text,
  messages jsonb,
  model text default nullif(pg_catalog.current_setting('llm.model', true), ''),
  options jsonb,
  timeout interval,
  ordering_key text,
  tags jsonb,
  -- stamped: nobody but the owner may insert into the columns below
  requested_by name not null default current_user,
  requested_by_oid oid not null default pg_catalog.quote_ident(current_user)::pg_catalog.regrole::oid,
  created_at timestamptz not null default pg_catalog.clock_timestamp(),
  created_xid xid8 not null default pg_catalog.pg_current_xact_id(),
  immediate boolean not null default false,
  constraint llm_request_pkey primary key (id)
) partition by range (id);
create table pgoffload.llm_request_0 partition of public.llm_request
  for values from (0) to (68719476736);

comment on table public.llm_request is
  'Insert a row to call a language model; only prompt (or messages) is needed. Append-only: state is in llm_status(id).';
comment on column public.llm_request.id is 'The request id, by RETURNING; the argument of llm_status, llm_result, llm_wait.';
comment on column public.llm_request.kind is 'What is asked for: ask.';
comment on column public.llm_request.prompt is 'The text of the user''s (last) turn.';
comment on column public.llm_request.system is 'Instructions to the model.';
comment on column public.llm_request.messages is
  'Earlier turns: an array of {"role": "user"|"assistant", "content": "…"}. The last turn is prompt, or, without one, the last message.';
comment on column public.llm_request.model is
  'The model, as its provider names it; default: the setting llm.model, else the worker''s.';
comment on column public.llm_request.options is
  'temperature (0 to 2), max_output_tokens (a positive integer).';
comment on column public.llm_request.timeout is
  'How long an answer is wanted; default: the setting llm.timeout, else default_timeout in pgoffload.setting.';
comment on column public.llm_request.ordering_key is 'Requests of one key reach the workers in the order of their commits.';
comment on column public.llm_request.tags is 'An object of your own, kept with the request.';
comment on column public.llm_request.requested_by is 'The role that asked; stamped.';
comment on column public.llm_request.requested_by_oid is 'Its oid, which decides who may read; stamped.';
comment on column public.llm_request.created_at is 'When it was asked; stamped.';
comment on column public.llm_request.created_xid is
  'The transaction that inserted it: a row restored from a dump bears an old one and is not sent again.';
comment on column public.llm_request.immediate is 'Whether it was sent at once by a function, rather than with its transaction.';

-- Who has begun what. A takeover is a new attempt. Insert-only.
create table pgoffload.execution (
  id bigint not null,
  attempt integer not null,
  worker text not null,
  epoch bigint not null,
  requested_by_oid oid not null,
  claimed_at timestamptz not null default pg_catalog.clock_timestamp(),
  constraint execution_pkey primary key (id, attempt),
  constraint execution_attempt_is_positive check (attempt > 0)
) partition by range (id);
create table pgoffload.execution_0 partition of pgoffload.execution
  for values from (0) to (68719476736);
comment on table pgoffload.execution is 'Claims: which worker has begun which request.';

-- Column names are the field names of the result message (result.v1.schema.json). Insert-only.
create table pgoffload.llm_result (
  id bigint not null,
  kind text not null,
  status text not null,
  requested_by_oid oid not null,
  answer text,
  error_code text,
  error_message text,
  finish_reason text,
  provider text,
  model text,
  provider_request_id text,
  input_tokens bigint,
  cached_tokens bigint,
  output_tokens bigint,
  reasoning_tokens bigint,
  attempts integer not null,
  queued_ms double precision,
  ran_ms double precision,
  worker text,
  finished_at timestamptz not null,
  constraint llm_result_pkey primary key (id),
  constraint llm_result_status_is_terminal check (status in ('succeeded', 'failed', 'cancelled', 'expired')),
  constraint llm_result_has_error_unless_succeeded check ((status = 'succeeded') = (error_code is null))
) partition by range (id);
create table pgoffload.llm_result_0 partition of pgoffload.llm_result
  for values from (0) to (68719476736);
comment on table pgoffload.llm_result is 'The one terminal result of each LLM request.';

-- One lease per worker process, renewed every second by the database's clock. The only table that is
-- updated; its few rows stay on one page.
create table pgoffload.worker (
  name text not null,
  epoch bigint not null,
  provider text not null,
  model text not null,
  version text not null,
  started_at timestamptz not null default pg_catalog.clock_timestamp(),
  heartbeat_at timestamptz not null default pg_catalog.clock_timestamp(),
  released_at timestamptz,
  in_flight integer not null default 0,
  constraint worker_pkey primary key (name)
) with (fillfactor = 20);
comment on table pgoffload.worker is 'Leases: a worker is alive while its heartbeat is fresh and it has not released its lease.';
-- Requests travel as logical decoding messages (docs/decisions/0001), so the publication names no
-- table; pgoutput wants one all the same.
create publication pgoffload;

-- Row-level security compares oids: with names, one DROP ROLE would break every reader's scan, and a
-- new role of an old name would inherit its results.
alter table public.llm_request enable row level security;
alter table pgoffload.execution enable row level security;
alter table pgoffload.llm_result enable row level security;

create policy own_requests on public.llm_request for select
  using (pg_catalog.pg_has_role(requested_by_oid, 'usage'));
create policy stamped_requests on public.llm_request for insert
  with check (true);
create policy own_executions on pgoffload.execution for select
  using (pg_catalog.pg_has_role(requested_by_oid, 'usage'));
create policy own_results on pgoffload.llm_result for select
  using (pg_catalog.pg_has_role(requested_by_oid, 'usage'));

grant usage on schema public to llm_user;
grant usage on schema pgoffload to llm_user, pgoffload_worker, pgoffload_results, pgoffload_producer;
grant usage on sequence pgoffload.request_id to llm_user;
-- what is stamped is not insertable: requested_by, created_at and the like come from their defaults
grant insert (kind, prompt, system, messages, model, options, timeout, ordering_key, tags)
  on public.llm_request to llm_user;
grant select on public.llm_request, pgoffload.execution, pgoffload.llm_result to llm_user;
grant select on pgoffload.worker, pgoffload.setting to llm_user;

grant select on pgoffload.installation to pgoffload_producer, pgoffload_worker, pgoffload_results;
grant select on pgoffload.setting to pgoffload_worker, pgoffload_results, pgoffload_producer;
-- API: Private. Derives what signing reads with every request; called whenever its sources change.
create or replace function pgoffload.refresh_signer() returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  current_key pgoffload.signing_key;
  inner_block bytea;
  outer_block bytea;
begin
  select * into strict current_key from pgoffload.signing_key k
  where k.retired_at is null order by k.key_id desc limit 1;
  inner_block := current_key.key || decode(repeat('00', 32), 'hex');
  outer_block := inner_block;
  for i in 0 .. 63 loop
    inner_block := set_byte(inner_block, i, get_byte(inner_block, i) # 54);  -- 0x36, RFC 2104
    outer_block := set_byte(outer_block, i, get_byte(outer_block, i) # 92);  -- 0x5c
  end loop;
  insert into pgoffload.signer (installation, key_id, inner_pad, outer_pad, max_request_bytes, default_timeout)
  select i.id, current_key.key_id, inner_block, outer_block,
         (select s.value::integer from pgoffload.setting s where s.name = 'max_request_bytes'),
         (select s.value::interval from pgoffload.setting s where s.name = 'default_timeout')
  from pgoffload.installation i
  on conflict (singleton) do update
    set installation = excluded.installation, key_id = excluded.key_id,
        inner_pad = excluded.inner_pad, outer_pad = excluded.outer_pad,
        max_request_bytes = excluded.max_request_bytes, default_timeout = excluded.default_timeout;
end
$$;
comment on function pgoffload.refresh_signer() is 'Private. Derives pgoffload.signer from the keys, the settings and the installation.';
revoke all on function pgoffload.refresh_signer() from public;

create or replace function pgoffload.refresh_signer_after_change() returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  -- while it is being installed there is no key yet
  if exists (select from pgoffload.signing_key k where k.retired_at is null) then
    perform pgoffload.refresh_signer();
  end if;
  return null;
end
$$;
comment on function pgoffload.refresh_signer_after_change() is 'Private. Keeps pgoffload.signer current.';
revoke all on function pgoffload.refresh_signer_after_change() from public;

create or replace trigger refresh_signer after insert or update or delete on pgoffload.setting
  for each statement execute function pgoffload.refresh_signer_after_change();
create or replace trigger refresh_signer after insert or update or delete on pgoffload.signing_key
  for each statement execute function pgoffload.refresh_signer_after_change();
create or replace trigger refresh_signer after insert or update or delete on pgoffload.installation
  for each statement execute function pgoffload.refresh_signer_after_change();

-- API: Private. Makes the key that signs from now on. Older keys stay valid for what they signed.
create or replace function pgoffload.new_signing_key() returns integer
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  -- gen_random_uuid draws from the server's strong random source; 3 x 122 bits make 256
  insert into pgoffload.signing_key (key)
  values (sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())))
  returning key_id
$$;
comment on function pgoffload.new_signing_key() is 'Private. Makes the key that signs from now on; returns its id.';
revoke all on function pgoffload.new_signing_key() from public;

do $$
begin
  if not exists (select from pgoffload.signing_key) then
    perform pgoffload.new_signing_key();
  end if;
end
$$;

-- API: Private. The keys that a worker accepts.
create or replace function pgoffload.signing_keys() returns table (key_id integer, key_hex text)
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
  select k.key_id, encode(k.key, 'hex') from pgoffload.signing_key k
$$;
comment on function pgoffload.signing_keys() is 'Private, for the worker role. The keys with which requests may be signed.';
revoke all on function pgoffload.signing_keys() from public;
grant execute on function pgoffload.signing_keys() to pgoffload_worker;

-- API: Private. Makes this copy of a database an installation of its own, after which it executes its
-- own new requests, and none that it was copied with.
create or replace function pgoffload.adopt() returns text
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  adopted text;
begin
  update pgoffload.installation i
  set id = gen_random_uuid()::text,
      system_identifier = s.system_identifier,
      database_oid = d.oid,
      since = clock_timestamp()
  from pg_control_system() s, pg_database d
  where d.datname = current_database()
  returning i.id into adopted;
  update pgoffload.signing_key k set retired_at = clock_timestamp() where k.retired_at is null;
  perform pgoffload.new_signing_key();
  return adopted;
end
$$;
comment on function pgoffload.adopt() is 'Private, for the owner. Gives a copied database an identity and a signing key of its own.';
revoke all on function pgoffload.adopt() from public;

-- API: Private. Whether the installation's row belongs to the server and database it is read in.
create or replace function pgoffload.is_copy() returns boolean
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
  select not exists (
    select from pgoffload.installation i, pg_control_system() s, pg_database d
    where d.datname = current_database()
      and i.system_identifier = s.system_identifier
      and i.database_oid = d.oid)
$$;
comment on function pgoffload.is_copy() is 'Private, for the parts. True on a copied database that was not adopted.';
revoke all on function pgoffload.is_copy() from public;
grant execute on function pgoffload.is_copy() to pgoffload_producer, pgoffload_worker, pgoffload_results;
-- How a request is validated, signed and sent. Both ways in end in pgoffload.send_llm_request.

-- API: Private. Raises what is wrong with a request, before anything is stored or sent. Runs within the
-- rights and the search_path of pgoffload.send_llm_request's callers.
create or replace function pgoffload.check_llm_request(request public.llm_request) returns void
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
comment on function pgoffload.check_llm_request(public.llm_request) is
  'Private. Raises invalid_parameter_value for what is wrong with a request.';
revoke all on function pgoffload.check_llm_request(public.llm_request) from public;

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

-- API: Private. Validates, signs and sends a stamped request as a logical decoding message: bound to the
-- commit of this transaction, or at once (request.immediate). The message is the signature, a line feed
-- and the envelope; the envelope's bytes travel verbatim to the worker, which checks them. Only its two
-- callers are security definers: it and the check run within their rights and their search_path, since
-- entering one more such function costs as much as signing.
create or replace function pgoffload.send_llm_request(request public.llm_request) returns bigint
language plpgsql volatile
as $$
declare
  signer pgoffload.signer;
  envelope bytea;
  message bytea;
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

  -- The routing fields come first and the payload last: the transform reads no further than it must.
  -- Concatenated, every value through to_json: half the time of json_build_object.
  envelope := convert_to(
    '{"version":1,"id":' || request.id
    || ',"kind":' || to_json(request.kind)
    || ',"ordering_key":' || coalesce(to_json(request.ordering_key)::text, 'null')
    || ',"immediate":' || to_json(request.immediate)
    || ',"installation":' || to_json(signer.installation)
    || ',"nonce":"' || gen_random_uuid()
    || '","signed_at_us":' || (extract(epoch from clock_timestamp()) * 1000000)::bigint
    || ',"timeout_ms":' || ceil(extract(epoch from request.timeout) * 1000)::bigint
    || ',"requested_by":{"user":' || to_json(request.requested_by)
    || ',"user_oid":' || request.requested_by_oid
    || ',"session_user":' || to_json(session_user)
    || ',"session_user_oid":' || quote_ident(session_user)::regrole::oid
    || ',"role":' || to_json(current_setting('role'))
    || '},"payload":{' || concat_ws(',',
         '"prompt":' || to_json(request.prompt),
         '"system":' || to_json(request.system),
         '"messages":' || request.messages::text,
         '"model":' || to_json(request.model),
         '"options":' || request.options::text,
         '"tags":' || request.tags::text)
    || '}}', 'UTF8');

  if octet_length(envelope) > signer.max_request_bytes then
    raise exception 'the request is too large: % bytes as JSON, the limit is % bytes',
        octet_length(envelope), signer.max_request_bytes
      using errcode = 'program_limit_exceeded',
            hint = 'Shorten the prompt, or have the owner raise max_request_bytes in pgoffload.setting.';
  end if;

  message := convert_to(
      signer.key_id || ':' ||
      encode(sha256(signer.outer_pad || sha256(signer.inner_pad || envelope)), 'hex') || E'\n', 'UTF8')
    || envelope;

  if request.immediate and current_setting('server_version_num')::integer >= 170000 then
    -- flush: a message that is not bound to a commit would wait for somebody else's
    perform pg_logical_emit_message(false, 'pgoffload.request', message, true);
  else
    -- before 17 the producer commits something every few tens of milliseconds, which flushes this too
    perform pg_logical_emit_message(not request.immediate, 'pgoffload.request', message);
  end if;
  return request.id;
end
$$;
comment on function pgoffload.send_llm_request(public.llm_request) is
  'Private. Validates, signs and sends a stamped request.';
revoke all on function pgoffload.send_llm_request(public.llm_request) from public;

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
  after insert on public.llm_request
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
    exit when not exists (select from public.llm_request q where q.id = drawn)
      and not exists (select from pgoffload.llm_result r where r.id = drawn);
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
  state public.llm_request,
  kind text, prompt text, system text, messages jsonb, model text, options jsonb, timeout interval,
  ordering_key text, tags jsonb)
returns public.llm_request
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
comment on function pgoffload.stamp_llm_request(public.llm_request, text, text, text, jsonb, text, jsonb, interval, text, jsonb) is
  'Private. Stamps an immediate request with the caller''s identity.';
revoke all on function pgoffload.stamp_llm_request(public.llm_request, text, text, text, jsonb, text, jsonb, interval, text, jsonb) from public;

create or replace function pgoffload.send_stamped_llm_request(request public.llm_request) returns bigint
language plpgsql volatile strict security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  request.id := pgoffload.next_request_id();
  request.immediate := true;
  return pgoffload.send_llm_request(request);
end
$$;
comment on function pgoffload.send_stamped_llm_request(public.llm_request) is
  'Private. Sends a stamped request at once.';
revoke all on function pgoffload.send_stamped_llm_request(public.llm_request) from public;

create or replace aggregate pgoffload.emit_llm_request(
  kind text, prompt text, system text, messages jsonb, model text, options jsonb, timeout interval,
  ordering_key text, tags jsonb) (
  sfunc = pgoffload.stamp_llm_request,
  stype = public.llm_request,
  finalfunc = pgoffload.send_stamped_llm_request
);
comment on aggregate pgoffload.emit_llm_request(text, text, text, jsonb, text, jsonb, interval, text, jsonb) is
  'Sends one LLM request at once, whatever becomes of the transaction; returns its id. llm_ask calls it.';
revoke all on function pgoffload.emit_llm_request(text, text, text, jsonb, text, jsonb, interval, text, jsonb) from public;
grant execute on function pgoffload.emit_llm_request(text, text, text, jsonb, text, jsonb, interval, text, jsonb) to llm_user;
-- What workers call: leases and claims. All for the role pgoffload_worker alone.

-- API: Private. Registers a worker process; returns the epoch of its lease.
create or replace function pgoffload.register_worker(
  worker_name text,     -- unique to the process
  provider text,        -- what it resolved: openai, anthropic, …
  model text,           -- its default model
  version text)
returns bigint
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  insert into pgoffload.worker as w (name, epoch, provider, model, version)
  values (worker_name, 1, provider, model, version)
  on conflict (name) do update
    set epoch = w.epoch + 1, provider = excluded.provider, model = excluded.model, version = excluded.version,
        started_at = clock_timestamp(), heartbeat_at = clock_timestamp(), released_at = null
  returning epoch
$$;
comment on function pgoffload.register_worker(text, text, text, text) is 'Private, for workers. Registers a lease; returns its epoch.';
revoke all on function pgoffload.register_worker(text, text, text, text) from public;
grant execute on function pgoffload.register_worker(text, text, text, text) to pgoffload_worker;

-- API: Private. Renews a lease; false when it is another epoch's by now.
create or replace function pgoffload.renew_lease(worker_name text, worker_epoch bigint, in_flight integer) returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  update pgoffload.worker w set heartbeat_at = clock_timestamp(), in_flight = renew_lease.in_flight
  where w.name = worker_name and w.epoch = worker_epoch and w.released_at is null;
  return found;
end
$$;
comment on function pgoffload.renew_lease(text, bigint, integer) is 'Private, for workers. Renews a lease.';
revoke all on function pgoffload.renew_lease(text, bigint, integer) from public;
grant execute on function pgoffload.renew_lease(text, bigint, integer) to pgoffload_worker;

-- API: Private. Gives a lease up: what the worker had claimed and not finished is taken over at once.
create or replace function pgoffload.release_lease(worker_name text, worker_epoch bigint) returns void
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  update pgoffload.worker set released_at = clock_timestamp(), in_flight = 0
  where name = worker_name and epoch = worker_epoch
$$;
comment on function pgoffload.release_lease(text, bigint) is 'Private, for workers. Gives a lease up.';
revoke all on function pgoffload.release_lease(text, bigint) from public;
grant execute on function pgoffload.release_lease(text, bigint) to pgoffload_worker;

-- API: Private. Whether the worker that holds this lease lives, by the database's clock.
create or replace function pgoffload.worker_is_alive(worker_name text, worker_epoch bigint) returns boolean
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
  select exists (
    select from pgoffload.worker w
    where w.name = worker_name and w.epoch = worker_epoch and w.released_at is null
      -- nobody could renew while the server was down: that alone kills no worker
      and greatest(w.heartbeat_at, least(pg_postmaster_start_time(), clock_timestamp())) > clock_timestamp()
          - (select s.value::interval from pgoffload.setting s where s.name = 'worker_dead_after'))
$$;
comment on function pgoffload.worker_is_alive(text, bigint) is 'Private. Whether a lease is held and fresh, or could not be renewed because the server has just started.';
revoke all on function pgoffload.worker_is_alive(text, bigint) from public;
grant execute on function pgoffload.worker_is_alive(text, bigint) to pgoffload_worker, llm_user;

-- API: Private. Claims a batch of requests in one statement. Each comes back as
--   claimed   the caller runs it, as this attempt
--   answered  it has its result
--   own       this very lease has claimed it before: the reply to that claim was lost
--   held      another live worker has it: ask again until it is answered or its holder is dead
-- An immediate request (with an envelope) is recorded with its claim: its caller inserted no row.
create or replace function pgoffload.claim(
  worker_name text, worker_epoch bigint,
  ids bigint[],               -- distinct
  requested_by_oids oid[],
  envelopes text[])           -- of immediate requests; null for inserted ones
returns table (id bigint, outcome text, attempt integer, claimed_at timestamptz)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- a plan that was made while the tables were small must not scan them when they have grown
set enable_seqscan = off
as $$
#variable_conflict use_column
begin
  if not pgoffload.worker_is_alive(worker_name, worker_epoch) then
    raise exception 'the lease of worker % epoch % is lost', worker_name, worker_epoch
      using errcode = 'PO001', hint = 'Register again; what it had claimed may have been taken over.';
  end if;

  insert into public.llm_request (
    id, kind, prompt, system, messages, model, options, timeout, ordering_key, tags,
    requested_by, requested_by_oid, created_at, immediate)
  select (e ->> 'id')::bigint, e ->> 'kind', p ->> 'prompt', p ->> 'system', p -> 'messages', p ->> 'model',
         p -> 'options', make_interval(secs => (e ->> 'timeout_ms')::double precision / 1000),
         e ->> 'ordering_key', p -> 'tags',
         e #>> '{requested_by,user}', (e #>> '{requested_by,user_oid}')::oid,
         timestamptz 'epoch' + (e ->> 'signed_at_us')::bigint * interval '1 microsecond', true
  from unnest(envelopes) envelope,
       lateral (select envelope::jsonb as e) parsed,
       lateral (select e -> 'payload' as p) payload
  where envelope is not null and e ->> 'kind' in ('ask')
  on conflict (id) do nothing;

  return query
  with asked as (
    -- lateral with a limit: one look into the index for each request, never a scan of all results
    select a.id, a.requested_by_oid, latest.attempt, latest.worker, latest.epoch,
           coalesce(result.found, false) as answered
    from unnest(ids, requested_by_oids) a (id, requested_by_oid)
    left join lateral (
      select true as found from pgoffload.llm_result r where r.id = a.id limit 1) result on true
    left join lateral (
      select e.attempt, e.worker, e.epoch from pgoffload.execution e
      where e.id = a.id order by e.attempt desc limit 1) latest on true
  ), claimed as (
    insert into pgoffload.execution as x (id, attempt, worker, epoch, requested_by_oid)
    select a.id, coalesce(a.attempt, 0) + 1, worker_name, worker_epoch, a.requested_by_oid
    from asked a
    where not a.answered
      and (a.attempt is null or not pgoffload.worker_is_alive(a.worker, a.epoch))
    order by a.id  -- two workers that claim the same requests must not wait for each other in a circle
    on conflict do nothing
    returning x.id, x.attempt, x.claimed_at
  )
  select a.id,
         case when c.id is not null then 'claimed'
              when a.answered then 'answered'
              when a.worker = worker_name and a.epoch = worker_epoch then 'own'
              else 'held' end,
         coalesce(c.attempt, a.attempt, 1),
         coalesce(c.claimed_at, clock_timestamp())
  from asked a left join claimed c on c.id = a.id;
end
$$;
comment on function pgoffload.claim(text, bigint, bigint[], oid[], text[]) is 'Private, for workers. Claims a batch of requests.';
revoke all on function pgoffload.claim(text, bigint, bigint[], oid[], text[]) from public;
grant execute on function pgoffload.claim(text, bigint, bigint[], oid[], text[]) to pgoffload_worker;
-- API: Private. Writes a batch of results; the first of a request wins. Returns how many were new.
create or replace function pgoffload.record_results(
  results text[],    -- result messages: JSON objects whose fields are columns of pgoffload.llm_result
  wake boolean)      -- whether to notify; false when the server's notification queue is full
returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  new_ids bigint[];
begin
  with written as (
    insert into pgoffload.llm_result
    select r.*
    from unnest(results) message,
         lateral jsonb_populate_record(null::pgoffload.llm_result, message::jsonb) r
    on conflict (id) do nothing
    returning id
  )
  select coalesce(array_agg(w.id), '{}') into new_ids from written w;
  if wake then
    perform pg_notify('llm_done', i::text) from unnest(new_ids) i;
  end if;
  return cardinality(new_ids);
end
$$;
comment on function pgoffload.record_results(text[], boolean) is
  'Private, for the results application. Writes results, the first of each request winning, and notifies llm_done.';
revoke all on function pgoffload.record_results(text[], boolean) from public;
grant execute on function pgoffload.record_results(text[], boolean) to pgoffload_results;
-- The LLM surface. Everything runs with the caller's own rights, so that row-level security decides.

-- API: Private. Refuses to wait where the snapshot is older than any answer can be.
create or replace function pgoffload.refuse_to_wait_on_old_snapshot() returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
    raise exception 'cannot wait for an answer in a % transaction', upper(current_setting('transaction_isolation'))
      using errcode = 'feature_not_supported',
            detail = 'The transaction does not see rows that are committed after its first statement. Nothing was sent.',
            hint = 'Call it in READ COMMITTED, or insert into llm_request, commit, and read the answer afterwards.';
  end if;
end
$$;
comment on function pgoffload.refuse_to_wait_on_old_snapshot() is 'Private. Raises feature_not_supported above READ COMMITTED.';
revoke all on function pgoffload.refuse_to_wait_on_old_snapshot() from public;
grant execute on function pgoffload.refuse_to_wait_on_old_snapshot() to llm_user;

-- API: Private. Sleeps for 2 % of the time already waited, from 1 to 250 ms.
create or replace function pgoffload.pause_polling(waiting_since timestamptz) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  perform pg_sleep(least(0.25, greatest(0.001, 0.02 * extract(epoch from clock_timestamp() - waiting_since))));
end
$$;
comment on function pgoffload.pause_polling(timestamptz) is 'Private. One pause of a polling loop.';
revoke all on function pgoffload.pause_polling(timestamptz) from public;
grant execute on function pgoffload.pause_polling(timestamptz) to llm_user;

-- API: Private. Raises the error for an id that does not exist or is not the caller's to see: the two are
-- not told apart.
create or replace function pgoffload.raise_unknown_llm_request(id bigint) returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception 'llm request % does not exist', coalesce(id::text, 'null')
    using errcode = 'undefined_object',
          detail = 'There is none of this id that role ' || quote_ident(current_user) || ' may see.',
          hint = 'The id is what INSERT INTO llm_request … RETURNING id or llm_submit gave; a rolled back request does not exist.';
end
$$;
comment on function pgoffload.raise_unknown_llm_request(bigint) is 'Private. Raises undefined_object.';
revoke all on function pgoffload.raise_unknown_llm_request(bigint) from public;
grant execute on function pgoffload.raise_unknown_llm_request(bigint) to llm_user;

-- API: Private. Raises the failure of a request that ended without an answer.
create or replace function pgoffload.raise_llm_failure(result pgoffload.llm_result) returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception 'llm request % %: %: %', result.id, result.status, result.error_code, result.error_message
    using errcode = case result.status
                      when 'failed' then 'LM001'
                      when 'expired' then 'LM002'
                      else 'query_canceled' end,
          detail = concat_ws(', ', 'provider ' || result.provider, 'model ' || result.model,
                             'provider''s request ' || result.provider_request_id,
                             'attempt ' || result.attempts),
          hint = 'llm_response(' || result.id || ') shows everything that is known.';
end
$$;
comment on function pgoffload.raise_llm_failure(pgoffload.llm_result) is
  'Private. Raises LM001 (failed), LM002 (expired) or 57014 (cancelled).';
revoke all on function pgoffload.raise_llm_failure(pgoffload.llm_result) from public;
grant execute on function pgoffload.raise_llm_failure(pgoffload.llm_result) to llm_user;

-- API: Public.
create or replace function public.llm_status(
  id bigint)         -- of a request that the caller may see
returns text         -- queued | running | succeeded | failed | cancelled | expired
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  status text;
  worker text;
  epoch bigint;
begin
  select r.status into status from pgoffload.llm_result r where r.id = llm_status.id;
  if found then
    return status;
  end if;
  select e.worker, e.epoch into worker, epoch from pgoffload.execution e
  where e.id = llm_status.id order by e.attempt desc limit 1;
  if found then
    -- a dead worker's request waits for the next one
    return case when pgoffload.worker_is_alive(worker, epoch) then 'running' else 'queued' end;
  end if;
  if not exists (select from public.llm_request q where q.id = llm_status.id) then
    perform pgoffload.raise_unknown_llm_request(id);
  end if;
  return 'queued';
end
$$;
comment on function public.llm_status(bigint) is
  'The state of a request: queued, running, succeeded, failed, cancelled or expired.';
revoke all on function public.llm_status(bigint) from public;
grant execute on function public.llm_status(bigint) to llm_user;

-- API: Public.
create or replace function public.llm_result(
  id bigint)         -- of a request that the caller may see
returns text         -- the answer; null while pending
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  result pgoffload.llm_result;
begin
  select r.* into result from pgoffload.llm_result r where r.id = llm_result.id;
  if not found then
    perform public.llm_status(id);  -- raises for an unknown id
    return null;
  end if;
  if result.status <> 'succeeded' then
    perform pgoffload.raise_llm_failure(result);
  end if;
  return result.answer;
end
$$;
comment on function public.llm_result(bigint) is
  'The answer to a request, or null while it is pending; raises LM001 when it failed, LM002 when it expired, 57014 when it was cancelled.';
revoke all on function public.llm_result(bigint) from public;
grant execute on function public.llm_result(bigint) to llm_user;

-- API: Public.
create or replace function public.llm_response(
  id bigint,                     -- of a request that the caller may see
  out status text,
  out answer text,
  out error_code text,
  out error_message text,
  out finish_reason text,        -- stop | length | …
  out provider text,
  out model text,                -- as the provider names it
  out provider_request_id text,
  out input_tokens bigint,       -- all, cached ones included
  out cached_tokens bigint,
  out output_tokens bigint,      -- all, reasoning included
  out reasoning_tokens bigint,
  out attempts integer,
  out queued interval,           -- from the request to its claim
  out ran interval,              -- from its claim to its result
  out finished_at timestamptz)
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  select r.status, r.answer, r.error_code, r.error_message, r.finish_reason, r.provider, r.model,
         r.provider_request_id, r.input_tokens, r.cached_tokens, r.output_tokens, r.reasoning_tokens,
         r.attempts, make_interval(secs => r.queued_ms / 1000), make_interval(secs => r.ran_ms / 1000),
         r.finished_at
  into status, answer, error_code, error_message, finish_reason, provider, model,
       provider_request_id, input_tokens, cached_tokens, output_tokens, reasoning_tokens,
       attempts, queued, ran, finished_at
  from pgoffload.llm_result r where r.id = llm_response.id;
  if not found then
    status := public.llm_status(id);
  end if;
end
$$;
comment on function public.llm_response(bigint) is
  'Everything that is known of a request. Never raises for a failed one: its code and message are columns.';
revoke all on function public.llm_response(bigint) from public;
grant execute on function public.llm_response(bigint) to llm_user;

-- API: Public.
create or replace function public.llm_wait(
  ids bigint[],                      -- of requests that the caller may see
  timeout interval default null,     -- how long to wait; null: until they have ended
  mode text default 'all')           -- return when all have ended, or any
returns table (id bigint, status text)
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  since timestamptz := clock_timestamp();
  needed integer;
  ended integer;
  other bigint;
begin
  if mode is null or mode not in ('all', 'any') then
    raise exception 'llm_wait mode must be ''all'' or ''any'', not %', quote_nullable(mode)
      using errcode = 'invalid_parameter_value';
  end if;
  if array_position(ids, null) is not null then
    raise exception 'llm_wait ids must not contain null' using errcode = 'null_value_not_allowed';
  end if;
  perform pgoffload.refuse_to_wait_on_old_snapshot();

  select q.id into other from public.llm_request q
  where q.id = any (ids) and q.created_xid = pg_current_xact_id_if_assigned();
  if found then
    raise exception 'cannot wait for llm request %, which this transaction has inserted', other
      using errcode = 'object_not_in_prerequisite_state',
            detail = 'It is sent when the transaction commits.',
            hint = 'Commit first and wait then, or use llm_ask, which sends at once.';
  end if;
  perform public.llm_status(i) from unnest(ids) i;  -- raises for an unknown id

  select case mode when 'any' then least(1, count(distinct i)) else count(distinct i) end
  into needed from unnest(ids) i;
  loop
    select count(*) into ended from pgoffload.llm_result r where r.id = any (ids);
    exit when ended >= needed or clock_timestamp() >= since + timeout;
    perform pgoffload.pause_polling(since);
  end loop;
  return query select i, public.llm_status(i) from unnest(ids) i;
end
$$;
comment on function public.llm_wait(bigint[], interval, text) is
  'Waits until all (or any) of the requests have ended, at most for the timeout; returns the state of each.';
revoke all on function public.llm_wait(bigint[], interval, text) from public;
grant execute on function public.llm_wait(bigint[], interval, text) to llm_user;

-- API: Public.
create or replace function public.llm_submit(
  prompt text,
  model text default null,           -- null: the setting llm.model, else the worker's
  system text default null,          -- instructions to the model
  options jsonb default null,        -- as llm_request.options
  timeout interval default null,     -- null: the setting llm.timeout, else default_timeout
  messages jsonb default null,       -- earlier turns, as llm_request.messages
  ordering_key text default null,
  tags jsonb default null)
returns bigint                       -- the request id
language sql volatile
set search_path = pg_catalog, pg_temp
as $$
  insert into public.llm_request (prompt, model, system, options, timeout, messages, ordering_key, tags)
  values (prompt, coalesce(model, nullif(current_setting('llm.model', true), '')), system, options, timeout,
          messages, ordering_key, tags)
  returning id
$$;
comment on function public.llm_submit(text, text, text, jsonb, interval, jsonb, text, jsonb) is
  'Inserts a request and returns its id. It is sent when the transaction commits; a rollback means no call.';
revoke all on function public.llm_submit(text, text, text, jsonb, interval, jsonb, text, jsonb) from public;
grant execute on function public.llm_submit(text, text, text, jsonb, interval, jsonb, text, jsonb) to llm_user;

-- API: Public.
create or replace function public.llm_ask(
  prompt text,
  model text default null,           -- null: the setting llm.model, else the worker's
  system text default null,          -- instructions to the model
  options jsonb default null,        -- as llm_request.options
  timeout interval default null)     -- null: the setting llm.timeout, else default_timeout
returns text                         -- the answer
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  since timestamptz := clock_timestamp();
  request_id bigint;
  give_up timestamptz;
  result pgoffload.llm_result;
begin
  perform pgoffload.refuse_to_wait_on_old_snapshot();
  request_id := (select pgoffload.emit_llm_request('ask', prompt, system, null, model, options, timeout, null, null));
  -- the worker reports an expired request itself; the caller gives up a little later
  give_up := since + interval '2 s' + coalesce(
    timeout,
    nullif(current_setting('llm.timeout', true), '')::interval,
    (select s.value::interval from pgoffload.setting s where s.name = 'default_timeout'));
  loop
    select r.* into result from pgoffload.llm_result r where r.id = request_id;
    exit when found;
    if clock_timestamp() >= give_up then
      raise exception 'llm request % was not answered in time', request_id
        using errcode = 'LM002',
              detail = case when exists (select from pgoffload.worker w where pgoffload.worker_is_alive(w.name, w.epoch))
                            then 'A worker is alive, but nothing came back.'
                            else 'No worker is alive.' end,
              hint = 'Check that producer, worker and results are running; llm_status(' || request_id || ') may show it later.';
    end if;
    perform pgoffload.pause_polling(since);
  end loop;
  if result.status <> 'succeeded' then
    perform pgoffload.raise_llm_failure(result);
  end if;
  return result.answer;
end
$$;
comment on function public.llm_ask(text, text, text, jsonb, interval) is
  'Asks a language model and waits for the answer, in one statement, also inside an open transaction; the call is made even if the transaction rolls back.';
revoke all on function public.llm_ask(text, text, text, jsonb, interval) from public;
grant execute on function public.llm_ask(text, text, text, jsonb, interval) to llm_user;

-- API: Public.
create or replace function public.llm_provider()
returns text          -- openai | azure_openai | anthropic | … | echo; several, separated by commas, if workers differ
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  resolved text;
begin
  select string_agg(distinct w.provider, ', ' order by w.provider) into resolved
  from pgoffload.worker w where pgoffload.worker_is_alive(w.name, w.epoch);
  if resolved is null then
    raise exception 'no worker is alive, so no provider is known'
      using errcode = 'object_not_in_prerequisite_state',
            hint = 'Start one with: pgoffload worker';
  end if;
  return resolved;
end
$$;
comment on function public.llm_provider() is 'The provider that the live workers have resolved.';
revoke all on function public.llm_provider() from public;
grant execute on function public.llm_provider() to llm_user;

-- API: Public.
create or replace view public.llm_queue with (security_invoker) as
select q.id, q.requested_by, q.model,
       case when pgoffload.worker_is_alive(e.worker, e.epoch) then 'running' else 'queued' end as status,
       q.created_at, pg_catalog.clock_timestamp() - q.created_at as age, e.attempt as attempts, e.worker
from public.llm_request q
left join lateral (
  select x.attempt, x.worker, x.epoch from pgoffload.execution x
  where x.id = q.id order by x.attempt desc limit 1) e on true
where not exists (select from pgoffload.llm_result r where r.id = q.id);
comment on view public.llm_queue is 'The requests that have not ended and that the reader may see.';
grant select on public.llm_queue to llm_user;

-- API: Public.
create or replace view public.llm_worker with (security_invoker) as
select w.name, w.provider, w.model, w.version, w.started_at, w.heartbeat_at, w.in_flight,
       pgoffload.worker_is_alive(w.name, w.epoch) as alive
from pgoffload.worker w;
comment on view public.llm_worker is 'The workers that have registered, and whether they are alive.';
grant select on public.llm_worker to llm_user;
