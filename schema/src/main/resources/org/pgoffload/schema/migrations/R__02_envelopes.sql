-- How a request of any kind is signed and sent, and the id of a request that is sent at once.

drop function if exists pgoffload.send_envelope(
  bigint, text, text, text, boolean, interval, boolean, name, oid, text, uuid, timestamptz);

-- API: Private. Signs and sends an envelope as a logical decoding message: bound to the commit of this
-- transaction, or at once. The message is the signature, a line feed and the envelope; the envelope's
-- bytes travel verbatim to the worker, which checks them. Runs within the rights and the search_path of
-- its callers, which are security definers: entering one more such function costs as much as signing.
create or replace function pgoffload.send_envelope(
  id bigint,
  kind text,
  share_group text,        -- messages of one group share a partition; null: of no group
  ordering_key text,       -- and those of one key are executed one after another
  immediate boolean,       -- now, or when the transaction commits
  timeout interval,        -- null: for as long as it takes, or
  or_default boolean,      -- default_timeout
  requested_by name,
  requested_by_oid oid,
  payload text,            -- the fields of a JSON object, without its braces
  nonce uuid,              -- tells it from another request of its id; null: one is made
  asked_at timestamptz default null,  -- of one that is sent again, with this transaction: when it was sent first
  signer pgoffload.signer default null)  -- null: it is looked up
returns void
language plpgsql volatile
as $$
declare
  -- W3C Trace Context: an invalid value counts as none
  trace constant text := substring(current_setting('pgoffload.traceparent', true) from '^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$');
  envelope bytea;
  message bytea;
  sent_at pg_lsn;
begin
  if signer.key_id is null then
    select s.* into strict signer from pgoffload.signer s;
  end if;
  -- The routing fields come first and the payload last: the transform reads no further than it must.
  -- By concat, every text of a caller's through to_json: a fraction of the time of json_build_object. Of a field that is
  -- null, name and value are concatenated by an operator, which makes both null, and concat leaves that out.
  envelope := convert_to(concat(
    '{"version":1,"id":', id,
    ',"kind":', to_json(kind),
    ',"group":' || to_json(share_group),
    ',"traceparent":"' || trace || '"',
    ',"ordering_key":', coalesce(to_json(ordering_key)::text, 'null'),
    ',"immediate":', case when immediate then 'true' else 'false' end,
    ',"installation":"', signer.installation,
    '","nonce":"', coalesce(nonce, gen_random_uuid()),
    '","signed_at_us":', (extract(epoch from clock_timestamp()) * 1000000)::bigint,
    ',"created_at_us":' || (extract(epoch from asked_at) * 1000000)::bigint,
    ',"timeout_ms":', coalesce(ceil(extract(epoch from
      case when or_default then coalesce(timeout, signer.default_timeout) else timeout end) * 1000)::bigint::text, 'null'),
    ',"requested_by":{"user":', to_json(requested_by),
    ',"user_oid":', requested_by_oid,
    ',"session_user":', to_json(session_user),
    ',"session_user_oid":', quote_ident(session_user)::regrole::oid,
    ',"role":', to_json(current_setting('role')),
    '},"payload":{', payload,
    '}}'), 'UTF8');

  -- a request that was accepted once is sent again, even if it is larger by now, or the limit lower
  if asked_at is null and octet_length(envelope) > signer.max_request_bytes then
    raise exception 'the request is too large: % bytes as JSON, the limit is % bytes',
        octet_length(envelope), signer.max_request_bytes
      using errcode = 'program_limit_exceeded',
            hint = 'Shorten it, or have the owner raise max_request_bytes in pgoffload.setting.';
  end if;

  message := convert_to(
      signer.key_id || ':' ||
      encode(sha256(signer.outer_pad || sha256(signer.inner_pad || envelope)), 'hex') || E'\n', 'UTF8')
    || envelope;

  if asked_at is not null then
    sent_at := pg_logical_emit_message(true, 'pgoffload.request', message);
  elsif immediate and current_setting('server_version_num')::integer >= 170000 then
    -- flush: a message that is not bound to a commit would wait for another session's commit. Of many, the sender
    -- flushes some together (pgoffload.send_stamped_prompts).
    sent_at := pg_logical_emit_message(false, 'pgoffload.request', message,
      current_setting('pgoffload.flush', true) is distinct from 'later');
  else
    -- before 17 the producer commits something within milliseconds, which flushes this too
    sent_at := pg_logical_emit_message(not immediate, 'pgoffload.request', message);
  end if;
end
$$;

-- API: Private. A random id from the upper half of the range that the given id is of, which the sequence never reaches.
-- Runs within its callers' rights and search_path.
create or replace function pgoffload.random_request_id(of_range bigint) returns bigint
language plpgsql volatile
as $$
declare
  drawn bigint;
begin
  loop
    drawn := (of_range >> 36 << 36) + (1::bigint << 35)
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

-- API: Private. An id for an immediate request. A READ ONLY transaction may not call nextval: it takes a
-- random one from the upper half of the current partition's range, which the sequence never reaches. So does a request
-- on a server that was promoted a moment ago.
create or replace function pgoffload.next_request_id() returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  -- it would be lost, and its caller's transaction might be what the making of the slot waits for
  if exists (select from pgoffload.capture_break b
             where b.first_id is null and b.reason <> 'key_sealed' and b.broken_at > clock_timestamp() - interval '2 min') then
    raise exception 'nothing captures requests at this moment: the replication slot is being made anew, or the signing key is being revoked'
      using errcode = 'PO003', detail = 'Nothing was sent.', hint = 'Ask again in a few seconds.';
  end if;
  -- A server that was just promoted may not have got the last ids that were drawn: until its timeline is accepted, which
  -- begins a new range, the sequence would draw them again.
  if current_setting('transaction_read_only') = 'off'
     and substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) = pgoffload.accepted_timeline() then
    return nextval('pgoffload.request_id');
  end if;
  return pgoffload.random_request_id((select s.last_value from pgoffload.request_id s));
end
$$;

-- API: Private. The first id of the range before the current one: a look that compares with it as well is planned for
-- the newest partitions alone. Nothing but a constant, which begin_id_range replaces. It is inlined, since it runs within
-- the search_path of its callers, and the server remembers of an inlined function which plans hold it: they become
-- invalid when it is replaced. Of an immutable one it would not: it is evaluated.
create or replace function pgoffload.recent_from() returns bigint
language sql stable
as $$
  select 0::bigint
$$;

-- made anew it has forgotten the range; of an installation that has none yet, R__17_retention.sql notes the first
do $$
begin
  if pg_catalog.to_regprocedure('pgoffload.note_current_range(bigint)') is not null then
    perform pgoffload.note_current_range(pgoffload.current_id_range());
  end if;
end
$$;
