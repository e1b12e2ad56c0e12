-- API: Private. Makes the key that signs from now on. Older keys stay valid for what they signed.
create or replace function pgoffload.new_signing_key() returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  -- gen_random_uuid draws from the server's strong random source; 3 x 122 bits make 256
  new_key bytea := sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
  inner_block bytea := new_key || decode(repeat('00', 32), 'hex');
  outer_block bytea := inner_block;
  made integer;
begin
  for i in 0 .. 63 loop
    inner_block := set_byte(inner_block, i, get_byte(inner_block, i) # 54);  -- 0x36, RFC 2104
    outer_block := set_byte(outer_block, i, get_byte(outer_block, i) # 92);  -- 0x5c
  end loop;
  insert into pgoffload.signing_key (key, inner_pad, outer_pad)
  values (new_key, inner_block, outer_block)
  returning key_id into made;
  return made;
end
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
