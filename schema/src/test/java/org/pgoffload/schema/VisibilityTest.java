package org.pgoffload.schema;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Who sees what, and who may do what.
final class VisibilityTest extends OnPostgresVersions {
  @Test
  void showsARequestToItsRoleItsMembersAndSuperusersOnly() {
    var id = database.inserted("app");
    try (var worker = database.worker("w")) {
      worker.claim(database.onlySent());
    }
    database.record(database.answered(id, "app", "a"));
    for (var role : new String[] {"app", "lead"}) {
      try (var session = database.open(role)) {
        assertThat(session.value("select llm_result(?)", id)).isEqualTo("a");
        assertThat(session.value("select llm_status(?)", id)).isEqualTo("succeeded");
      }
    }
    assertThat(database.admin().value("select llm_result(?)", id)).isEqualTo("a");
    try (var mallory = database.open("mallory")) {
      for (var call :
          new String[] {
            "llm_status(%d)",
            "llm_result(%d)",
            "llm_response(%d)",
            "llm_wait(array[%d])",
            "llm_embeddings(%d)",
            "llm_stream(%d)",
            "llm_cancel(%d)",
            "llm_retry(%d)"
          }) {
        var error = mallory.refused("select " + call.formatted(id));
        assertThat(error.state()).isEqualTo("42704");
        assertThat(error.message()).isEqualTo("llm request " + id + " does not exist");
      }
      for (var table :
          new String[] {"llm_request", "llm_queue", "pgoffload.llm_result", "pgoffload.claim"}) {
        assertThat(mallory.number("select count(*) from " + table)).isZero();
      }
    }
  }

  @Test
  void hidesWhatIsRunningAndQueuedFromOthersToo() {
    database.inserted("app");
    try (var app = database.open("app");
        var mallory = database.open("mallory")) {
      assertThat(app.number("select count(*) from llm_queue")).isPositive();
      assertThat(mallory.number("select count(*) from llm_queue")).isZero();
      // partitions are not a way round the policy
      assertThat(mallory.refused("select * from pgoffload.llm_request_0").state())
          .isEqualTo("42501");
      assertThat(mallory.refused("select * from pgoffload.llm_result_0").state())
          .isEqualTo("42501");
    }
  }

  @Test
  void doesNotLeakThroughAFunctionInAFilter() {
    database.inserted("app");
    try (var mallory = database.open("mallory")) {
      mallory.run(
          """
          create function pg_temp.spy(text) returns boolean language plpgsql cost 0.0000001 as $$
          begin
            raise exception 'seen %', $1;
          end
          $$
          """);
      assertThat(mallory.rows("select * from llm_request where pg_temp.spy(prompt)")).isEmpty();
    }
  }

