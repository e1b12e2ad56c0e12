package org.pgoffload.schema;

import static org.assertj.core.api.Assertions.assertThat;

import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;

/// What the asking role sees of its requests until they have ended.
final class RequestLifeTest extends OnPostgresVersions {
  private Session app;

  @BeforeEach
  void logIn() {
    app = closedAfterTheTest(database.open("app"));
  }

  @Test
  void isQueuedRunningQueuedAgainAfterItsWorkersDeathAndSucceeded() {
    var id = database.inserted("app");
    var request = database.onlySent();
    assertThat(status(id)).isEqualTo("queued");
    assertThat(app.value("select llm_result(?)", id)).isNull();
    try (var first = database.worker("first");
        var second = database.worker("second")) {
      assertThat(first.claim(request)).containsExactly("claimed|1");
      assertThat(status(id)).isEqualTo("running");
      assertThat(app.value("select llm_result(?)", id)).isNull();
      first.releaseLease();
      assertThat(status(id)).isEqualTo("queued");
      assertThat(second.claim(request)).containsExactly("claimed|2");
      assertThat(status(id)).isEqualTo("running");
      database.letLeasesExpire("second");
      assertThat(status(id)).isEqualTo("queued");
      database.record(database.answered(id, "app", "a"));
      assertThat(status(id)).isEqualTo("succeeded");
      assertThat(app.value("select llm_result(?)", id)).isEqualTo("a");
    }
  }

  @ParameterizedTest
  @CsvSource({"failed, LM001", "expired, LM002", "cancelled, 57014"})
  void raisesAnEndWithoutAnAnswerByItsCode(String status, String state) {
    var id = database.inserted("app");
    database.record(database.ended(id, "app", status, "a_code", "what to do"));
    assertThat(status(id)).isEqualTo(status);
    assertThat(app.refused("select llm_result(?)", id))
        .isEqualTo(
            new SqlError(
                state,
                "llm request %d %s: a_code: what to do".formatted(id, status),
                "provider echo, model echo-1, provider's request req_1, attempt 1",
                "llm_response(" + id + ") shows everything that is known."));
  }

