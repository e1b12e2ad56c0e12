package org.pgoffload.schema;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.pgoffload.protocol.SqlRows;

/// A launch takes effect at once, from any transaction from which its answer can come back.
final class SqlLaunchTest extends WithSqlWorker {
  @Test
  void sendsEverythingThatTheWorkerActsOn() {
    ann.run("set work_mem = '17MB'");
    var pid = ann.number("select pg_background_launch('select 1')");
    var request = database.onlySent();
    assertThat(pid).isEqualTo(request.id());
    assertThat(request.transactional()).isFalse();
    assertThat(request.envelope().kind()).isEqualTo("sql");
    assertThat(request.envelope().immediate()).isTrue();
    assertThat(request.envelope().timeout()).isNull();
    assertThat(request.envelope().orderingKey()).isNull();
    var payload = request.envelope().payload();
    assertThat(payload.path("command").asText()).isEqualTo("select 1");
    assertThat(payload.path("queue_size").asInt()).isEqualTo(65536);
    assertThat(payload.path("max_workers").asInt()).isEqualTo(16);
    assertThat(payload.path("depth").asInt(-1)).isZero();
    assertThat(payload.path("submitted").asBoolean(true)).isFalse();
    assertThat(payload.path("login_oid").asLong()).isEqualTo(database.oid("ann"));
    assertThat(payload.path("settings").path("work_mem").asText()).isEqualTo("17MB");
    assertThat(payload.has("large_object")).isFalse();
    assertThat(payload.has("parent")).isFalse();
  }

  @Test
  void launchesEvenIfTheTransactionRollsBack() {
    ann.run("begin");
    ann.run("savepoint s");
    var first = ann.number("select pg_background_launch('select 1')");
    ann.run("rollback to s");
    var second = ann.number("select pg_background_launch('select 2')");
    ann.run("rollback");
    assertThat(database.sent()).extracting(SentRequest::id).containsExactly(first, second);
  }

  @Test
  void readsInTheSameSessionWhatARolledBackTransactionLaunched() {
    ann.run("begin");
    var pid = ann.number("select pg_background_launch('select 7 as a')");
    var handle =
        ann.rows("select * from pg_background_launch_v2('select 8')").getFirst().split("\\|", -1);
    ann.run("rollback");
    worker.runAll();
    assertThat(ann.rows("select * from pg_background_result(" + pid + ") as (a int)"))
        .containsExactly("7");
    assertThat(
            ann.rows(
                "select * from pg_background_result_v2(%s, %s) as (a int)"
                    .formatted(handle[0], handle[1])))
        .containsExactly("8");
  }

  @Test
  void launchesFromAReadOnlyTransaction() {
    ann.run("begin read only");
    var pid = ann.number("select pg_background_launch('select 1 as a')");
    var request = database.onlySent();
    assertThat(request.id() & 0x7FFFFFFF).isEqualTo(pid);
    worker.run(request);
    assertThat(ann.rows("select * from pg_background_result(" + pid + ") as (a int)"))
        .containsExactly("1");
    ann.run("commit");
  }

  @ParameterizedTest
  @ValueSource(strings = {"repeatable read", "serializable"})
  void answersACallerWithAnOldSnapshot(String isolation) {
    ann.run("begin isolation level " + isolation);
    ann.run("select count(*) from pg_class");
    var inline = ann.number("select pg_background_launch('select 1 as a, null::text as b')");
    var tags = ann.number("select pg_background_launch('create temp table t ()')");
    var failed = ann.number("select pg_background_launch('select 1/0')");
    worker.runAll();
    assertThat(ann.rows("select * from pg_background_result(" + inline + ") as (a int, b text)"))
        .containsExactly("1|null");
    assertThat(ann.rows("select * from pg_background_result(" + tags + ") as (t text)")).hasSize(1);
    assertThat(ann.rows("select * from pg_background_outcome_v2(%1$s, %1$s)".formatted(failed)))
        .hasSize(1);
    assertThat(ann.refused("select * from pg_background_result(" + failed + ") as (t int)").state())
        .isEqualTo("22012");
    ann.run("rollback");
    // in the next transaction they are rows like all others
    assertThat(ann.rows("select * from pg_background_result(" + inline + ") as (a int, b text)"))
        .containsExactly("1|null");
  }

