package org.pgoffload.schema;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Background SQL with the transaction: insert, and look later.
final class SqlRequestTest extends WithSqlWorker {
  private long inserted(String command) {
    return ann.number("insert into sql_request (command) values (?) returning id", command);
  }

  @Test
  void sendsTheRequestWithItsTransaction() {
    ann.run("begin");
    var id =
        ann.number(
            "insert into sql_request (command, label, timeout, ordering_key, tags) values ('select 1', 'l', '90 s', 'k', '{\"a\": 1}') returning id");
    assertThat(database.sent()).isEmpty();
    ann.run("commit");
    var request = database.onlySent();
    assertThat(request.transactional()).isTrue();
    assertThat(request.id()).isEqualTo(id);
    assertThat(request.envelope().immediate()).isFalse();
    assertThat(request.envelope().orderingKey()).isEqualTo("k");
    assertThat(request.envelope().timeout()).hasSeconds(90);
    var payload = request.envelope().payload();
    assertThat(payload.path("tags").path("a").asInt()).isOne();
    assertThat(payload.path("label").asText()).isEqualTo("l");
    assertThat(payload.path("submitted").asBoolean(true)).isFalse();
    assertThat(payload.has("max_workers")).isFalse();
    worker.run(request);
    assertThat(ann.rows("select * from sql_rows(?) as (a int)", id)).containsExactly("1");
    assertThat(ann.rows("select * from sql_rows(?) as (a int)", id)).containsExactly("1");
    assertThat(ann.rows("select sql_rows_json(?)", id)).containsExactly("{\"?column?\": 1}");
    // it is not a launch of this session's
    assertThat(ann.rows("select * from pg_background_list where cookie = ?", id)).isEmpty();
  }

