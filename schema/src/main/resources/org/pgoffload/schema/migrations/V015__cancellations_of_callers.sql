-- A caller of llm_cancel records the cancellation with its own transaction, which may stay open for long. The key of that
-- row is apart from the key of the row that workers record: no worker waits for a caller's transaction.
alter table pgoffload.cancellation
  add column by_caller boolean not null default false,
  drop constraint cancellation_pkey,
  add constraint cancellation_pkey primary key (id, by_oid, by_caller);
comment on column pgoffload.cancellation.by_caller is
  'Whether the transaction that asked for it inserted the row; workers insert theirs when they read the command.';

alter policy own_cancellations on pgoffload.cancellation
  with check (by_caller
              and by_oid = pg_catalog.quote_ident(current_user)::pg_catalog.regrole::pg_catalog.oid
              and exists (select from ${public_schema}.llm_request q where q.id = cancellation.id));