  @Test
  void showsEverythingThatIsKnown() {
    var id = database.inserted("app");
    assertThat(app.rows("select * from llm_response(?)", id))
        .containsExactly("queued" + "|null".repeat(21));
    app.run("set timezone = 'UTC'");
    database.record(database.answered(id, "app", "a"));
    assertThat(app.rows("select * from llm_response(?)", id))
        .containsExactly(
            "succeeded|a|null|null|stop|echo|echo-1|req_1|12|3|5|1|1|00:00:00.25|00:00:01.5005|"
                + "2026-01-02 03:04:05.6+00|f|null|null|null|null|null");
    var failed = database.inserted("app");
    database.record(database.ended(failed, "app", "failed", "a_code", "what to do"));
    assertThat(
            app.rows(
                "select status, answer, error_code, error_message from llm_response(?)", failed))
        .containsExactly("failed|null|a_code|what to do");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "llm_status(%s)",
        "llm_result(%s)",
        "llm_response(%s)",
        "llm_wait(array[%s]::bigint[])"
      })
  void saysThatAnIdIsUnknown(String call) {
    var error = app.refused("select " + call.formatted("4711"));
    assertThat(error.state()).isEqualTo("42704");
    assertThat(error.message()).isEqualTo("llm request 4711 does not exist");
    assertThat(error.detail()).contains("role app");
    assertThat(error.hint()).contains("RETURNING id");
    if (!call.startsWith("llm_wait")) {
      assertThat(app.refused("select " + call.formatted("null")).message())
          .isEqualTo("llm request null does not exist");
    }
  }

  @Test
  void waitsForAll() {
    var first = database.inserted("app");
    var second = database.inserted("app");
    database.record(database.answered(first, "app", "a"));
    var waited = waiting("select * from llm_wait(?)", new Long[] {first, second, first});
    assertThat(waited).isNotDone();
    database.record(database.ended(second, "app", "failed", "c", "m"));
    assertThat(waited.join())
        .containsExactly(first + "|succeeded", second + "|failed", first + "|succeeded");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "-1",
        "7",
        "7/",
        "999999/%s",
        "7/9999999999999",
        "7/99999999999999999999",
        "long"
      })
  void waitsWhateverItsSessionSaysOfTheLastWait(String underway) {
    app.remember("pgoffload.underway_ms", underway);
    var id = database.inserted("app");
    var waited = waiting("select * from llm_wait(?)", new Long[] {id});
    database.record(database.answered(id, "app", "a"));
    assertThat(waited.join()).containsExactly(id + "|succeeded");
    assertThat(app.value("show pgoffload.underway_ms")).matches("[0-9]{1,3}/[0-9]{13}");
    app.run("reset pgoffload.underway_ms");
  }

  @Test
  void remembersNothingOfARequestThatWasAnsweredBeforeTheFirstLookOrDuringTheFirstPause() {
    app.remember("pgoffload.underway_ms", "100/%s");
    var id = database.inserted("app");
    var waited = waiting("select * from llm_wait(?)", new Long[] {id});
    database.record(database.answered(id, "app", "a"));
    waited.join();
    assertThat(app.value("show pgoffload.underway_ms")).startsWith("0/");
    app.remember("pgoffload.underway_ms", "7/%s");
    app.run("select llm_wait(array[" + id + "])");
    assertThat(app.value("show pgoffload.underway_ms")).startsWith("0/");
    app.run("reset pgoffload.underway_ms");
  }

  @Test
  void forgetsWhatItRemembersAfterASecondBecauseARollbackBringsItBack() {
    app.remember("pgoffload.underway_ms", "100/%s");
    assertThat(remembered()).isEqualTo("100");
    Awaitility.await().until(() -> remembered().equals("0"));
    app.run("reset pgoffload.underway_ms");
  }

  private String remembered() {
    return String.valueOf(app.value("select pgoffload.remembered_ms('pgoffload.underway_ms')"));
  }

  @Test
  void waitsForAny() {
    var first = database.inserted("app");
    var second = database.inserted("app");
    var waited = waiting("select * from llm_wait(?, mode => 'any')", new Long[] {first, second});
    assertThat(waited).isNotDone();
    database.record(database.answered(second, "app", "a"));
    assertThat(waited.join()).containsExactly(first + "|queued", second + "|succeeded");
  }

  @Test
  void waitsNoLongerThanItsTimeout() {
    var id = database.inserted("app");
    var before = System.nanoTime();
    assertThat(app.rows("select * from llm_wait(?, '200 ms')", (Object) new Long[] {id}))
        .containsExactly(id + "|queued");
    assertThat(Duration.ofNanos(System.nanoTime() - before))
        .isBetween(Duration.ofMillis(200), Duration.ofSeconds(5));
    assertThat(app.rows("select * from llm_wait(?, '0')", (Object) new Long[] {id}))
        .containsExactly(id + "|queued");
  }

  @Test
  void waitsForNothingWhereThereIsNothingToWaitFor() {
    assertThat(app.rows("select * from llm_wait('{}')")).isEmpty();
    assertThat(app.rows("select * from llm_wait('{}', mode => 'any')")).isEmpty();
    assertThat(app.rows("select * from llm_wait(null)")).isEmpty();
  }

  @Test
  void refusesAWrongWait() {
    var id = database.inserted("app");
    assertThat(app.refused("select llm_wait(array[" + id + ", null])").state()).isEqualTo("22004");
    var mode = app.refused("select llm_wait(array[" + id + "], mode => 'some')");
    assertThat(mode.state()).isEqualTo("22023");
    assertThat(mode.message()).isEqualTo("llm_wait mode must be 'all' or 'any', not 'some'");
    assertThat(app.refused("select llm_wait(array[" + id + "], mode => null)").state())
        .isEqualTo("22023");
  }

  @Test
  void refusesToWaitForARequestOfItsOwnTransaction() {
    app.run("begin");
    var id = app.number("insert into llm_request (prompt) values ('p') returning id");
    var error = app.refused("select llm_wait(array[" + id + "])");
    assertThat(error.state()).isEqualTo("55000");
    assertThat(error.message())
        .isEqualTo("cannot wait for request " + id + ", which this transaction has inserted");
    assertThat(error.hint()).contains("Commit first").contains("llm_ask");
    app.run("rollback");
  }

  @Test
  void refusesToWaitForARequestOfItsOwnTransactionsSubtransaction() {
    var error =
        app.refused(
            """
            do $$
            declare
              submitted bigint;
            begin
              begin
                submitted := llm_submit('p');
              exception when division_by_zero then
                raise;
              end;
              perform llm_wait(array[submitted]);
            end
            $$
            """);
    assertThat(error.state()).isEqualTo("55000");
    assertThat(database.sent()).isEmpty();
  }

  @Test
  void seesItsOwnUncommittedRequestAsQueued() {
    app.run("begin");
    var id = app.number("select llm_submit('p')");
    assertThat(status(id)).isEqualTo("queued");
    assertThat(app.value("select llm_result(?)", id)).isNull();
    app.run("rollback");
    assertThat(app.refused("select llm_status(?)", id).state()).isEqualTo("42704");
  }

  @ParameterizedTest
  @CsvSource({"failed, LM001", "expired, LM002", "cancelled, 57014"})
  void raisesTheFailureOfACall(String status, String state) {
    var call = CompletableFuture.supplyAsync(() -> app.refused("select llm_ask('p')"));
    var id = database.awaitSent().id();
    database.record(database.ended(id, "app", status, "a_code", "what to do"));
    var error = call.join();
    assertThat(error.state()).isEqualTo(state);
    assertThat(error.message()).contains("a_code: what to do");
  }

  @Test
  void givesACallUpALittleAfterItsTimeoutAndSaysWhatToLookAt() {
    var error = app.refused("select llm_ask('p', timeout => '50 ms')");
    assertThat(error.state()).isEqualTo("LM002");
    assertThat(error.message()).matches("llm request \\d+ was not answered in time");
    assertThat(error.detail()).isEqualTo("No worker is alive.");
    assertThat(error.hint()).contains("producer, worker and results");
  }

  @Test
  void tellsWhichProviderTheLiveWorkersHave() {
    assertThat(app.refused("select llm_provider()"))
        .isEqualTo(
            new SqlError(
                "55000",
                "no worker is alive, so no provider is known",
                "",
                "Start one with: pgoffload worker"));
    try (var one = database.worker("one");
        var two = database.worker("two")) {
      assertThat(app.value("select llm_provider()")).isEqualTo("echo");
      two.releaseLease();
      two.session().run("select pgoffload.register_worker('two', 'openai', 'm', '0.1.0')");
      assertThat(app.value("select llm_provider()")).isEqualTo("echo, openai");
      one.releaseLease();
      assertThat(app.value("select llm_provider()")).isEqualTo("openai");
      database.letLeasesExpire("one", "two");
      assertThat(app.refused("select llm_provider()").state()).isEqualTo("55000");
    }
  }

  @Test
  void listsWhatHasNotEndedAndWhoWorks() {
    database.admin().run("delete from llm_request");
    var running = database.inserted("app");
    var queued = database.inserted("app");
    var ended = database.inserted("app");
    database.record(database.answered(ended, "app", "a"));
    try (var worker = database.worker("w")) {
      worker.claim(database.sent().getFirst());
      assertThat(worker.renewLease(1)).isTrue();
      assertThat(
              app.rows(
                  "select id, requested_by, model, status, attempts, worker, age > '0' from llm_queue order by id"))
          .containsExactly(
              running + "|app|null|running|1|w|t", queued + "|app|null|queued|null|null|t");
      assertThat(
              app.rows("select name, provider, model, version, in_flight, alive from llm_worker"))
          .containsExactly("w|echo|echo-1|0.1.0|1|t");
      worker.releaseLease();
      assertThat(app.rows("select status from llm_queue order by id"))
          .containsExactly("queued", "queued");
      assertThat(app.rows("select in_flight, alive from llm_worker")).containsExactly("0|f");
    }
  }

  @Test
  void notifiesOnceForEachId() throws SQLException {
    app.run("listen llm_done");
    var first = database.inserted("app");
    var second = database.inserted("app");
    database.record(database.answered(first, "app", "a"), database.answered(first, "app", "b"));
    database.record(database.answered(first, "app", "c"), database.answered(second, "app", "d"));
    database.record(database.answered(second, "app", "e"));
    assertThat(notifications())
        .containsExactly(String.valueOf(first), String.valueOf(second), "end");
  }

  @Test
  void doesNotNotifyWhereTheQueueOfNotificationsIsFull() throws SQLException {
    app.run("listen llm_done");
    var id = database.inserted("app");
    assertThat(database.record(false, database.answered(id, "app", "a"))).isEqualTo(1);
    assertThat(notifications()).containsExactly("end");
  }

  /// What the session has been told; at its end one of our own, which comes after all of theirs.
  private List<String> notifications() throws SQLException {
    database.admin().run("notify llm_done, 'end'");
    var connection = app.connection().unwrap(PGConnection.class);
    var received = new ArrayList<String>();
    Awaitility.await()
        .until(() -> {
          var got = connection.getNotifications(100);
          if (got != null) {
            Arrays.stream(got).map(PGNotification::getParameter).forEach(received::add);
          }
          return received.contains("end");
        });
    return received;
  }

  private String status(long id) {
    return String.valueOf(app.value("select llm_status(?)", id));
  }

  private CompletableFuture<List<String>> waiting(String sql, Long[] ids) {
    return database.beginWaiting(app, "PgSleep", () -> app.rows(sql, (Object) ids));
  }
}
