-- Maintained columns: a column, or a table of chunks, that is kept answered while the rows change that it is asked about.
-- A trigger on the source makes a request for each changed row, for the role that has declared the column; its answer is
-- written to the row by background SQL of that role.

-- What was declared. Only code of the owner writes here.
create table pgoffload.maintained_column (
  number integer generated always as identity,
  name text not null,
  source regclass not null,        -- of a partition tree the root
  declarer regrole not null,
  login regrole not null,          -- whom the worker logs in as to write answers
  key_columns name[] not null,     -- the primary key, in its order
  key_numbers smallint[] not null, -- their numbers, which a column that is renamed keeps
  input_columns name[] not null,   -- those that the template names, as often as it does
  input_numbers smallint[] not null,
  literals text[] not null,        -- the template's text before, between and behind them
  target name,                     -- null: the answers go to into_table
  target_number smallint,
  into_table regclass,
  target_type regtype not null,    -- of the target, or of the column embedding of into_table
  kind text not null,
  model text,
  provider text,
  system text,
  options jsonb,
  timeout interval,
  response_schema jsonb,
  chunk jsonb,                     -- how the text is split: {"tokens", "overlap"}
  configuration bytea not null,    -- the SHA-256 of all that an answer depends on besides the row
  settings jsonb not null,         -- of the sessions that read rows and write answers
  installation uuid not null,      -- the one it was declared or resumed in: in another one it is paused
  declared_at timestamptz not null default pg_catalog.clock_timestamp(),
  constraint maintained_column_pkey primary key (number),
  constraint maintained_column_name_key unique (name),
  constraint maintained_column_kind_is_known check (kind in ('ask', 'embed')),
  constraint maintained_column_has_one_target check (num_nonnulls(target, into_table) = 1)
);
create index maintained_column_source_idx on pgoffload.maintained_column (source);
comment on table pgoffload.maintained_column is 'The declarations of llm_maintain.';

-- How each of them stands. Updated in place; its few rows stay on one page.
create table pgoffload.maintained_state (
  number integer not null,
  paused_by regrole,
  paused_at timestamptz,
  failing text,                    -- why the vendor is not asked: the error of the last answers
  failing_until timestamptz,       -- when the next one is tried
  failing_pause interval,          -- how long this pause is; the next one is longer
  blocked text,                    -- what keeps the declarer from it, as seen last
  backfill boolean not null default false,
  backfill_after text[],           -- the key that it has come to; null: to none
  task_error text,                 -- of the last background SQL for it, if that failed
  -- requests of transactions before this one are counted
  counted_xid xid8 not null default pg_catalog.pg_current_xact_id(),
  mark_at timestamptz not null default pg_catalog.clock_timestamp(),
  mark_asked bigint not null default 0,  -- how many had been asked then: when so many have ended, the mark is moved
  constraint maintained_state_pkey primary key (number)
) with (fillfactor = 20);
comment on table pgoffload.maintained_state is 'How maintained columns stand.';

-- What is known of each row that was asked about: which inputs its answer is of, or why it has none.
create table pgoffload.maintained_row (
  number integer not null,
  row_id uuid not null,            -- from the key
  key text[] not null,
  request bigint not null,         -- the last that has ended for this row
  hash bytea,                      -- of the inputs that the answer in the target is of
  error_code text,                 -- null: the last request has succeeded
  error_message text,
  attempts integer not null default 1,  -- how many requests have failed one after another
  failed_at timestamptz,
  constraint maintained_row_pkey primary key (number, row_id)
) with (fillfactor = 80);
create index maintained_row_failed_idx on pgoffload.maintained_row (number, failed_at) where error_code is not null;
comment on table pgoffload.maintained_row is 'Which inputs of a row its answer is of, or why it has none.';

-- Rows that are to be read and asked about: they have changed while the column was paused or blocked, are retried, or
-- their answer was removed before it was written.
create table pgoffload.maintained_due (
  id bigint generated always as identity,
  number integer not null,
  row_id uuid not null,
  key text[] not null,
  since timestamptz not null default pg_catalog.clock_timestamp(),
  constraint maintained_due_pkey primary key (id)
);
create index maintained_due_number_idx on pgoffload.maintained_due (number, id);
create index maintained_due_row_idx on pgoffload.maintained_due (number, row_id);
comment on table pgoffload.maintained_due is 'Rows that are to be asked about as soon as their column is not paused.';

-- Tables that were written to by transactions which are too old to see what was declared of them: the table is read again.
create table pgoffload.maintained_unseen (
  source regclass not null,
  trigger_name name not null
);
comment on table pgoffload.maintained_unseen is 'Tables that changed unseen by a maintained column.';

-- Requests that have ended, and whose end is to be written to its row.
create table pgoffload.maintained_answer (
  number integer not null,
  request bigint not null,
  constraint maintained_answer_pkey primary key (number, request)
);
comment on table pgoffload.maintained_answer is 'Requests that have ended and are not applied yet.';

-- What has become of how many. Append-only; old rows are summed up into one.
create table pgoffload.maintained_count (
  number integer not null,
  at timestamptz not null default pg_catalog.clock_timestamp(),
  asked bigint not null default 0,
  done bigint not null default 0,
  failed bigint not null default 0,
  stale bigint not null default 0,       -- overtaken by a newer request, or of a row that has gone
  vendor_failed bigint not null default 0,  -- of failed: those that tell of the vendor, not of the row
  tokens bigint not null default 0,
  cost numeric not null default 0,
  last_error text                         -- of the last that has failed for the vendor's sake
);
create index maintained_count_number_idx on pgoffload.maintained_count (number, at);
comment on table pgoffload.maintained_count is 'How many requests of a maintained column were asked and have ended, by batch.';

-- In a request, stamped: which row of which maintained column it is for.
alter table ${public_schema}.llm_request
  add column maintained integer,
  add column maintained_row uuid,
  add column maintained_key text[],
  add column maintained_hash bytea,
  add column maintained_end jsonb;
-- which request of a row is the newest
create index llm_request_maintained_row_idx on ${public_schema}.llm_request (maintained, maintained_row, id)
  where maintained is not null;
-- how many were asked since
create index llm_request_maintained_xid_idx on ${public_schema}.llm_request (maintained, created_xid)
  where maintained is not null and installation is not null;
comment on column ${public_schema}.llm_request.maintained is 'The maintained column that it is for; stamped.';
comment on column ${public_schema}.llm_request.maintained_row is 'The row, by a hash of its key; stamped.';
comment on column ${public_schema}.llm_request.maintained_key is 'The row''s primary key; stamped.';
comment on column ${public_schema}.llm_request.maintained_hash is 'Of the inputs that it is asked about; stamped.';
comment on column ${public_schema}.llm_request.maintained_end is
  'How it ends without a call: {"code", "message"}; the code blank is no failure; stamped.';

alter table ${public_schema}.sql_request add column maintained integer;
create index sql_request_maintained_idx on ${public_schema}.sql_request (maintained, label, id) where maintained is not null;
comment on column ${public_schema}.sql_request.maintained is
  'The maintained column whose rows it reads, or whose answers it writes; stamped.';

insert into pgoffload.setting (name, value, description) values
  ('maintained_step', '500',
   'How many rows of a maintained column are read, or answers are written, in one transaction.'),
  ('maintained_ahead', '1000',
   'How many requests of a maintained column may be under way before its backfill asks for more.');