  @Test
  void sendsNothingOfWhatIsRolledBack() {
    ann.run("begin");
    inserted("a");
    ann.run("savepoint s");
    inserted("b");
    ann.run("rollback to s");
    var kept = inserted("c");
    ann.run("commit");
    assertThat(database.sent()).extracting(SentRequest::id).containsExactly(kept - 2, kept);
    ann.run("begin");
    var gone = inserted("d");
    assertThat(ann.value("select sql_status(?)", gone)).isEqualTo("queued");
    ann.run("rollback");
    assertThat(database.sent()).isEmpty();
    assertThat(ann.refused("select sql_status(?)", gone).state()).isEqualTo("42704");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "command | null | 23502 | null value in column",
        "command, label | 'x', repeat('x', 65) | 22001 | a label must be at most 64 bytes long, not 65",
        "command, timeout | 'x', '0' | 22023 | timeout must be more than 0 and at most 1000 days",
        "command, timeout | 'x', '-1 s' | 22023 | timeout must be more than 0 and at most 1000 days",
        "command, timeout | 'x', '1000000 years' | 22023 | timeout must be more than 0 and at most 1000 days",
        "command, ordering_key | 'x', '' | 22023 | ordering_key must be 1 to 1024 bytes long",
        "command, ordering_key | 'x', repeat('k', 1025) | 22023 | ordering_key must be 1 to 1024 bytes long",
        "command, tags | 'x', '[]' | 22023 | tags must be a JSON object, not a JSON array",
        "command, tags | 'x', concat(repeat('{\"a\":', 70), '1', repeat('}', 70))::jsonb | 22023 | tags must not be nested deeper than 64 levels",
        "command | repeat('x', 17000000) | 54000 | the request is too large"
      })
  void refusesABadRequest(String columns, String values, String state, String message) {
    var error = ann.refused("insert into sql_request (" + columns + ") values (" + values + ")");
    assertThat(error.state()).isEqualTo(state);
    assertThat(error.message()).startsWith(message);
    assertThat(database.sent()).isEmpty();
  }

  @Test
  void doesNotSendAgainWhatIsRestoredFromADump() {
    var id = inserted("select 1");
    database.sent();
    database.admin().run("create temp table dump as select * from sql_request where id = " + id);
    database.admin().run("delete from sql_request where id = " + id);
    database.admin().run("insert into sql_request select * from dump; drop table dump");
    assertThat(database.sent()).isEmpty();
    assertThat(ann.value("select sql_status(?)", id)).isEqualTo("queued");
  }

  @Test
  void showsItsLife() {
    var id = inserted("select 1 as a");
    var request = database.onlySent();
    assertThat(ann.value("select sql_status(?)", id)).isEqualTo("queued");
    assertThat(ann.rows("select status, tag, finished_at from sql_result(?)", id))
        .containsExactly("queued|null|null");
    var early = ann.refused("select * from sql_rows(" + id + ") as (a int)");
    assertThat(early.state()).isEqualTo("55000");
    assertThat(early.message()).isEqualTo("sql request " + id + " is still queued");
    assertThat(early.hint()).contains("llm_wait");
    try (var task = worker.begin(request)) {
      assertThat(
              ann.rows("select status, worker, attempts, command from sql_queue where id = ?", id))
          .containsExactly("running|w|1|select 1 as a");
      task.complete(task.execute("select 1 as a"));
    }
    assertThat(ann.value("select sql_status(?)", id)).isEqualTo("succeeded");
    assertThat(
            ann.rows(
                "select status, tag, row_count, error, sqlstate, detail, hint, position, attempts, queued >= '0', ran >= '0', finished_at <= now() from sql_result(?)",
                id))
        .containsExactly("succeeded|SELECT 1|1|null|null|null|null|null|1|t|t|t");
    assertThat(ann.rows("select * from sql_queue where id = ?", id)).isEmpty();
    var failed = inserted("select nothing");
    worker.run(database.onlySent());
    assertThat(ann.rows("select status, sqlstate, error, position from sql_result(?)", failed))
        .containsExactly("failed|42703|column \"nothing\" does not exist|8");
    assertThat(ann.refused("select * from sql_rows(" + failed + ") as (a int)").state())
        .isEqualTo("42703");
    assertThat(ann.refused("select sql_rows_json(" + failed + ")").state()).isEqualTo("42703");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"sql_status(%s)", "sql_result(%s)", "sql_rows_json(%s)", "sql_cancel(%s)"})
  void saysThatAnIdIsUnknown(String call) {
    var id = inserted("select 1");
    database.sent();
    try (var bea = database.open("bea")) {
      for (var unknown : new String[] {String.valueOf(id), "4711"}) {
        var error = bea.refused("select " + call.formatted(unknown));
        assertThat(error.state()).isEqualTo("42704");
        assertThat(error.message()).isEqualTo("sql request " + unknown + " does not exist");
        assertThat(error.detail()).contains("role bea");
      }
    }
    assertThat(database.sent()).isEmpty();
  }

  @Test
  void cancelsAtOnceWhatHasNotEnded() {
    var id = inserted("select 1");
    var request = database.onlySent();
    ann.run("begin");
    assertThat(ann.value("select sql_cancel(?)", id)).isEqualTo("t");
    ann.run("rollback");
    assertThat(database.onlySent().envelope().kind()).isEqualTo("cancel");
    assertThat(worker.recordCancellation(id, "ann")).isTrue();
    worker.run(request);
    assertThat(ann.value("select sql_status(?)", id)).isEqualTo("cancelled");
    assertThat(ann.value("select sql_cancel(?)", id)).isEqualTo("f");
    assertThat(database.sent()).isEmpty();
  }

  @Test
  void waitsForBothKinds() {
    database.admin().run("grant llm_user to ann");
    try {
      var sql = inserted("select 1");
      var llm = ann.number("insert into llm_request (prompt) values ('p') returning id");
      var launched = ann.number("select pg_background_launch('select 1')");
      var sent = database.sent();
      worker.run(sent.get(0));
      worker.run(sent.get(2));
      var waited =
          CompletableFuture.supplyAsync(() ->
              ann.rows("select * from llm_wait(?)", (Object) new Long[] {sql, llm, launched}));
      database.record(database.answered(llm, "ann", "a"));
      assertThat(waited.join())
          .containsExactly(sql + "|succeeded", llm + "|succeeded", launched + "|succeeded");
      assertThat(ann.refused("select llm_wait(array[4711])").state()).isEqualTo("42704");
    } finally {
      database.admin().run("revoke llm_user from ann");
    }
    // each right is enough for its own kind
    var sql = inserted("select 1");
    worker.runAll();
    assertThat(ann.rows("select * from llm_wait(array[" + sql + "], mode => 'any')"))
        .containsExactly(sql + "|succeeded");
  }

  @Test
  void refusesToWaitForARequestOfItsOwnTransaction() {
    ann.run("begin");
    var id = inserted("select 1");
    var error = ann.refused("select llm_wait(array[" + id + "])");
    assertThat(error.state()).isEqualTo("55000");
    assertThat(error.message())
        .isEqualTo("cannot wait for request " + id + ", which this transaction has inserted");
    ann.run("rollback; begin");
    var other = inserted("select 1");
    var wait = ann.refused("select pg_background_wait_v2(%1$d, %1$d)".formatted(other));
    assertThat(wait.state()).isEqualTo("55000");
    ann.run("rollback");
  }

  @Test
  void grantsAndRevokesTheRight() throws java.sql.SQLException {
    var admin = database.admin();
    admin.run("create role \"Odd one\" login; create role strong superuser");
    try {
      assertThat(told("select grant_pg_background_privileges('Odd one', true)"))
          .containsExactly("t", "INFO GRANT pgbackground_role TO \"Odd one\"");
      assertThat(admin.value("select pg_has_role('Odd one', 'pgbackground_role', 'usage')"))
          .isEqualTo("t");
      assertThat(told("select revoke_pg_background_privileges('Odd one', true)"))
          .containsExactly("t", "INFO REVOKE pgbackground_role FROM \"Odd one\"");
      assertThat(admin.value("select pg_has_role('Odd one', 'pgbackground_role', 'usage')"))
          .isEqualTo("f");
      assertThat(told("select grant_pg_background_privileges('Odd one')")).containsExactly("t");
      assertThat(told("select grant_pg_background_privileges('none here', true)"))
          .containsExactly(
              "f",
              "NOTICE Error granting pg_background privileges to none here: role \"none here\" does not exist");
      assertThat(told("select revoke_pg_background_privileges('none here')"))
          .containsExactly(
              "f",
              "NOTICE Error revoking pg_background privileges from none here: role \"none here\" does not exist");
      assertThat(told("select grant_pg_background_privileges('strong')").getFirst()).isEqualTo("f");
      assertThat(admin.value("select grant_pg_background_privileges(null)")).isNull();
      for (var role : List.of("ann", "worker_login", "nobody")) {
        try (var session = database.open(role)) {
          assertThat(session.refused("select grant_pg_background_privileges('ann')").state())
              .isEqualTo("42501");
          assertThat(session.refused("select revoke_pg_background_privileges('ann')").state())
              .isEqualTo("42501");
        }
      }
    } finally {
      admin.run("drop role \"Odd one\"; drop role strong");
    }
  }

  @Test
  void saysWhoseGrantStays() throws java.sql.SQLException {
    if (!database.isAtLeast(16)) {
      return;
    }
    var admin = database.admin();
    admin.run(
        "create role granter; create role granted login; grant pgbackground_role to granter with admin option");
    try {
      admin.run("set role granter; grant pgbackground_role to granted; reset role");
      assertThat(told("select revoke_pg_background_privileges('granted')").toString())
          .startsWith("[f")
          .contains("it is still a member of pgbackground_role, granted by granter");
      admin.run("revoke pgbackground_role from granted granted by granter");
      assertThat(told("select revoke_pg_background_privileges('granted')").getFirst())
          .isEqualTo("t");
    } finally {
      admin.run("drop role granted; drop owned by granter; drop role granter");
    }
  }

  /// The value, and what was said with it.
  private List<String> told(String sql) throws java.sql.SQLException {
    var told = new java.util.ArrayList<String>();
    try (var statement = database.admin().connection().createStatement();
        var row = statement.executeQuery(sql)) {
      row.next();
      told.add(String.valueOf(row.getString(1)));
      for (var w = statement.getWarnings(); w != null; w = w.getNextWarning()) {
        var message = ((org.postgresql.util.PSQLWarning) w).getServerErrorMessage();
        told.add(message.getSeverity() + " " + message.getMessage());
      }
    }
    return told;
  }
}
