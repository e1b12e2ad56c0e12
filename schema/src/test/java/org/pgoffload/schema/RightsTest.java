package org.pgoffload.schema;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Each role may do what its part needs and nothing else. What that is, for every object, stands in
/// `rights.txt`: a new object, or a new right, is added there on purpose.
final class RightsTest extends OnPostgresVersions {
  /// Every function, table, view and sequence with the roles that may use it. What `nobody` may,
  /// everybody may. Partitions are like one another and are left out.
  private static final String RIGHTS =
      """
      with asking(role) as (
        values ('llm_user'), ('pgbackground_role'), ('pgoffload_producer'), ('pgoffload_worker'), ('pgoffload_results'), ('pgoffload_operator'), ('nobody')
      ), ours as (
        select n.oid, n.nspname from pg_namespace n where n.nspname in ('pgoffload', 'public')
      ), per_role as (
        select p.oid::regprocedure::text as object, r.role,
               case when p.prokind = 'a' then 'aggregate' when p.prosecdef then 'function, as the owner' else 'function' end as kind,
               case when has_function_privilege(r.role, p.oid, 'execute') then 'execute' end as rights
        from pg_proc p join ours n on n.oid = p.pronamespace, asking r
        union all
        select c.oid::regclass::text, r.role,
               case c.relkind when 'v' then 'view' when 'S' then 'sequence' else 'table' end,
               case when c.relkind = 'S' then
                 (select string_agg(w, ' ' order by o) from unnest(array['usage', 'select', 'update']) with ordinality x(w, o)
                  where has_sequence_privilege(r.role, c.oid, w))
               else
                 (select string_agg(t, ' ' order by o)
                  from (select o, case when has_table_privilege(r.role, c.oid, w) then w
                                       else w || ' (' || (select string_agg(a.attname, ', ' order by a.attnum) from pg_attribute a
                                         where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
                                           and w in ('select', 'insert', 'update', 'references')
                                           and has_column_privilege(r.role, c.oid, a.attnum, w)) || ')' end as t
                        from unnest(array['select', 'insert', 'update', 'delete', 'truncate', 'references', 'trigger']) with ordinality x(w, o)) e)
               end
        from pg_class c join ours n on n.oid = c.relnamespace, asking r
        where c.relkind in ('r', 'p', 'v', 'm', 'S', 'f') and not c.relispartition
        union all
        select n.nspname, r.role, 'schema',
               (select string_agg(w, ' ' order by o) from unnest(array['usage', 'create']) with ordinality x(w, o)
                where has_schema_privilege(r.role, n.oid, w))
        from ours n, asking r where n.nspname = 'pgoffload'
      )
      select object || ' [' || kind || ']: ' || coalesce(string_agg(role || ' ' || rights, '; ' order by role) filter (where rights is not null), 'owner')
      from per_role
      group by object, kind
      order by object collate "C"
      """;

  @Test
  void givesEachRoleWhatIsListedAndNothingElse() throws IOException {
    database.admin().run("set search_path = pg_catalog");
    List<String> rights;
    try {
      rights = database.admin().rows(RIGHTS);
    } finally {
      database.admin().run("reset search_path");
    }
    Files.write(Path.of("target", "rights.txt"), rights);
    assertThat(rights).containsExactlyElementsOf(listed());
  }

  private static List<String> listed() throws IOException {
    try (var file = Objects.requireNonNull(RightsTest.class.getResourceAsStream("rights.txt"))) {
      return new String(file.readAllBytes(), StandardCharsets.UTF_8)
          .lines()
          .filter(line -> !line.isBlank() && !line.startsWith("#"))
          .toList();
    }
  }

