-- Which installation a request was asked in. The default is a constant, which costs an INSERT nothing; a row that
-- comes by logical replication or from another installation's dump brings its own. pgoffload.adopt changes it.
do $$
declare
  requests regclass;
begin
  foreach requests in array array['${public_schema}.llm_request', '${public_schema}.sql_request']::regclass[] loop
    execute pg_catalog.format('alter table %s add column installation uuid default %L',
      requests, (select i.id from pgoffload.installation i));
  end loop;
end
$$;
comment on column ${public_schema}.llm_request.installation is
  'The installation that the row was inserted in; null in a row that was restored. Another one''s is not executed here.';
comment on column ${public_schema}.sql_request.installation is
  'The installation that the row was inserted in; null in a row that was restored. Another one''s is not executed here.';

-- A cancellation is of a request that its author may see: anybody else's rows would only fill the table.
alter policy own_cancellations on pgoffload.cancellation
  with check (by_oid = pg_catalog.quote_ident(current_user)::pg_catalog.regrole::pg_catalog.oid
              and exists (select from ${public_schema}.llm_request q where q.id = cancellation.id));

alter table pgoffload.id_range add column kept_for bigint;
comment on column pgoffload.id_range.kept_for is
  'A request without a result that kept the range from being removed when maintain looked last.';
