package org.pgoffload.schema;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;

/// What workers and the write-back are told by the database.
final class ClaimTest extends OnPostgresVersions {
  @Test
  void givesARequestToOneLiveWorker() {
    database.inserted("app");
    var request = database.onlySent();
    try (var first = database.worker("first");
        var second = database.worker("second")) {
      assertThat(first.claim(request)).containsExactly("claimed|1");
      assertThat(first.claim(request)).containsExactly("own|1");
      assertThat(second.claim(request)).containsExactly("held|1");
    }
  }

  @Test
  void saysThatARequestIsAnswered() {
    var id = database.inserted("app");
    var request = database.onlySent();
    database.record(database.answered(id, "app", "a"));
    try (var worker = database.worker("w")) {
      assertThat(worker.claim(request)).containsExactly("answered|1");
    }
    assertThat(database.admin().rows("select worker from pgoffload.claim where id = ?", id))
        .containsExactly("nobody");
  }

  @Test
  void givesAReleasedWorkersRequestToTheNextAtOnce() {
    database.inserted("app");
    var request = database.onlySent();
    try (var first = database.worker("first");
        var second = database.worker("second")) {
      first.claim(request);
      first.releaseLease();
      assertThat(second.claim(request)).containsExactly("claimed|2");
      assertThat(second.claim(request)).containsExactly("own|2");
    }
  }

  @Test
  void givesADeadWorkersRequestToTheNext() {
    database.inserted("app");
    var request = database.onlySent();
    try (var first = database.worker("first");
        var second = database.worker("second")) {
      first.claim(request);
      database.letLeasesExpire("first");
      assertThat(second.renewLease(0)).isTrue();
      assertThat(second.claim(request)).containsExactly("claimed|2");
    }
  }

  @Test
  void tellsAWorkerThatWakesUpWhatIsStillItsOwn() {
    database.inserted("app");
    database.inserted("app");
    database.inserted("app");
    var requests = database.sent();
    var ids = requests.stream().map(SentRequest::id).toList();
    try (var sleeper = database.worker("sleeper");
        var other = database.worker("other")) {
      sleeper.claim(requests.toArray(SentRequest[]::new));
      database.letLeasesExpire("sleeper");
      assertThat(other.renewLease(0)).isTrue();
      other.session().run("begin");
      assertThat(other.claim(requests.get(0))).containsExactly("claimed|2");
      database.record(database.answered(requests.get(1).id(), "app", "a"));
      // its renewal comes after what is being taken over: it finds all of it
      var renewed = CompletableFuture.supplyAsync(() -> sleeper.renewLease(0));
      Awaitility.await()
          .until(
              () -> database.admin().number("select count(*) from pg_locks where not granted") > 0);
      other.session().run("commit");
      assertThat(renewed.join()).isTrue();
      assertThat(sleeper.stillClaimed(ids, 1)).containsExactly(String.valueOf(ids.get(2)));
      assertThat(other.stillClaimed(ids, 2)).containsExactly(String.valueOf(ids.get(0)));
      assertThat(other.claim(requests.get(2))).containsExactly("held|1");
    }
    try (var again = database.worker("sleeper")) {
      // what was claimed under its last lease is not under the new one
      assertThat(
              database
                  .admin()
                  .rows(
                      "select pgoffload.still_claimed('sleeper', ?, ?, '{1,1,1}')",
                      again.epoch(),
                      ids.toArray(Long[]::new)))
          .isEmpty();
    }
  }

  @Test
  void refusesAClaimWithoutALease() {
    database.inserted("app");
    var request = database.onlySent();
    try (var worker = database.worker("w")) {
      database.letLeasesExpire("w");
      var error = worker.refusedClaim(request);
      assertThat(error.state()).isEqualTo("PO001");
      assertThat(error.message())
          .isEqualTo("the lease of worker w epoch " + worker.epoch() + " is lost");
      assertThat(worker.renewLease(0)).isTrue();
      assertThat(worker.claim(request)).containsExactly("claimed|1");
      worker.releaseLease();
      assertThat(worker.renewLease(0)).isFalse();
      assertThat(worker.refusedClaim(request).state()).isEqualTo("PO001");
    }
  }