  @Test
  void answersACallerWithAnOldSnapshotInChunksAndPieces() {
    ann.run("begin isolation level repeatable read");
    ann.run("select 1");
    var chunked = ann.number("select pg_background_launch('select 1 as a, 2 as b')");
    var split = ann.number("select pg_background_launch('select 1 as a, 2 as b')");
    for (var request : database.sent()) {
      var isSplit = request.id() == split;
      try (var task = worker.begin(request)) {
        var oid = database.oid("ann");
        task.complete(
            """
            {"status": "succeeded", "tags": ["SELECT 3"], "row_count": 3, "chunks": %d, "split": %s,
             "columns": [{"name": "a", "type_oid": 23, "typmod": -1, "type": "int4"},
                         {"name": "b", "type_oid": 25, "typmod": -1, "type": "text"}]}
            """
                .formatted(isSplit ? 4 : 2, isSplit));
        var id = request.id();
        if (isSplit) {
          worker.published(
              SqlRows.of(id, 1, 1, oid, List.of(List.of("1", "x"))),
              SqlRows.piece(id, 1, 2, oid, "[[\"2\",\"y", false),
              SqlRows.piece(id, 1, 3, oid, "\\nz\"]]", true),
              SqlRows.of(id, 1, 4, oid, List.of(List.of("3", ""))));
        } else {
          worker.published(
              SqlRows.of(id, 1, 1, oid, List.of(List.of("1", "x"), List.of("2", "y\nz"))),
              SqlRows.of(id, 1, 2, oid, List.of(List.of("3", ""))));
        }
      }
      worker.published(request.id());
    }
    for (var pid : new long[] {chunked, split}) {
      assertThat(ann.rows("select * from pg_background_result(" + pid + ") as (a int, b text)"))
          .containsExactly("1|x", "2|y\nz", "3|");
    }
    ann.run("commit");
  }

  @Test
  void answersAStatementOfAnOldSnapshotThatWaits() {
    ann.run("begin isolation level serializable");
    var rows =
        CompletableFuture.supplyAsync(() ->
            ann.rows(
                "select * from pg_background_result(pg_background_launch('select 5')) as (a int)"));
    worker.run(database.awaitSent());
    assertThat(rows.join()).containsExactly("5");
    ann.run("commit");
  }

  @Test
  void takesAnotherLargeObjectWhereTheFirstIsTaken() {
    ann.run("begin isolation level repeatable read");
    var id = ann.number("select pg_background_launch('select 1')");
    var request = database.onlySent();
    var loid = request.envelope().payload().path("large_object").asLong();
    try (var bea = database.open("bea")) {
      bea.run("select lo_from_bytea(" + loid + ", 'nothing')");
      bea.run(
          "select lo_from_bytea(%d, convert_to(%s, 'UTF8'))"
              .formatted(loid + 1, "E'{\"id\": " + id + ", \"requested_by_oid\": 10}\\n'"));
    }
    worker.run(request);
    assertThat(ann.rows("select * from pg_background_result(" + id + ") as (a int)"))
        .containsExactly("1");
    ann.run("commit");
    assertThat(database.admin().number("select loid from pgoffload.large_answer where id = ?", id))
        .isEqualTo(loid + 2);
  }

  @Test
  void isNotFooledByAnAnswerThatAnotherRoleHasWritten() {
    ann.run("begin isolation level repeatable read");
    var id = ann.number("select pg_background_launch('select 1')");
    var request = database.onlySent();
    var loid = request.envelope().payload().path("large_object").asLong();
    try (var bea = database.open("bea")) {
      bea.run(
          """
          select lo_from_bytea(%d, convert_to('{"id": %d, "status": "succeeded", "requested_by_oid": %d, "tags": ["forged"]}' || E'\\n', 'UTF8'))
          """
              .formatted(loid, id, database.oid("ann")));
    }
    assertThat(
            ann.value(
                "select completed from pg_background_result_info_v2(%1$d, %1$d)".formatted(id)))
        .isEqualTo("f");
    worker.run(request);
    assertThat(ann.rows("select * from pg_background_result(" + id + ") as (a int)"))
        .containsExactly("1");
    ann.run("commit");
  }

  @Test
  void keepsAnAnswerInALargeObjectFromOthersAndSweepsIt() {
    ann.run("begin isolation level repeatable read");
    var id = ann.number("select pg_background_launch('select 1')");
    worker.runAll();
    ann.run("commit");
    var loid = database.admin().number("select loid from pgoffload.large_answer where id = ?", id);
    try (var bea = database.open("bea");
        var chief = database.open("chief")) {
      for (var session : List.of(ann, bea, chief)) {
        assertThat(session.refused("select lo_get(" + loid + ")").state()).isEqualTo("42501");
      }
      assertThat(bea.value("select pgoffload.read_large_answer(" + id + ")")).isNull();
      assertThat(chief.value("select pgoffload.read_large_answer(" + id + ")"))
          .contains("succeeded");
      assertThat(chief.value("select pgoffload.read_large_answer(" + (id + 1) + ")")).isNull();
    }
    assertThat(worker.session().number("select pgoffload.sweep_large_answers()")).isZero();
    database
        .admin()
        .run("update pgoffload.large_answer set written_at = written_at - interval '2 hours'");
    assertThat(worker.session().number("select pgoffload.sweep_large_answers()")).isPositive();
    assertThat(
            database
                .admin()
                .number("select count(*) from pg_largeobject_metadata where oid = ?", loid))
        .isZero();
    assertThat(worker.session().number("select pgoffload.sweep_large_answers()")).isZero();
  }

