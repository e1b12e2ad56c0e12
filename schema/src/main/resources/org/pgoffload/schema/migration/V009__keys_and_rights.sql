-- The life of a signing key, and rights that nobody uses.

-- When a key was retired, so that it signs nothing new; from when on nobody who saw it before signs with it either;
-- and when it was revoked: nothing that it has signed is accepted from then on.
alter table pgoffload.signing_key
  add column retired_xid xid8,
  add column sealed_at timestamptz,
  add column revoked_at timestamptz;
comment on column pgoffload.signing_key.retired_at is 'When another key took its place. What it has signed is still accepted.';
comment on column pgoffload.signing_key.retired_xid is 'The transaction that retired it: older ones may sign with it until they end.';
comment on column pgoffload.signing_key.sealed_at is 'When the last of them had ended.';
comment on column pgoffload.signing_key.revoked_at is 'When it was revoked: what it has signed is refused.';
comment on table pgoffload.signing_key is
  'HMAC-SHA256 keys. The newest that is not retired signs; the worker accepts every one that is here and not revoked.';

-- Each part has what it uses: the results application writes through its one function, and the breaks of the
-- capture are read by those who wait, and by the producer through its functions.
revoke select on pgoffload.installation, pgoffload.setting from pgoffload_results;
revoke select on pgoffload.installation, pgoffload.setting from pgoffload_producer;
revoke select on pgoffload.capture_break, pgoffload.id_range from pgoffload_producer, pgoffload_worker, pgoffload_results;