  @Test
  void claimsABatchWithEachItsOutcome() {
    database.inserted("app");
    database.inserted("app");
    database.inserted("app");
    var requests = database.sent();
    try (var first = database.worker("first");
        var second = database.worker("second")) {
      first.claim(requests.get(0));
      database.record(database.answered(requests.get(1).id(), "app", "a"));
      assertThat(second.claim(requests.toArray(SentRequest[]::new)))
          .containsExactly("held|1", "answered|1", "claimed|1");
      assertThat(second.claim()).isEmpty();
    }
  }

  @Test
  void letsOneOfTwoWorkersWinThatClaimAtTheSameMoment() {
    database.inserted("app");
    var request = database.onlySent();
    try (var first = database.worker("first");
        var second = database.worker("second")) {
      first.session().run("begin");
      assertThat(first.claim(request)).containsExactly("claimed|1");
      var other = CompletableFuture.supplyAsync(() -> second.claim(request));
      Awaitility.await()
          .until(
              () -> database.admin().number("select count(*) from pg_locks where not granted") > 0);
      first.session().run("commit");
      assertThat(other.join()).containsExactly("held|1");
    }
  }

  @Test
  void recordsAnImmediateRequestWithItsClaimAndDoesNotSendItAgain() {
    try (var app = database.open("app");
        var worker = database.worker("w")) {
      app.run("set timezone = 'Asia/Tokyo'");
      var id =
          app.number(
              """
              select pgoffload.emit_llm_request('ask', 'Grüße', 's', '[{"role": "user", "content": "c"}]', 'm',
                '{"temperature": 1}', '90 s', 'k', '{"a": 1}', 'p', null, null)
              """);
      var request = database.onlySent();
      assertThat(app.refused("select llm_status(?)", id).state()).isEqualTo("42704");
      assertThat(worker.claim(request)).containsExactly("claimed|1");
      assertThat(worker.claim(request)).containsExactly("own|1");
      assertThat(
              app.rows(
                  """
                  select kind, prompt, system, messages, model, options, timeout = '90 s', ordering_key, tags,
                         provider, requested_by, requested_by_oid = 'app'::regrole, immediate,
                         extract(epoch from created_at) * 1000000 = ?
                  from llm_request where id = ?
                  """,
                  ChronoUnit.MICROS.between(Instant.EPOCH, request.envelope().signedAt()),
                  id))
          .containsExactly(
              "ask|Grüße|s|[{\"role\": \"user\", \"content\": \"c\"}]|m|{\"temperature\": 1}|t|k|{\"a\": 1}|p|app|t|t|t");
      assertThat(app.value("select llm_status(?)", id)).isEqualTo("running");
      assertThat(database.sent()).isEmpty();
    }
  }