  @Test
  void givesARoleOfADroppedOnesNameNothingOfIts() {
    database.admin().run("create role leaver login password 'leaver' in role llm_user");
    var id = database.inserted("leaver");
    database.record(database.answered(id, "leaver", "a"));
    database.admin().run("drop role leaver");
    database.admin().run("create role leaver login password 'leaver' in role llm_user");
    try (var namesake = database.open("leaver");
        var app = database.open("app")) {
      assertThat(namesake.refused("select llm_result(?)", id).state()).isEqualTo("42704");
      assertThat(namesake.number("select count(*) from llm_request")).isZero();
      var own = database.inserted("app");
      assertThat(app.value("select llm_status(?)", own)).isEqualTo("queued");
      assertThat(app.number("select count(*) from llm_request where id = ?", own)).isOne();
    } finally {
      database.admin().run("drop role leaver");
    }
    assertThat(database.admin().value("select llm_result(?)", id)).isEqualTo("a");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "insert into llm_request (prompt) values ('p')",
        "select * from llm_request",
        "select * from llm_queue",
        "select * from llm_worker",
        "select llm_ask('p')",
        "select llm_submit('p')",
        "select llm_status(1)",
        "select llm_result(1)",
        "select llm_response(1)",
        "select llm_wait('{1}')",
        "select llm_provider()",
        "select llm_ask_json('p', '{}')",
        "select llm_ask_many('{p}')",
        "select llm_embed('i')",
        "select llm_embed('{i}'::text[])",
        "select llm_embeddings(1)",
        "select llm_stream(1)",
        "select llm_cancel(1)",
        "select llm_retry(1)",
        "select * from llm_usage",
        "select * from pgoffload.llm_piece",
        "select * from pgoffload.llm_usage_minute",
        "select * from pgoffload.llm_price",
        "select pgoffload.emit_command('cancel', 1, null, null)",
        "select * from pgoffload.llm_result",
        "select * from pgoffload.signing_key",
        "select pgoffload.emit_llm_request('ask', 'p', null, null, null, null, null, null, null, null, null, null)"
      })
  void refusesARoleWithoutTheGrant(String statement) {
    try (var nobody = database.open("nobody")) {
      var error = nobody.refused(statement);
      assertThat(error.state()).isEqualTo("42501");
      assertThat(error.message()).startsWith("permission denied for");
    }
    assertThat(database.sent()).isEmpty();
  }

  @Test
  void grantsNothingToPublic() {
    assertThat(
            database
                .admin()
                .rows(
                    """
                    select 'function ' || p.oid::regprocedure from pg_proc p
                    cross join lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
                    where a.grantee = 0 and (p.pronamespace = 'pgoffload'::regnamespace or p.proname ~ '^(llm_|sql_|pg_background_|grant_pg_b|revoke_pg_b)')
                    union all
                    select 'relation ' || c.oid::regclass from pg_class c
                    cross join lateral aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a
                    where a.grantee = 0 and (c.relnamespace = 'pgoffload'::regnamespace or c.relnamespace = 'public'::regnamespace and c.relname ~ '^(llm_|sql_|pg_background_)')
                    union all
                    select 'column ' || a.attrelid::regclass || '.' || a.attname from pg_attribute a
                    join pg_class c on c.oid = a.attrelid
                    cross join lateral aclexplode(a.attacl) g
                    where g.grantee = 0 and (c.relnamespace = 'pgoffload'::regnamespace or c.relnamespace = 'public'::regnamespace and c.relname ~ '^(llm_|sql_|pg_background_)')
                    union all
                    select 'schema ' || n.nspname from pg_namespace n
                    cross join lateral aclexplode(n.nspacl) a
                    where a.grantee = 0 and n.nspname = 'pgoffload'
                    """))
        .isEmpty();
  }

  @Test
  void pinsTheSearchPathOfEverySecurityDefinerFunction() {
    assertThat(
            database
                .admin()
                .rows(
                    """
                    select p.oid::regprocedure, p.proconfig from pg_proc p
                    where p.prosecdef and (p.pronamespace = 'pgoffload'::regnamespace or p.proname ~ '^(llm_|sql_|pg_background_|grant_pg_b|revoke_pg_b)')
                      and not coalesce('search_path=pg_catalog, pg_temp' = any (p.proconfig), false)
                    """))
        .isEmpty();
    assertThat(
            database
                .admin()
                .number(
                    "select count(*) from pg_proc where prosecdef and pronamespace = 'pgoffload'::regnamespace"))
        .isGreaterThan(10);
  }

  @Test
  void commentsOnEveryObject() {
    assertThat(
            database
                .admin()
                .rows(
                    """
                    select 'function ' || p.oid::regprocedure from pg_proc p
                    where (p.pronamespace = 'pgoffload'::regnamespace or p.proname ~ '^(llm_|sql_|pg_background_|grant_pg_b|revoke_pg_b)')
                      and obj_description(p.oid, 'pg_proc') is null
                    union all
                    select 'relation ' || c.oid::regclass from pg_class c
                    where (c.relnamespace = 'pgoffload'::regnamespace or c.relnamespace = 'public'::regnamespace and c.relname ~ '^(llm_|sql_|pg_background_)')
                      and c.relkind in ('r', 'p', 'v') and not c.relispartition and c.relname <> 'schema_history'
                      and obj_description(c.oid, 'pg_class') is null
                    union all
                    select 'column llm_request.' || a.attname from pg_attribute a
                    where a.attrelid = 'llm_request'::regclass and a.attnum > 0 and not a.attisdropped
                      and col_description(a.attrelid, a.attnum) is null
                    """))
        .isEmpty();
  }

  @Test
  void commentsWithTheTextAboveTheObject() {
    assertThat(
            database
                .admin()
                .rows(
                    """
                    select obj_description('llm_status(bigint)'::regprocedure) union all
                    select obj_description('llm_queue'::regclass) union all
                    select obj_description('pgoffload.request_status(bigint)'::regprocedure) union all
                    select obj_description('pgoffload.claim_llm_requests(text, bigint, bigint[], oid[], text[], uuid[], boolean[])'::regprocedure)
                    """))
        .containsExactly(
            "The state of a request: queued, running, succeeded, failed, cancelled or expired.",
            "The requests that have not ended and that the reader may see.",
            "Private. The state of a request of either kind; raises for an unknown id.",
            """
            Private, for workers. Claims a batch of LLM requests in one statement. Each comes back as \
            pgoffload.claim_requests says, or as
              cancelled    the caller's, but not to be run: detail says who has cancelled it
              over_budget  the caller's, but not to be run: detail says which budget is used up, and until when
              superseded   the caller's, but not to be run: it is of a maintained column, and its row has been asked about anew
            An immediate request (with an envelope) is recorded with its claim: its caller inserted no row.\
            """);
  }

  @Test
  void namesEveryConstraint() {
    assertThat(
            database
                .admin()
                .rows(
                    """
                    select c.conname from pg_constraint c join pg_class r on r.oid = c.conrelid
                    where r.relnamespace = 'pgoffload'::regnamespace and not r.relispartition
                      and r.relname <> 'schema_history' and c.contype = 'c' and c.conname like '%\\_check'
                    """))
        .isEmpty();
  }
}
