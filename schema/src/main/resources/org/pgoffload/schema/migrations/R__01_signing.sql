-- The keys that sign requests: made, retired, sealed, revoked and removed.

-- API: Private. The blocks of a key, with which HMAC-SHA256 is sha256(outer || sha256(inner || message)).
create or replace function pgoffload.hmac_blocks(key bytea, out inner_block bytea, out outer_block bytea)
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  inner_block := key || decode(repeat('00', 32), 'hex');
  outer_block := inner_block;
  for i in 0 .. 63 loop
    inner_block := set_byte(inner_block, i, get_byte(inner_block, i) # 54);  -- 0x36, RFC 2104
    outer_block := set_byte(outer_block, i, get_byte(outer_block, i) # 92);  -- 0x5c
  end loop;
end
$$;

-- API: Private. Derives pgoffload.signer, which signing reads with every request, from the keys, the settings and the
-- installation; called whenever these change.
create or replace function pgoffload.refresh_signer() returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  current_key pgoffload.signing_key;
begin
  select * into strict current_key from pgoffload.signing_key k
  where k.retired_at is null order by k.key_id desc limit 1;
  insert into pgoffload.signer (installation, key_id, inner_pad, outer_pad, max_request_bytes, default_timeout)
  select i.id, current_key.key_id, b.inner_block, b.outer_block,
         (select s.value::integer from pgoffload.setting s where s.name = 'max_request_bytes'),
         (select s.value::interval from pgoffload.setting s where s.name = 'default_timeout')
  from pgoffload.installation i, pgoffload.hmac_blocks(current_key.key) b
  on conflict (singleton) do update
    set installation = excluded.installation, key_id = excluded.key_id,
        inner_pad = excluded.inner_pad, outer_pad = excluded.outer_pad,
        max_request_bytes = excluded.max_request_bytes, default_timeout = excluded.default_timeout;
end
$$;

-- API: Private. Keeps pgoffload.signer current.
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

create or replace trigger refresh_signer after insert or update or delete on pgoffload.setting
  for each statement execute function pgoffload.refresh_signer_after_change();
create or replace trigger refresh_signer after insert or update or delete on pgoffload.signing_key
  for each statement execute function pgoffload.refresh_signer_after_change();
create or replace trigger refresh_signer after insert or update or delete on pgoffload.installation
  for each statement execute function pgoffload.refresh_signer_after_change();

-- API: Private. Makes the key that signs from now on; returns its id. Older keys stay valid for what they signed.
create or replace function pgoffload.new_signing_key() returns integer
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  -- gen_random_uuid draws from the server's strong random source; 3 x 122 bits make 256
  insert into pgoffload.signing_key (key)
  values (sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())))
  returning key_id
$$;

-- API: Private, for the owner. Retires the key that signs, and makes another. What the old one has signed is still
-- accepted: it stays until pgoffload.remove_old_keys finds nothing that it may have signed. Waits for no other
-- transaction but another rotation.
create or replace function pgoffload.rotate_key() returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  -- of two at once, the second retires the first one's key
  lock table pgoffload.signing_key in share row exclusive mode;
  update pgoffload.signing_key k set retired_at = clock_timestamp(), retired_xid = pg_current_xact_id()
  where k.retired_at is null;
  return pgoffload.new_signing_key();
end
$$;

-- API: Private, for the owner. Rotates the key, and revokes all older ones: workers refuse what was signed with them.
-- Part of pgoffload rotate-key --revoke, which has a break of the capture planned before and recorded after it.
create or replace function pgoffload.revoke_keys() returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  key_id constant integer := pgoffload.rotate_key();
begin
  update pgoffload.signing_key k set revoked_at = clock_timestamp()
  where k.retired_at is not null and k.revoked_at is null;
  return key_id;
end
$$;

-- API: Private, for the owner. Seals retired keys with which no transaction signs any more: each that saw them before
-- they were retired has ended. Returns how many of the sealed keys are revoked: the requests that these have signed
-- meanwhile have to be signed again.
create or replace function pgoffload.seal_keys() returns integer
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  with sealed as (
    update pgoffload.signing_key k set sealed_at = clock_timestamp()
    where k.retired_at is not null and k.sealed_at is null
      and not exists (
        select from pg_stat_get_activity(null) a
        where a.datid = (select d.oid from pg_database d where d.datname = current_database()) and a.pid <> pg_backend_pid()
          and (age(a.backend_xid) >= age(k.retired_xid::xid) or age(a.backend_xmin) >= age(k.retired_xid::xid)))
      and not exists (
        select from pg_prepared_xact() p
        where p.dbid = (select d.oid from pg_database d where d.datname = current_database())
          and age(p.transaction) >= age(k.retired_xid::xid))
    returning k.revoked_at
  )
  select count(s.revoked_at)::integer from sealed s
$$;

-- API: Private, for the owner. Removes the sealed keys that have signed nothing that is kept: everything that was asked
-- when they signed has ended and been removed, and would not be accepted if it came again. Returns their ids.
create or replace function pgoffload.remove_old_keys() returns setof integer
language sql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
  delete from pgoffload.signing_key k
  where k.sealed_at < clock_timestamp() - (select s.value::interval / 2 from pgoffload.setting s where s.name = 'retention')
    and not exists (select from pgoffload.id_range r where r.begun_at <= k.sealed_at)
  returning k.key_id
$$;

do $$
begin
  if not exists (select from pgoffload.signing_key) then
    perform pgoffload.new_signing_key();
  end if;
end
$$;

-- API: Private, for workers. The keys that a worker accepts.
create or replace function pgoffload.signing_keys() returns table (key_id integer, key_hex text)
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
  select k.key_id, encode(k.key, 'hex') from pgoffload.signing_key k where k.revoked_at is null
$$;

-- API: Private. Whether the bytes of a request bear a signature of this installation, with a key of any age that
-- was not revoked. Runs within its caller's rights and search_path.
create or replace function pgoffload.is_signed(message bytea, key_id integer, mac bytea) returns boolean
language sql stable
as $$
  select coalesce((
    select sha256(b.outer_block || sha256(b.inner_block || message)) = mac
    from pgoffload.signing_key k, pgoffload.hmac_blocks(k.key) b
    where k.key_id = is_signed.key_id and k.revoked_at is null), false)
$$;