  @Test
  void obeysManyCancellationsInOneStatement() {
    var queued = database.inserted("app");
    var running = database.inserted("app");
    var ended = database.inserted("app");
    var requests = database.sent();
    var by = database.oid("app");
    // a new partition's first ids, and those that the sequence has not come to, are nobody's
    var never = List.of(queued + 1_000_000, 1L << 62, -1L, (1L << 61) + (1L << 35));
    var maybe = (1L << 35) + queued;
    try (var first = database.worker("first");
        var second = database.worker("second")) {
      first.claim(requests.get(1));
      database.record(database.answered(ended, "app", "42"));
      var ids = new ArrayList<>(List.of(queued, running, ended, maybe, queued));
      assertThat(second.cancel(ids, by))
          .containsExactly(
              queued + "|claimed|ask|1",
              running + "|held|ask|1",
              ended + "|ended|ask|1",
              maybe + "|unknown|null|null",
              queued + "|held|ask|1");
      assertThat(first.cancel(List.of(queued, running), by))
          .containsExactly(queued + "|held|ask|1", running + "|held|ask|1");
      assertThat(first.cancel(List.of(queued), database.oid("mallory")))
          .containsExactly(queued + "|denied|ask|null");
      assertThat(first.cancel(List.of(queued), 4_000_000_000L))
          .containsExactly(queued + "|denied|ask|null");
      assertThat(first.cancel(never, by)).allMatch(row -> row.endsWith("|unknown|null|null"));
    }
    assertThat(
            database
                .admin()
                .rows(
                    "select id from pgoffload.cancellation where id >= ? and id <> 4711 or id < 0",
                    queued))
        .containsExactlyInAnyOrder(
            Long.toString(queued), Long.toString(running), Long.toString(maybe));
  }

  @Test
  void claimsWhatIsCancelledSoThatItsEndCanBePublished() {
    var id = database.inserted("app");
    var other = database.inserted("app");
    var requests = database.sent();
    try (var first = database.worker("first");
        var second = database.worker("second")) {
      // a cancellation that came before its request, and one by somebody who may not
      assertThat(first.cancel(id, database.oid("app"))).isEqualTo("claimed|ask|1|app");
      assertThat(second.cancel(other, database.oid("mallory"))).isEqualTo("denied|ask|null|app");
      first.releaseLease();
      assertThat(second.claim(requests.toArray(SentRequest[]::new)))
          .containsExactly("cancelled|2", "claimed|1");
      assertThat(second.claim(requests.getFirst())).containsExactly("cancelled|2");
      // the reply to the first claim may have been lost, and what it said with it
      assertThat(second.detail(requests.getFirst())).isEqualTo("app");
    }
  }

  @Test
  void remembersACancellationOfARangeWhoseBeginningIsNotCommitted() {
    var admin = database.admin();
    admin.run("select pgoffload.make_partitions(pgoffload.current_id_range() + 1)");
    try (var begins = database.open("postgres");
        var app = database.open("app");
        var worker = database.worker("w")) {
      begins.run("begin");
      begins.run("select pgoffload.begin_id_range()");
      app.run("begin");
      var id = app.number("select llm_submit('p')");
      assertThat(worker.cancel(id, database.oid("app"))).isEqualTo("unknown|null|null|null");
      app.run("commit");
      begins.run("commit");
      assertThat(worker.claim(database.onlySent())).containsExactly("cancelled|1");
    }
  }

  @Test
  void saysWhoHasCancelledARequestBeforeItCame() {
    try (var app = database.open("app");
        var worker = database.worker("w")) {
      app.run("begin");
      var id = app.number("select llm_submit('p')");
      for (var role : new String[] {"mallory", "nobody", "lead"}) {
        assertThat(worker.cancel(id, database.oid(role))).isEqualTo("unknown|null|null|null");
      }
      app.run("commit");
      var request = database.onlySent();
      assertThat(worker.detail(request)).isEqualTo("lead");
      assertThat(worker.claim(request)).containsExactly("cancelled|1");
    }
  }

  @Test
  void aCancellationStandsWhenItsRoleWasDropped() {
    var admin = database.admin();
    admin.run("create role leaver login password 'leaver' in role llm_user");
    database.inserted("leaver");
    var request = database.onlySent();
    try (var first = database.worker("first");
        var second = database.worker("second")) {
      assertThat(first.cancel(request.id(), database.oid("leaver"))).startsWith("claimed|");
      first.releaseLease();
      admin.run("drop role leaver");
      assertThat(second.claim(request)).containsExactly("cancelled|2");
    }
  }

