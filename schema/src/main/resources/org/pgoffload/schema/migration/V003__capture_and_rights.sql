-- Requests travel as logical decoding messages (docs/decisions/0001), so the publication names no
-- table; pgoutput wants one all the same.
create publication pgoffload;

-- Row-level security compares oids: with names, one DROP ROLE would break every reader's scan, and a
-- new role of an old name would inherit its results.
alter table ${public_schema}.llm_request enable row level security;
alter table pgoffload.execution enable row level security;
alter table pgoffload.llm_result enable row level security;

create policy own_requests on ${public_schema}.llm_request for select
  using (pg_catalog.pg_has_role(requested_by_oid, 'usage'));
create policy stamped_requests on ${public_schema}.llm_request for insert
  with check (true);
create policy own_executions on pgoffload.execution for select
  using (pg_catalog.pg_has_role(requested_by_oid, 'usage'));
create policy own_results on pgoffload.llm_result for select
  using (pg_catalog.pg_has_role(requested_by_oid, 'usage'));

grant usage on schema ${public_schema} to llm_user;
grant usage on schema pgoffload to llm_user, pgoffload_worker, pgoffload_results, pgoffload_producer;
grant usage on sequence pgoffload.request_id to llm_user;
-- what is stamped is not insertable: requested_by, created_at and the like come from their defaults
grant insert (kind, prompt, system, messages, model, options, timeout, ordering_key, tags)
  on ${public_schema}.llm_request to llm_user;
grant select on ${public_schema}.llm_request, pgoffload.execution, pgoffload.llm_result to llm_user;
grant select on pgoffload.worker, pgoffload.setting to llm_user;

grant select on pgoffload.installation to pgoffload_producer, pgoffload_worker, pgoffload_results;
grant select on pgoffload.setting to pgoffload_worker, pgoffload_results, pgoffload_producer;