  @Test
  void sweepsNoLargeObjectOfSomebodyElses() {
    var loid = ann.number("select lo_create(0)");
    database
        .admin()
        .run(
            "insert into pgoffload.large_answer values (4711, ?::text::oid, now() - interval '2 hours')",
            String.valueOf(loid));
    assertThat(worker.session().number("select pgoffload.sweep_large_answers()")).isZero();
    assertThat(ann.number("select lo_unlink(?::text::oid)", String.valueOf(loid))).isEqualTo(1);
  }

  @ParameterizedTest
  @ValueSource(strings = {"repeatable read", "serializable"})
  void refusesWhereNoAnswerCanComeBackBeforeAnythingIsSent(String isolation) {
    ann.run("begin isolation level " + isolation + " read only");
    var error = ann.refused("select pg_background_launch('select 1')");
    assertThat(error.state()).isEqualTo("0A000");
    assertThat(error.message())
        .isEqualTo(
            "cannot launch in a READ ONLY transaction that is "
                + isolation.toUpperCase(java.util.Locale.ROOT));
    ann.run("rollback");
    assertThat(database.sent()).isEmpty();
    ann.run("begin isolation level " + isolation + " read only");
    ann.run("select pg_background_submit_v2('select 1')");
    ann.run("rollback");
    assertThat(database.sent()).hasSize(1);
  }

  @ParameterizedTest
  @CsvSource({
    "63, queue size must be at least 64 bytes",
    "-1, queue size must be at least 64 bytes",
    "268435457, queue size must not exceed 268435456 bytes"
  })
  void checksTheQueueSize(int size, String message) {
    for (var call :
        List.of(
            "pg_background_launch('x', %d)",
            "pg_background_launch_v2('x', %d)", "pg_background_submit_v2('x', %d)")) {
      var error = ann.refused("select " + call.formatted(size));
      assertThat(error.state()).isEqualTo("22023");
      assertThat(error.message()).isEqualTo(message);
    }
    assertThat(database.sent()).isEmpty();
    ann.run("select pg_background_launch('x', 64)");
    ann.run("select pg_background_launch('x', 268435456)");
    assertThat(database.sent())
        .extracting(r -> r.envelope().payload().path("queue_size").asInt())
        .containsExactly(64, 268435456);
  }

  @Test
  void runsNothingForANull() {
    assertThat(ann.value("select pg_background_launch(null)")).isNull();
    assertThat(ann.value("select pg_background_launch('x', null)")).isNull();
    assertThat(ann.value("select pg_background_launch_v2(null)")).isNull();
    assertThat(ann.value("select pg_background_submit_v2(null)")).isNull();
    assertThat(ann.rows("select * from pg_background_result(null) as (a int)")).isEmpty();
    assertThat(ann.value("select pg_background_detach(null)")).isNull();
    assertThat(ann.refused("select pgoffload.emit_sql_request(null, 64, null, false)").state())
        .isEqualTo("22004");
    assertThat(database.sent()).isEmpty();
  }

  @Test
  void takesALargeCommandAndRefusesOneThatIsTooLarge() {
    ann.run("select pg_background_launch('select 1 /*' || repeat('é', 2500000) || '*/')");
    assertThat(database.onlySent().envelope().payload().path("command").asText())
        .hasSize(2_500_013);
    var error = ann.refused("select pg_background_launch(repeat('x', 17000000))");
    assertThat(error.state()).isEqualTo("54000");
    assertThat(error.message()).startsWith("the request is too large: 17000");
    assertThat(database.sent()).isEmpty();
  }

  @Test
  void takesAnEmptyCommandAndALabelOf64Bytes() {
    ann.run("select pg_background_launch_v2('', 0, repeat('é', 32))");
    var payload = database.onlySent().envelope().payload();
    assertThat(payload.path("command").asText("-")).isEmpty();
    assertThat(payload.path("label").asText()).isEqualTo("é".repeat(32));
    var error = ann.refused("select pg_background_launch_v2('', 0, repeat('é', 33))");
    assertThat(error.state()).isEqualTo("22001");
    assertThat(error.message()).isEqualTo("a label must be at most 64 bytes long, not 66");
  }