  @Test
  void givesACancelledRequestThatNobodyHasToOneWorker() {
    var id = database.inserted("app");
    var request = database.onlySent();
    var app = database.oid("app");
    try (var first = database.worker("first");
        var second = database.worker("second")) {
      assertThat(first.cancel(id, app)).isEqualTo("claimed|ask|1|app");
      assertThat(second.cancel(id, app)).isEqualTo("held|ask|1|app");
      assertThat(first.cancel(id, app)).isEqualTo("held|ask|1|app");
      assertThat(second.claim(request)).containsExactly("held|1");
      database.record(database.ended(id, "app", "cancelled", "cancelled", "by app"));
      assertThat(second.cancel(id, app)).isEqualTo("ended|ask|1|app");
      assertThat(second.claim(request)).containsExactly("answered|1");
    }
  }

  @Test
  void leavesACancelledRequestToTheWorkerThatHasItUnlessItIsDead() {
    var id = database.inserted("app");
    var request = database.onlySent();
    try (var first = database.worker("first");
        var second = database.worker("second")) {
      first.claim(request);
      assertThat(second.cancel(id, database.oid("app"))).isEqualTo("held|ask|1|app");
      assertThat(first.cancel(id, database.oid("lead"))).isEqualTo("held|ask|1|app");
      first.releaseLease();
      assertThat(second.cancel(id, database.oid("app"))).isEqualTo("claimed|ask|2|app");
    }
  }

  @Test
  void letsOneWorkerWinThatCancelsWhatAnotherClaimsAtTheSameMoment() {
    var id = database.inserted("app");
    var request = database.onlySent();
    var app = database.oid("app");
    try (var first = database.worker("first");
        var second = database.worker("second")) {
      first.session().run("begin");
      assertThat(first.claim(request)).containsExactly("claimed|1");
      var other = CompletableFuture.supplyAsync(() -> second.cancel(id, app));
      Awaitility.await()
          .until(
              () -> database.admin().number("select count(*) from pg_locks where not granted") > 0);
      first.session().run("commit");
      assertThat(other.join()).isEqualTo("held|ask|null|app");
    }
  }

  @Test
  void obeysNoCommandForWhatIsNoRequestOfThisKind() {
    try (var worker = database.worker("w")) {
      var app = database.oid("app");
      assertThat(worker.cancel(4711, app)).isEqualTo("unknown|null|null|null");
      assertThat(worker.cancel(Long.MAX_VALUE, app)).isEqualTo("unknown|null|null|null");
      var id = database.inserted("app");
      assertThat(worker.cancel(id, 1)).isEqualTo("denied|ask|null|app");
      worker.releaseLease();
      assertThat(
              worker
                  .session()
                  .refused(
                      "select pgoffload.cancel_llm('w', ?, ?, ?::oid[])",
                      worker.epoch(),
                      new Long[] {id},
                      new String[] {String.valueOf(app)})
                  .state())
          .isEqualTo("PO001");
    }
  }

  @Test
  void countsTheLiveWorkersButNeverNone() {
    try (var first = database.worker("first");
        var second = database.worker("second")) {
      assertThat(first.session().number("select pgoffload.live_workers()")).isEqualTo(2);
      first.releaseLease();
      assertThat(first.session().number("select pgoffload.live_workers()")).isEqualTo(1);
      second.releaseLease();
      assertThat(first.session().number("select pgoffload.live_workers()")).isEqualTo(1);
    }
  }

  @Test
  void keepsTheFirstResult() {
    var id = database.inserted("app");
    assertThat(database.record(database.answered(id, "app", "first"))).isEqualTo(1);
    assertThat(database.record(database.ended(id, "app", "failed", "c", "second"))).isZero();
    assertThat(
            database.record(
                database.answered(id, "app", "third"), database.answered(id, "app", "fourth")))
        .isZero();
    assertThat(database.admin().rows("select answer from pgoffload.llm_result where id = ?", id))
        .containsExactly("first");
  }