  /// A login for each part's role, and what its credentials are good for when they are stolen.
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          # the producer neither claims nor answers, reads no key and no request
          pgoffload_producer | select * from pgoffload.signing_keys()
          pgoffload_producer | select key from pgoffload.signing_key
          pgoffload_producer | select inner_pad from pgoffload.signer
          pgoffload_producer | select pgoffload.register_worker('w', 'p', 'm', 'v')
          pgoffload_producer | select pgoffload.claim_llm('w', 1, '{1}', '{1}', '{null}')
          pgoffload_producer | select written from pgoffload.write_back('{}', '{}', '{}', '{}', '{}', true)
          pgoffload_producer | select prompt from llm_request
          pgoffload_producer | select command from sql_request
          pgoffload_producer | select answer from pgoffload.llm_result
          pgoffload_producer | insert into llm_request (prompt) values ('p')
          pgoffload_producer | select pgoffload.send_llm_again(1)
          pgoffload_producer | select pgoffload.end_revoked(1, false)
          # the worker changes no key and no setting, and asks nothing itself
          pgoffload_worker | select key from pgoffload.signing_key
          pgoffload_worker | update pgoffload.signing_key set retired_at = null
          pgoffload_worker | delete from pgoffload.signing_key
          pgoffload_worker | select pgoffload.new_signing_key()
          pgoffload_worker | select pgoffload.refresh_signer()
          pgoffload_worker | select pgoffload.adopt()
          pgoffload_worker | update pgoffload.setting set value = '1 year' where name = 'retention'
          pgoffload_worker | select written from pgoffload.write_back('{}', '{}', '{}', '{}', '{}', true)
          pgoffload_worker | select pgoffload.keep_unclaimed_results('t', '{0}', '{9}', '{"{}"}', '{f}')
          pgoffload_worker | insert into pgoffload.llm_result (id) values (1)
          pgoffload_worker | select pgoffload.next_sweep()
          pgoffload_worker | select pgoffload.end_sweep(1, 1, true)
          pgoffload_worker | select prompt from llm_request
          pgoffload_worker | select command from sql_request
          pgoffload_worker | insert into sql_request (command) values ('select 1')
          pgoffload_worker | select pg_background_launch('select 1')
          pgoffload_worker | select grant_pg_background_privileges('nobody')
          pgoffload_worker | select token from pgoffload.claim
          # the results application writes results and reads nothing
          pgoffload_results | select * from pgoffload.signing_keys()
          pgoffload_results | select inner_pad from pgoffload.signer
          pgoffload_results | select pgoffload.register_worker('w', 'p', 'm', 'v')
          pgoffload_results | select pgoffload.claim_sql('w', 1, '{1}', '{null}')
          pgoffload_results | select pgoffload.end_sql(1, 1, '{}')
          pgoffload_results | select pgoffload.next_sweep()
          pgoffload_results | select answer from pgoffload.llm_result
          pgoffload_results | select prompt from llm_request
          pgoffload_results | select result from pgoffload.unclaimed_result
          pgoffload_results | select value from pgoffload.setting
          pgoffload_results | delete from pgoffload.llm_result
          pgoffload_results | insert into llm_request (prompt) values ('p')
          # who may ask is no part of it
          llm_user | select * from pgoffload.signing_keys()
          llm_user | select pgoffload.claim_llm('w', 1, '{1}', '{1}', '{null}')
          llm_user | select written from pgoffload.write_back('{}', '{}', '{}', '{}', '{}', true)
          llm_user | select pgoffload.record_positions('{t}', '{0}', '{9}')
          llm_user | select pgoffload.keep_unclaimed_results('t', '{0}', '{9}', '{"{}"}', '{f}')
          llm_user | select setval('pgoffload.request_id', 1)
          llm_user | select pgoffload.send_envelope(1, 'ask', null, null, true, null, true, 'a', 1, '', null)
          llm_user | select pg_background_launch('select 1')
          pgbackground_role | select * from pgoffload.signing_keys()
          pgbackground_role | select pgoffload.claim_sql('w', 1, '{1}', '{null}')
          pgbackground_role | select pgoffload.record_sql_requests('{}')
          pgbackground_role | select llm_ask('p')
          pgbackground_role | insert into llm_request (prompt) values ('p')
          pgbackground_role | insert into pgoffload.sql_result (id) values (1)
          # who may ask pauses nothing, and nobody says who has acted
          llm_user | select pgoffload_pause_model('m')
          llm_user | select pgoffload_resume_model('m')
          llm_user | select pgoffload_pause_role('nobody')
          llm_user | delete from pgoffload.pause
          llm_user | insert into pgoffload.pause (model) values ('m')
          llm_user | insert into pgoffload.action (what, role_name) values ('pause_model', 'postgres')
          llm_user | delete from pgoffload.action
          pgbackground_role | select pgoffload_pause_role('nobody')
          pgoffload_worker | select pgoffload_resume_model('m')
          # an operator says who has paused no more than others do, and sees no prompt
          pgoffload_operator | insert into pgoffload.pause (model, paused_by) values ('m', 'postgres')
          pgoffload_operator | update pgoffload.pause set reason = 'r'
          pgoffload_operator | insert into pgoffload.action (what, at) values ('pause_model', '2000-01-01')
          pgoffload_operator | update pgoffload.action set what = 'w'
          pgoffload_operator | delete from pgoffload.action
          pgoffload_operator | select prompt from llm_request
          pgoffload_operator | select command from sql_request
          pgoffload_operator | select llm_ask('p')
          """)
  void refusesTheWorkOfOthers(String role, String statement) {
    var admin = database.admin();
    admin.run("set role " + role);
    try {
      assertThat(admin.refused(statement).state()).isEqualTo("42501");
    } finally {
      admin.run("reset role");
    }
  }

  @Test
  void givesThePartsNoAttributeButTheProducersReplication() {
    assertThat(
            database
                .admin()
                .rows(
                    """
                    select r.rolname, r.rolsuper, r.rolcreaterole, r.rolcreatedb, r.rolreplication, r.rolbypassrls, r.rolcanlogin,
                      (select count(*) from pg_auth_members m where m.member = r.oid)
                    from pg_roles r where r.rolname ~ '^(pgoffload_|llm_user|pgbackground_role)' order by 1
                    """))
        .containsExactly(
            "llm_user|f|f|f|f|f|f|0",
            "pgbackground_role|f|f|f|f|f|f|0",
            "pgoffload_operator|f|f|f|f|f|f|0",
            "pgoffload_producer|f|f|f|t|f|f|0",
            "pgoffload_results|f|f|f|f|f|f|0",
            "pgoffload_worker|f|f|f|f|f|f|0");
  }

  /// A column of one of our row types, in somebody else's table, would keep us from altering or
  /// dropping ours.
  @Test
  void letsNobodyMakeATableThatStandsInOurWay() {
    var admin = database.admin();
    admin.run("select pgoffload.make_partitions(pgoffload.current_id_range() + 2)");
    assertThat(
            admin.rows(
                """
                select t.oid::regtype, r
                from pg_type t join pg_class c on c.oid = t.typrelid,
                  unnest(array['llm_user', 'pgbackground_role', 'pgoffload_producer', 'pgoffload_worker', 'pgoffload_results', 'pgoffload_operator', 'nobody']) r
                where t.typtype = 'c' and (t.typnamespace = 'pgoffload'::regnamespace or c.relname in ('llm_request', 'sql_request'))
                  and has_type_privilege(r, t.oid, 'usage')
                """))
        .isEmpty();
    try (var mallory = database.open("mallory")) {
      for (var type : new String[] {"llm_request", "llm_request[]", "pgoffload.sql_result"}) {
        assertThat(mallory.refused("create table holds (ours " + type + ")").state())
            .isEqualTo("42501");
      }
      // these are users' own
      mallory.run("create temp table holds (ours pg_background_handle)");
      // to run something that uses them, nobody needs them
      mallory.run(
          "do $$ declare q llm_request; begin select * into q from llm_request limit 1; end $$");
    }
    try (var nobody = database.open("nobody")) {
      assertThat(nobody.refused("create temp table holds (ours pg_background_handle)").state())
          .isEqualTo("42501");
    }
  }

  /// Whoever may alter what a function calls acts as its owner.
  @Test
  void leavesNothingToCreateWhereItsFunctionsLook() {
    assertThat(
            database
                .admin()
                .rows(
                    """
                    select r from unnest(array['llm_user', 'pgbackground_role', 'pgoffload_producer', 'pgoffload_worker', 'pgoffload_results', 'pgoffload_operator', 'nobody']) r
                    where has_schema_privilege(r, 'pgoffload', 'create')
                    """))
        .isEmpty();
    // partitions are read through their parents alone
    assertThat(
            database
                .admin()
                .rows(
                    """
                    select c.relname, r
                    from pg_class c, unnest(array['llm_user', 'pgbackground_role', 'pgoffload_producer', 'pgoffload_worker', 'pgoffload_results', 'pgoffload_operator', 'nobody']) r
                    where c.relispartition and c.relkind = 'r' and has_any_column_privilege(r, c.oid, 'select, insert, update, references')
                    """))
        .isEmpty();
  }
}