  @Test
  void followsTheSettings() {
    ann.run(
        "set pg_background.max_workers = 3; set pg_background.default_queue_size = '128kB'; set pg_background.worker_timeout = '1500'");
    ann.run("select pg_background_launch_v2('x')");
    ann.run(
        "set pg_background.default_queue_size = 512; set pg_background.worker_timeout = '2 min'");
    ann.run("select pg_background_launch('x', 0)");
    ann.run(
        "set pg_background.max_workers = ''; set pg_background.default_queue_size = ''; set pg_background.worker_timeout = '0ms'");
    ann.run("select pg_background_launch_v2('x')");
    assertThat(database.sent())
        .extracting(r ->
            r.envelope().payload().path("max_workers").asInt()
                + " "
                + r.envelope().payload().path("queue_size").asInt()
                + " "
                + r.envelope().timeout())
        .containsExactly("3 131072 PT1.5S", "3 512 PT2M", "16 65536 null");
  }

  @ParameterizedTest
  @CsvSource({
    "1.5, PT0.002S",
    "' 2e3 ', PT2S",
    "+.5, PT0.001S",
    "250., PT0.25S",
    "1.5s, PT1.5S",
    "00:00:07, PT7S",
    "0.0, ",
    "-0, "
  })
  void readsANumberWithoutAUnitAsMillisecondsRoundedUp(String value, Duration expected) {
    ann.run("set pg_background.worker_timeout = '" + value + "'");
    ann.run("select pg_background_launch('x')");
    assertThat(database.onlySent().envelope().timeout()).isEqualTo(expected);
  }

  @ParameterizedTest
  @ValueSource(strings = {"-1", "-1.5", "-1 s", "1e400", "1e12", "soon", "NaN", "1000001 h"})
  void namesTheSettingWhoseValueIsNoTimeout(String value) {
    ann.run("set pg_background.worker_timeout = '" + value + "'");
    var error = ann.refused("select pg_background_launch('x')");
    assertThat(error.state()).isEqualTo("22023");
    assertThat(error.message())
        .isEqualTo(
            "the setting pg_background.worker_timeout is not a time from 0 to 1000 days: \""
                + value
                + "\"");
    assertThat(database.sent()).isEmpty();
  }

  @ParameterizedTest
  @CsvSource({
    "pg_background.max_workers, 0",
    "pg_background.max_workers, many",
    "pg_background.max_workers, 99999999999",
    "pg_background.default_queue_size, 63",
    "pg_background.default_queue_size, -64",
    "pg_background.default_queue_size, 1 parsec",
    "pg_background.default_queue_size, 1GB",
    "pg_background.worker_timeout, soon",
    "pg_background.worker_timeout, -1",
    "pg_background.worker_timeout, 1000000 years"
  })
  void refusesABadSetting(String name, String value) {
    ann.run("select set_config('" + name + "', '" + value + "', false)");
    assertThat(ann.refused("select pg_background_launch_v2('x')").state()).isEqualTo("22023");
    assertThat(database.sent()).isEmpty();
  }

  @Test
  void launchesWhateverTheSessionsStringsMean() {
    ann.run(
        "set standard_conforming_strings = off; set escape_string_warning = off; set backslash_quote = off;"
            + " set quote_all_identifiers = on; set bytea_output = escape; set array_nulls = off; set transform_null_equals = on;"
            + " set pgoffload.forward_settings = 'a.b , c.d'; set a.b = 1; set c.d = 2; set pg_background.worker_timeout = ' 50000 ';"
            + " set plpgsql.extra_errors = 'all'");
    var pid = ann.number("select pg_background_launch('select 1 as a')");
    var request = database.onlySent();
    assertThat(request.envelope().payload().path("settings").path("c.d").asText()).isEqualTo("2");
    assertThat(request.envelope().timeout()).isEqualTo(Duration.ofSeconds(50));
    worker.run(request);
    assertThat(ann.rows("select * from pg_background_result(" + pid + ") as (a int)"))
        .containsExactly("1");
    assertThat(ann.refused("select * from pg_background_result(" + pid + ") as (a int)").state())
        .isEqualTo("42704");
  }

  @Test
  void launchesManyInOneStatementAndReadsThemInAnyOrder() {
    var pids =
        ann.rows("select pg_background_launch('select ' || i) from generate_series(1, 200) i");
    assertThat(database.sent()).hasSize(200).extracting(SentRequest::id).doesNotHaveDuplicates();
    assertThat(pids).hasSize(200).doesNotHaveDuplicates();
  }

  @Test
  void launchesAndWaitsInsideOneBlock() {
    var done =
        CompletableFuture.supplyAsync(() -> {
          ann.run(
              """
              do $$
              declare
                answer integer;
              begin
                select a into answer from pg_background_result(pg_background_launch('select 40 + 2')) as (a int);
                perform set_config('test.answer', answer::text, false);
              end
              $$
              """);
          return ann.value("select current_setting('test.answer')");
        });
    worker.run(database.awaitSent());
    assertThat(done.join()).isEqualTo("42");
  }
}