  @Test
  void writesABatchOfResults() {
    var first = database.inserted("app");
    var second = database.inserted("app");
    assertThat(
            database.record(
                database.answered(first, "app", "a"),
                database.answered(first, "app", "b"),
                database.ended(second, "app", "expired", "c", "m")))
        .isEqualTo(2);
    try (var app = database.open("app")) {
      assertThat(
              app.rows(
                  "select status, answer from pgoffload.llm_result where id in (?, ?) order by id",
                  first,
                  second))
          .containsExactly("succeeded|a", "expired|null");
    }
  }

  /// Also of a removed range, where there is no partition to insert it into.
  @Test
  void namesWhatBelongsToNoClaimAndWritesTheRest() {
    var known = database.inserted("app");
    database.claim(known, 1, database.oid("app"));
    database.claim(known, 2, database.oid("app"));
    try (var results = database.open("results_login")) {
      var row =
          results
              .rows(
                  "select * from pgoffload.write_back(?, ?, '{}', ?, ?, true)",
                  new String[] {
                    result(1L << 50, "app"),
                    result(known, "app"),
                    result(known, "ann"),
                    result(known + 1, "app")
                  },
                  new String[] {piece(known, 2), piece(known, 3), piece(known + 1, 1)},
                  new String[] {chunk(known + 1, 1), chunk(known, 1)},
                  new Long[] {known})
              .getFirst();
      // another role's result of what has one is late, like any other
      assertThat(row).isEqualTo("1|{1,4}|{2,3}|{1}|{1}");
      // of what comes twice nothing is said
      assertThat(
              results.rows(
                  "select * from pgoffload.write_back(?, ?, '{}', ?, '{}', true)",
                  new String[] {result(known, "app")},
                  new String[] {piece(known, 2)},
                  new String[] {chunk(known, 1)}))
          .containsExactly("0|{}|{}|{}|null");
    }
  }

  private String result(long id, String role) {
    return new String(database.answered(id, role, "a").write(), StandardCharsets.UTF_8);
  }

  private String piece(long id, int attempt) {
    return "{\"id\": %d, \"seq\": %d, \"attempt\": %d, \"requested_by_oid\": %d, \"text\": \"t\"}"
        .formatted(id, attempt, attempt, database.oid("app"));
  }

  private String chunk(long id, int attempt) {
    return "{\"id\": %d, \"number\": 1, \"attempt\": %d, \"requested_by_oid\": %d, \"rows\": []}"
        .formatted(id, attempt, database.oid("app"));
  }

  @Test
  void refusesAResultThatIsNotTerminal() {
    var id = database.inserted("app");
    database.claim(id, 1, 1);
    try (var results = database.open("results_login")) {
      assertThat(
              results
                  .refused(
                      "select written from pgoffload.write_back(?, '{}', '{}', '{}', '{}', true)",
                      (Object)
                          new String[] {
                            "{\"id\": %d, \"kind\": \"ask\", \"status\": \"running\", \"requested_by_oid\": 1, \"attempts\": 1, \"finished_at\": \"2026-01-01T00:00:00Z\"}"
                                .formatted(id)
                          })
                  .state())
          .isEqualTo("23514");
    }
  }

  @Test
  void keepsThePartsApart() {
    try (var worker = database.open("worker_login");
        var results = database.open("results_login")) {
      assertThat(
              worker
                  .refused(
                      "select written from pgoffload.write_back('{}', '{}', '{}', '{}', '{}', false)")
                  .state())
          .isEqualTo("42501");
      assertThat(worker.refused("select * from llm_request").state()).isEqualTo("42501");
      assertThat(worker.refused("select * from pgoffload.signing_key").state()).isEqualTo("42501");
      assertThat(results.refused("select * from pgoffload.signing_keys()").state())
          .isEqualTo("42501");
      assertThat(results.refused("select pgoffload.claim_llm('w', 1, '{}', '{}', '{}')").state())
          .isEqualTo("42501");
    }
  }
}
