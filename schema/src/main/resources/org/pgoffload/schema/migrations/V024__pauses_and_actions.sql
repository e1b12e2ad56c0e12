-- What operators do: models and roles that they pause, and the log of actions.

-- Roles are shared by all databases of a server: another installation may have made it.
do $$
begin
  if not exists (select from pg_catalog.pg_roles r where r.rolname = 'pgoffload_operator') then
    create role pgoffload_operator nologin;  -- the right to pause and resume, to read the log, and to see to dead letters
  end if;
end
$$;

-- Append-only. Who acts is stamped by the defaults: nobody but the owner may insert into those columns.
create table pgoffload.action (
  number bigint generated always as identity,
  at timestamptz not null default pg_catalog.clock_timestamp(),
  role_oid oid not null default pg_catalog.quote_ident(current_user)::pg_catalog.regrole::oid,
  role_name name not null default current_user,
  session_name name not null default session_user,
  client_address inet default pg_catalog.inet_client_addr(),
  application text not null default pg_catalog.current_setting('application_name'),
  what text not null,
  ids bigint[],
  names text[],
  detail jsonb,
  constraint action_pkey primary key (number),
  constraint action_says_what check (pg_catalog.length(what) between 1 and 100)
);
create index action_at_idx on pgoffload.action (at);
comment on table pgoffload.action is
  'What operators and users of the console have done, when, and to what. Append-only; rows are removed after retention.';
comment on column pgoffload.action.role_oid is 'The role that acted, which decides who may read; stamped.';
comment on column pgoffload.action.role_name is 'What it was called; stamped.';
comment on column pgoffload.action.session_name is 'The role that had logged in; stamped.';
comment on column pgoffload.action.client_address is 'Where the session came from; null: the server''s own machine. Stamped.';
comment on column pgoffload.action.application is 'The session''s application_name; stamped.';
comment on column pgoffload.action.what is 'A word: pause_model, resume_role, cancel, …';
comment on column pgoffload.action.ids is 'Of the requests that it was done to.';
comment on column pgoffload.action.names is 'Of the models, roles, tables or other things that it was done to.';
alter table pgoffload.action enable row level security;
create policy own_actions on pgoffload.action for select
  using (pg_catalog.pg_has_role(role_oid, 'usage') or pg_catalog.pg_has_role('pgoffload_operator', 'usage'));
create policy stamped_actions on pgoffload.action for insert with check (true);

-- A row for each model, provider or role that is paused: workers begin none of its requests, and read the rows with each
-- renewal of their leases. There are few.
create table pgoffload.pause (
  number bigint generated always as identity,
  model text,
  provider text,
  role_oid oid,
  since timestamptz not null default pg_catalog.clock_timestamp(),
  paused_by_oid oid not null default pg_catalog.quote_ident(current_user)::pg_catalog.regrole::oid,
  paused_by name not null default current_user,
  reason text,
  constraint pause_pkey primary key (number),
  constraint pause_is_once unique nulls not distinct (model, provider, role_oid),
  constraint pause_is_of_a_model_or_a_role check ((model is null and provider is null) = (role_oid is not null))
);
comment on table pgoffload.pause is 'Which models and roles are paused. Nobody changes a row: it is there, or it is not.';
comment on column pgoffload.pause.model is 'As its provider names it; null: all models of the provider.';
comment on column pgoffload.pause.provider is 'As the workers name it; null: the models of this name of any provider.';
comment on column pgoffload.pause.role_oid is 'The role whose requests are not begun.';
comment on column pgoffload.pause.paused_by is 'The role that paused it; stamped.';
comment on column pgoffload.pause.reason is 'In the words of the role that paused it.';
alter table pgoffload.pause enable row level security;
create policy known_pauses on pgoffload.pause for select
  using (role_oid is null or pg_catalog.pg_has_role(role_oid, 'usage') or pg_catalog.pg_has_role('pgoffload_operator', 'usage'));
create policy stamped_pauses on pgoffload.pause for insert with check (true);
create policy resumable_pauses on pgoffload.pause for delete using (pg_catalog.pg_has_role('pgoffload_operator', 'usage'));
