package org.pgoffload.schema;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.pgoffload.protocol.Envelope;
import org.pgoffload.protocol.Result;
import org.pgoffload.protocol.ResultHead;

/// What a server knows that was promoted without the last commits of the one before, played by
/// removing these.
final class FailOverTest extends OnPostgresVersions {
  private static final String TOPIC = "pgoffload.results";
  private static final String REQUESTS = "pgoffload.requests.llm";

  @BeforeEach
  void forgetFailOvers() {
    database.admin().run("delete from pgoffload.unclaimed_result");
    database.admin().run("delete from pgoffload.consumer_position");
    database
        .admin()
        .run("update pgoffload.server_timeline set timeline = pgoffload.current_timeline()");
    database.admin().run("select pgoffload.note_accepted_timeline()");
  }

  /// As the acceptance of a promotion does.
  private void failOver() {
    database.admin().run("select pgoffload.prepare_timeline()");
    database
        .admin()
        .run("select pgoffload.begin_timeline(pgoffload.current_timeline(), null, 'accepted')");
  }

  private void lose(String table, long id) {
    database.admin().run("delete from " + table + " where id = " + id);
  }

  private static String result(Envelope of, String answer) {
    return new String(
        Result.withoutCalls(
                ResultHead.of(
                    of.key(),
                    "ask",
                    Result.SUCCEEDED,
                    of.requestedBy().user(),
                    of.requestedBy().userOid()),
                Result.Outcome.answered(answer, "stop"),
                Result.Run.of(1, "2026-01-02T03:04:05Z"))
            .write(),
        StandardCharsets.UTF_8);
  }

  private List<String> writeBack(String... results) {
    var unclaimed = new ArrayList<String>();
    database.asResults(session ->
        unclaimed.addAll(
            session.rows(
                "select unnest(unclaimed_results) from pgoffload.write_results(?, '{}', '{}', '{}',"
                    + " '{}', null, false, '{}', '{}', '{}')",
                (Object) results)));
    return unclaimed;
  }

  private void keep(int offset, String message, boolean isSql) {
    database.asResults(session ->
        session.run(
            "select pgoffload.keep_unclaimed_results(?, '{0}', array[?::bigint], ?, array[?::boolean])",
            TOPIC, offset, new String[] {message}, "" + isSql));
  }

  /// `true` if it is taken.
  private boolean take(int offset, String message, boolean repeated) {
    var taken = new ArrayList<String>();
    database.asResults(session ->
        taken.addAll(
            session.rows(
                "select pgoffload.take_results(?, '{0}', array[?::bigint], ?, '{f}', ?::boolean[])",
                TOPIC, offset, new String[] {message}, new String[] {"" + repeated})));
    return !taken.isEmpty();
  }

  private List<String> toWithdraw() {
    var due = new ArrayList<String>();
    database.asResults(session ->
        due.addAll(
            session.rows(
                "select topic, partition, record_offset, id, nonce"
                    + " from pgoffload.results_to_withdraw(?, 10)",
                (Object) new String[] {REQUESTS})));
    return due;
  }

  private void record(String topic, long nextOffset) {
    try (var worker = database.worker("records")) {
      worker
          .session()
          .run(
              "select pgoffload.record_positions(?, '{0}', array[?::bigint])",
              new String[] {topic}, nextOffset);
    }
  }

  @Test
  void aRequestWhoseRowWasLostIsAsIfItHadNeverBeenAsked() {
    var id = database.inserted("app");
    var request = database.onlySent();
    lose("llm_request", id);
    try (var worker = database.worker("w");
        var committing = database.open("app")) {
      committing.run("begin");
      committing.run("insert into llm_request (prompt) values ('p')");
      failOver();
      // its commit may be waited for by a standby: then it is there, and not visible yet
      assertThat(worker.claimRepeated(request)).containsExactly("held|1");
      committing.run("rollback");
      assertThat(worker.claimRepeated(request)).containsExactly("unasked|1");
      // a row is visible only a moment after its record has come, when there was no fail-over
      assertThat(worker.claimByNonce(false, request)).containsExactly("claimed|1");
      lose("pgoffload.claim", id);
    }
  }

  @Test
  void aBatchThatWasMadeUpBeforeTheFailOverIsNotClaimed() {
    var before = token();
    var id = database.inserted("app");
    var lost = database.onlySent();
    lose("llm_request", id);
    database.admin().run("select setval('pgoffload.request_id', " + (id - 1) + ")");
    // another request has got its id before the acceptance
    assertThat(database.inserted("app")).isEqualTo(id);
    var anew = database.onlySent();
    failOver();
    try (var worker = database.worker("w");
        var app = database.open("app")) {
      assertThat(worker.refusedClaimSince(before, lost).state()).isEqualTo("25006");
      assertThat(
              worker
                  .session()
                  .refused(
                      "select pgoffload.claim_sql_since(?::uuid, 'w', ?, '{1}', '{null}', '{null}', '{f}')",
                      before, worker.epoch())
                  .state())
          .isEqualTo("25006");
      assertThat(worker.claimRepeated(lost)).containsExactly("unasked|1");
      writeBack(result(lost.envelope(), "of the lost one"));
      assertThat(worker.claimRepeated(anew)).containsExactly("claimed|" + (attemptsBefore() + 1));
      assertThat(app.value("select llm_result(" + id + ")")).isNull();
    }
  }

  @Test
  void aRequestThatWasAskedAfterTheFailOverIsNotLostBecauseItsRowIsNotVisibleYet() {
    failOver();
    var id = database.inserted("app");
    var request = database.onlySent();
    lose("llm_request", id);
    try (var worker = database.worker("w")) {
      assertThat(worker.claimRepeated(request)).containsExactly("claimed|1");
    }
  }

  @Test
  void aRequestWhoseClaimWasLostIsClaimedAgain() {
    var id = database.inserted("app");
    var request = database.onlySent();
    try (var worker = database.worker("w")) {
      worker.claimByNonce(false, request);
      lose("pgoffload.claim", id);
      assertThat(worker.claimRepeated(request)).containsExactly("claimed|1");
      assertThat(database.admin().rows("select nonce from pgoffload.claim where id = " + id))
          .containsExactly(request.envelope().key().nonce().toString());
    }
  }

  @Test
  void whatALivingWorkerHadEndedIsAnothersWhenItsResultWasLost() {
    database.inserted("app");
    var ended = database.onlySent();
    try (var worker = database.worker("lives");
        var next = database.worker("next")) {
      worker.claimByNonce(false, ended);
      failOver();
      // as far as anybody knows it runs there
      assertThat(next.claimRepeated(ended)).containsExactly("held|1");
      assertThat(worker.registerAnew(token(), 1)).isEmpty();
      assertThat(next.claimRepeated(ended)).containsExactly("claimed|" + afterTheFirst());
    }
  }

  @Test
  void whatRunsOnStaysItsWorkersAlsoWhenItsClaimOrRowWasLost() {
    var id = database.inserted("app");
    var request = database.onlySent();
    var claimLost = database.inserted("app");
    var second = database.onlySent();
    var rowLost = database.inserted("app");
    var third = database.onlySent();
    var takenOver = database.inserted("app");
    var fourth = database.onlySent();
    try (var app = database.open("app")) {
      app.number(
          "select pgoffload.emit_llm_request('ask', 'p', null, null, null, null, null, null,"
              + " null, null, null, null)");
    }
    var immediate = database.awaitSent();
    try (var worker = database.worker("lives");
        var next = database.worker("next")) {
      worker.claimByNonce(false, request, second, third, fourth, immediate);
      for (var lost : List.of(claimLost, rowLost, takenOver, immediate.envelope().id())) {
        lose("pgoffload.claim", lost);
      }
      lose("llm_request", rowLost);
      lose("llm_request", immediate.envelope().id());
      failOver();
      // pieces of the two must not be taken for one another's
      assertThat(next.claimRepeated(fourth)).containsExactly("claimed|" + (attemptsBefore() + 1));
      assertThat(worker.registerAnew(token(), 1, request, second, third, fourth, immediate))
          .containsExactly(id + "|102", claimLost + "|1", immediate.envelope().id() + "|1");
      assertThat(next.claimRepeated(request, second, third, immediate))
          .containsExactly("held|102", "held|1", "unasked|1", "held|1");
      assertThat(worker.stillClaimed(List.of(id), 102)).hasSize(1);
      // others may not have found the server yet
      assertThat(
              database
                  .admin()
                  .number(
                      "select count(*) from pgoffload.worker where returned_at is not null and epoch = "
                          + worker.epoch()))
          .isEqualTo(1);
    }
  }

  private static final String SUCCESS =
      """
      {"status": "succeeded", "tags": ["VACUUM"], "worker": "w"}\
      """;
  private static final String FAILURE =
      """
      {"status": "failed", "error": {"sqlstate": "57P01", "message": "of the server"}, "worker": "w"}\
      """;
  private static final String CANCELLED =
      """
      {"status": "cancelled", "error": {"sqlstate": "57014", "message": "as asked"}, "worker": "w"}\
      """;

  private SentRequest launched() {
    try (var ann = database.open("ann")) {
      ann.number("insert into sql_request (command) values ('vacuum') returning id");
    }
    return database.onlySent();
  }

  @Test
  void aCommandOfBeforeDoesNotSucceedOnAServerThatMayLackItsEffect() {
    var marked = launched();
    var markLost = launched();
    var oldWorkers = launched();
    try (var worker = database.sqlWorker("before");
        var next = database.sqlWorker("next")) {
      for (var request : List.of(marked, markLost, oldWorkers)) {
        worker.begin(request).close();
        assertThat(worker.markAutocommit(request.id(), 1)).isTrue();
      }
      failOver();
      // the WAL that the standby has may end between the claim and the mark
      database
          .admin()
          .run("delete from pgoffload.sql_session where autocommit and id = " + markLost.id());
      for (var request : List.of(marked, markLost)) {
        assertThat(worker.end(request.id(), 1, SUCCESS)).isFalse();
        assertThat(worker.end(request.id(), 1, FAILURE)).isFalse();
      }
      // a worker of an earlier version would run it again and again
      assertThat(
              worker.session().value("select pgoffload.end_sql(?, 1, ?)", oldWorkers.id(), SUCCESS))
          .isEqualTo("t");

      worker.releaseLease();
      assertThat(next.claim(marked).path("ending").path("error").path("sqlstate").asText())
          .isEqualTo("08006");
      // nothing of the command is there: it is executed again
      assertThat(next.claim(markLost).path("ending").isNull()).isTrue();
      assertThat(next.end(marked.id(), 102, FAILURE)).isTrue();
      assertThat(next.end(markLost.id(), 102, SUCCESS)).isTrue();
    }
  }

  @Test
  void aCommandThatWasClaimedBeforeDoesNotBeginOutsideATransaction() {
    var request = launched();
    try (var worker = database.sqlWorker("before")) {
      worker.begin(request).close();
      failOver();
      assertThat(worker.markAutocommit(request.id(), 1)).isFalse();
      assertThat(worker.end(request.id(), 1, CANCELLED)).as("its launcher wants none").isTrue();
    }
  }

  @Test
  void aWorkerThatRegistersAnewOnceMoreKeepsWhatItRuns() {
    var id = database.inserted("app");
    var request = database.onlySent();
    try (var worker = database.worker("w");
        var next = database.worker("next")) {
      worker.claimByNonce(false, request);
      failOver();
      long before = worker.epoch();
      assertThat(worker.registerAnew(token(), 1, request)).hasSize(1);
      long lost = worker.epoch();
      worker.forgetReply(before);
      assertThat(worker.registerAnew(token(), 1, request)).hasSize(1);
      assertThat(worker.stillClaimed(List.of(id), 103)).hasSize(1);
      assertThat(next.claimRepeated(request)).containsExactly("held|103");
      assertThat(
              database
                  .admin()
                  .number(
                      "select count(*) from pgoffload.worker where name = 'w' and released_at is null"
                          + " and epoch <= ?",
                      lost))
          .isZero();

      // of another process of its name it takes nothing
      worker.renewLease(1);
      worker.forgetReply(before);
      assertThat(worker.registerAnew(token(), 1, request)).isEmpty();
    }
  }

  @Test
  void aWorkerRegistersAnewOnTheServerThatItKnowsAlone() {
    var before = token();
    failOver();
    try (var worker = database.worker("w")) {
      assertThat(
              worker
                  .session()
                  .refused(
                      "select pgoffload.register_worker_anew('w', ?, 'echo', 'echo-1', '0', ?::uuid,"
                          + " '{}', '{}', '{}', '{}', '{}')",
                      worker.epoch(),
                      before)
                  .state())
          .isEqualTo("25006");
    }
  }

  /// The attempt that follows a first one of before the last fail-over, after which there may have
  /// been others.
  private long afterTheFirst() {
    return Math.max(101, attemptsBefore()) + 1;
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 2})
  void noNumberOfAnAttemptIsGivenTwiceAcrossFailOvers(int survive) {
    var id = database.inserted("app");
    var request = database.onlySent();
    var given = new ArrayList<String>();
    for (int timeline = 0; timeline < 3; timeline++) {
      for (int takeover = 0; takeover < 4; takeover++) {
        try (var worker = database.worker("w")) {
          // without a claim only a record that comes again is known to be of before
          given.addAll(worker.claimByNonce(survive == 0, request));
          worker.releaseLease();
        }
      }
      database
          .admin()
          .run(
              "delete from pgoffload.claim where id = ? and ctid <> all (array(select c.ctid"
                  + " from pgoffload.claim c where c.id = ? order by c.attempt limit ?))",
              id,
              id,
              survive);
      failOver();
    }
    assertThat(given).hasSize(12).allMatch(claim -> claim.startsWith("claimed|"));
    assertThat(given).doesNotHaveDuplicates();
  }

  /// The second standby has followed the first, and not as far as its acceptance.
  @Test
  void aSecondStandbyThatLacksTheFirstAcceptanceRepeatsNothingOfIt() {
    var admin = database.admin();
    var range = admin.number("select pgoffload.current_id_range()");
    admin.run("update pgoffload.server_timeline set timeline = timeline - 1");
    promote();
    var first = admin.rows(NEWEST).getFirst();
    long number = admin.number("select max(number) from pgoffload.server_timeline");
    // its next day
    admin.run("select pgoffload.make_partitions(pgoffload.current_id_range() + 1)");
    var drawn = admin.number("select pgoffload.begin_id_range() << 36");
    admin.run("delete from pgoffload.server_timeline where number = " + number);
    admin.run("delete from pgoffload.id_range where number > " + range);
    admin.run("select setval('pgoffload.request_id', ?::bigint << 36)", range);
    admin.run("update pgoffload.server_timeline set timeline = timeline - 1");
    promote();
    assertThat(admin.rows(NEWEST)).doesNotContain(first);
    assertThat(admin.number("select max(number) from pgoffload.server_timeline"))
        .isGreaterThan(number);
    assertThat(
            admin.number(
                "select first_id from pgoffload.server_timeline order by number desc limit 1"))
        .as("an id that the first standby has drawn is of before")
        .isGreaterThan(drawn);
    // what was asked at once there is executed here, and its range is removed like others
    assertThat(
            admin.number(
                "select count(*) from generate_series(?::bigint + 1, pgoffload.current_id_range()) r"
                    + " where exists (select from pgoffload.id_range i where i.number = r)"
                    + " and exists (select from pgoffload.partitions_of(r))",
                range))
        .isEqualTo(4);
  }

  @Test
  void aRangeWhoseBeginningWasLostIsKnownAfterThePromotion() {
    var admin = database.admin();
    admin.run("select pgoffload.make_partitions(pgoffload.current_id_range() + 1)");
    admin.run("begin");
    admin.run("select pgoffload.begin_id_range()");
    admin.run("rollback");
    var range = admin.number("select pgoffload.current_id_range()");
    admin.run("update pgoffload.server_timeline set timeline = timeline - 1");
    promote();
    assertThat(
            admin.rows(
                "select r from generate_series(?::bigint, pgoffload.current_id_range()) r"
                    + " where not exists (select from pgoffload.id_range i where i.number = r)",
                range))
        .isEmpty();
  }

  @Test
  void aRequestWhoseClaimsWereLostIsCancelledAsALaterAttempt() {
    var id = database.inserted("app");
    database.onlySent();
    failOver();
    try (var worker = database.worker("w")) {
      assertThat(worker.cancel(id, database.oid("app")))
          .isEqualTo("claimed|ask|" + (attemptsBefore() + 1) + "|app");
    }
  }

  private static final String NEWEST =
      "select number, first_id from pgoffload.server_timeline order by number desc limit 1";

  private void promote() {
    database.admin().run("select pgoffload.prepare_timeline()");
    database
        .admin()
        .run("select pgoffload.begin_timeline(pgoffload.current_timeline(), null, 'promoted')");
  }

  @Test
  void anAttemptAfterALostSessionIsNoLostOne() {
    var request = launched();
    try (var worker = database.sqlWorker("w")) {
      worker.begin(request).close();
      assertThat(worker.claimAgain(request.id(), 1).path("attempt").asInt()).isEqualTo(2);
      database
          .admin()
          .run("delete from pgoffload.claim where attempt = 2 and id = " + request.id());
      failOver();
      assertThat(worker.claimAgain(request.id(), 1).path("attempt").asInt()).isEqualTo(102);
    }
  }

  private long attemptsBefore() {
    return database.admin().number("select 100 * (max(number) - 1) from pgoffload.server_timeline");
  }

  private String token() {
    return String.valueOf(database.admin().value("select pgoffload.current_token()"));
  }

  @Test
  void anIdThatIsDrawnAgainIsAnotherRequest() {
    var id = database.inserted("app");
    var lost = database.onlySent();
    lose("llm_request", id);
    database.admin().run("select setval('pgoffload.request_id', " + (id - 1) + ")");
    assertThat(database.inserted("app")).isEqualTo(id);
    var anew = database.onlySent();
    try (var worker = database.worker("w")) {
      assertThat(worker.claimRepeated(lost)).containsExactly("unasked|1");
      assertThat(worker.claimByNonce(false, anew)).containsExactly("claimed|1");
      // and when the new one's claim is what is known
      assertThat(worker.claimByNonce(false, lost)).containsExactly("unasked|1");
      assertThat(writeBack(result(lost.envelope(), "old"))).containsExactly("1");
      assertThat(writeBack(result(anew.envelope(), "new"))).isEmpty();
      assertThat(writeBack(result(lost.envelope(), "old"))).containsExactly("1");
      keep(5, result(lost.envelope(), "old"), false);
      assertThat(worker.claimByNonce(false, anew)).containsExactly("answered|1");
    }
    try (var app = database.open("app")) {
      assertThat(app.value("select llm_result(" + id + ")")).isEqualTo("new");
    }
  }

  @Test
  void aResultIsWrittenWithoutItsClaimWhereTheRowIsThere() {
    var id = database.inserted("app");
    var request = database.onlySent();
    assertThat(writeBack(result(request.envelope(), "paid for"))).containsExactly("1");
    keep(0, result(request.envelope(), "paid for"), false);
    try (var app = database.open("app");
        var worker = database.worker("w")) {
      assertThat(app.value("select llm_result(" + id + ")")).isEqualTo("paid for");
      assertThat(worker.claimRepeated(request)).containsExactly("answered|1");
    }
    assertThat(database.admin().number("select count(*) from pgoffload.unclaimed_result")).isZero();
  }

  @Test
  void theResultOfACallThatRanAcrossTheFailOverIsTakenWheneverItComes() {
    var id = database.inserted("app");
    var inserted = database.onlySent();
    var gone = database.inserted("app");
    var lost = database.onlySent();
    lose("llm_request", gone);
    record(TOPIC, 10);
    failOver();
    assertThat(take(20, result(inserted.envelope(), "paid for"), false)).isTrue();
    // while the rest is worked off, its request may be claimed again
    assertThat(take(21, result(lost.envelope(), "of nothing"), false)).isTrue();
    database.admin().run("delete from pgoffload.consumer_position");
    assertThat(take(22, result(lost.envelope(), "of nothing"), false)).isFalse();
    var after = database.inserted("app");
    var next = database.onlySent();
    assertThat(take(23, result(next.envelope(), "unclaimed"), false)).isFalse();
    assertThat(
            database
                .admin()
                .rows("select id from pgoffload.llm_result where id in (?, ?, ?)", id, gone, after))
        .containsExactly("" + id);
    assertThat(database.admin().rows("select record_offset from pgoffload.unclaimed_result"))
        .containsExactly("21");
  }

  @Test
  void aResultThatNoTableTakesIsRefusedBeforeItIsKept() {
    var id = database.inserted("app");
    var request = database.onlySent();
    lose("llm_request", id);
    var spoilt = result(request.envelope(), "a").replace("succeeded", "of no status");
    database.asResults(session ->
        assertThat(
                session
                    .refused(
                        "select pgoffload.take_results(?, '{0}', '{1}', ?, '{f}', '{t}')",
                        TOPIC, new String[] {spoilt})
                    .state())
            .isEqualTo("23514"));
    assertThat(database.admin().number("select count(*) from pgoffload.unclaimed_result")).isZero();
  }

  @Test
  void aRowThatIsInsertedBeforeTheAcceptanceGetsNoIdThatWasDrawnBefore() {
    var admin = database.admin();
    // the next timeline is not the newest row's
    admin.run("update pgoffload.server_timeline set timeline = timeline - 1");
    admin.run("select pgoffload.note_accepted_timeline()");
    try (var app = database.open("app");
        var ann = database.open("ann")) {
      for (long id :
          List.of(
              app.number("insert into llm_request (prompt) values ('p') returning id"),
              ann.number("insert into sql_request (command) values ('c') returning id"))) {
        assertThat(id >> 35 & 1).as("the upper half of a range").isOne();
      }
      assertThat(database.sent()).hasSize(2);
      failOver();
      long id = app.number("insert into llm_request (prompt) values ('p') returning id");
      assertThat(id >> 35 & 1).isZero();
    }
  }

  @Test
  void aKeptResultIsKnownToWhoeverTakesItsRequestOver() {
    var id = database.inserted("app");
    var request = database.onlySent();
    lose("llm_request", id);
    assertThat(take(0, result(request.envelope(), "paid for"), true)).isTrue();
    try (var worker = database.worker("w")) {
      assertThat(
              worker
                  .session()
                  .rows(
                      "select pgoffload.known_results(?, ?::oid[], ?::uuid[])",
                      new Long[] {id, id},
                      new Long[] {request.envelope().requestedBy().userOid(), 10L},
                      new String[] {
                        request.envelope().key().nonce().toString(), new UUID(0, 1).toString()
                      }))
          .containsExactly("" + id);
    }
  }

  @Test
  void aResultOfAnotherRoleOrNonceIsNotWrittenWithoutAClaim() {
    var id = database.inserted("app");
    var envelope = database.onlySent().envelope();
    var forged =
        result(envelope, "forged")
            .replace(envelope.key().nonce().toString(), UUID.randomUUID().toString());
    keep(0, forged, false);
    var anothers =
        result(envelope, "another's")
            .replace(
                "\"requested_by_oid\":" + envelope.requestedBy().userOid(),
                "\"requested_by_oid\":10");
    keep(1, anothers, false);
    assertThat(database.admin().rows("select id from pgoffload.llm_result where id = " + id))
        .isEmpty();
    try (var worker = database.worker("w")) {
      assertThat(worker.claimRepeated(database.sent().toArray(SentRequest[]::new))).isEmpty();
    }
  }

  @Test
  void theResultOfAnImmediateRequestWaitsForItsClaim() {
    long id;
    try (var app = database.open("app")) {
      id =
          app.number(
              "select pgoffload.emit_llm_request('ask', 'p', null, null, null, null, null, null,"
                  + " null, null, null, null)");
    }
    var request = database.awaitSent();
    keep(0, result(request.envelope(), "paid for"), false);
    record(REQUESTS, 10);
    failOver();
    assertThat(toWithdraw()).isEmpty();
    try (var worker = database.worker("w");
        var app = database.open("app")) {
      assertThat(worker.claimRepeated(request)).containsExactly("answered|1");
      assertThat(app.value("select llm_result(" + id + ")")).isEqualTo("paid for");
    }
    assertThat(database.admin().number("select count(*) from pgoffload.unclaimed_result")).isZero();
  }

  @Test
  void theResultOfALostRequestIsNotWrittenByItsClaim() {
    var id = database.inserted("app");
    var request = database.onlySent();
    lose("llm_request", id);
    failOver();
    keep(9, result(request.envelope(), "of nothing"), false);
    try (var worker = database.worker("w")) {
      assertThat(worker.claimRepeated(request)).containsExactly("unasked|1");
    }
    assertThat(database.admin().rows("select id from pgoffload.llm_result where id = " + id))
        .isEmpty();
    assertThat(toWithdraw()).hasSize(1);
  }

  @Test
  void aResultThatWasKeptWhileItsRequestWasClaimedIsWrittenAndNotWithdrawn() {
    var id = database.inserted("app");
    var request = database.onlySent();
    failOver();
    try (var worker = database.worker("w")) {
      assertThat(worker.claimRepeated(request))
          .containsExactly("claimed|" + (attemptsBefore() + 1));
    }
    database
        .admin()
        .run(
            "insert into pgoffload.unclaimed_result (topic, partition, record_offset, id, nonce,"
                + " requested_by_oid, result) values (?, 0, 3, ?, ?::uuid, ?::text::oid, ?::json)",
            TOPIC,
            id,
            request.envelope().key().nonce().toString(),
            "" + request.envelope().requestedBy().userOid(),
            result(request.envelope(), "paid for"));
    assertThat(toWithdraw()).isEmpty();
    try (var app = database.open("app")) {
      assertThat(app.value("select llm_result(" + id + ")")).isEqualTo("paid for");
    }
  }

  @Test
  void aResultThatNothingAccountsForIsWithdrawnWhenEverythingIsWorkedOff() {
    var id = database.inserted("app");
    var envelope = database.onlySent().envelope();
    lose("llm_request", id);
    record(REQUESTS, 10);
    failOver();
    keep(7, result(envelope, "of nothing"), false);
    // a task that is executed again has another result
    var task = "{\"id\": 77, \"requested_by_oid\": 10}";
    keep(8, task, true);
    assertThat(toWithdraw()).containsExactly(TOPIC + "|0|8|77|null");
    try (var worker = database.worker("w")) {
      assertThat(
              worker
                  .session()
                  .rows(
                      "select * from pgoffload.positions_to_repeat(?, '{0}')",
                      (Object) new String[] {REQUESTS}))
          .containsExactly("1|10|null");
      worker
          .session()
          .run(
              "select pgoffload.begin_to_repeat(?, '{0}', '{20}')",
              (Object) new String[] {REQUESTS});
      assertThat(toWithdraw()).hasSize(1);
      assertThat(
              worker
                  .session()
                  .rows(
                      "select * from pgoffload.positions_to_repeat(?, '{0}')",
                      (Object) new String[] {REQUESTS}))
          .containsExactly("1|10|20");
    }
    record(REQUESTS, 20);
    assertThat(toWithdraw())
        .containsExactly(
            TOPIC + "|0|7|" + id + "|" + envelope.key().nonce(), TOPIC + "|0|8|77|null");
    database.asResults(session ->
        session.run(
            "select pgoffload.end_withdrawal(array[?, ?], '{0,0}', '{7,8}')", TOPIC, TOPIC));
    assertThat(toWithdraw()).isEmpty();
  }

  @Test
  void aConsumerThatHasNotGoneBackRecordsNoPositionAndWritesNothing() {
    record(REQUESTS, 10);
    var before = token();
    failOver();
    record(REQUESTS, 30);
    try (var worker = database.worker("w")) {
      // another has gone back with the partition
      worker
          .session()
          .run(
              "select pgoffload.begin_to_repeat(?, '{0}', '{20}')",
              (Object) new String[] {REQUESTS});
      assertThat(recordSince(worker, before, 30)).isEqualTo("f");
      assertThat(positions(worker)).containsExactly(token() + "|10|t|20");
      assertThat(recordSince(worker, token(), 20)).isEqualTo("t");
      assertThat(positions(worker)).containsExactly(token() + "|20|f|null");
    }
    database.asResults(session ->
        assertThat(
                session
                    .refused(
                        "select pgoffload.write_messages('{}', '{}', '{}', '{}', '{}', '{}', false,"
                            + " '{}', '{}', '{}', ?::uuid)",
                        before)
                    .state())
            .isEqualTo("25006"));
  }

  @Test
  void aPartitionThatEndsBeforeItsPositionIsReadFromItsBeginning() {
    record(REQUESTS, 10);
    try (var worker = database.worker("w")) {
      worker
          .session()
          .run(
              "select pgoffload.begin_to_repeat(?, '{0}', '{4}')",
              (Object) new String[] {REQUESTS});
      assertThat(positions(worker)).containsExactly(token() + "|0|t|4");
      // and one that ends before what was to come again
      assertThat(recordSince(worker, token(), 3)).isEqualTo("t");
      worker
          .session()
          .run(
              "select pgoffload.begin_to_repeat(?, '{0}', '{3}')",
              (Object) new String[] {REQUESTS});
      assertThat(positions(worker)).containsExactly(token() + "|0|t|3");
    }
  }

  private static String recordSince(PlayedWorker worker, String token, long nextOffset) {
    return String.valueOf(
        worker
            .session()
            .value(
                "select pgoffload.record_positions_since(?::uuid, ?, '{0}', array[?::bigint])",
                token, new String[] {REQUESTS}, nextOffset));
  }

  private static List<String> positions(PlayedWorker worker) {
    return worker
        .session()
        .rows(
            "select * from pgoffload.positions_at_begin(?, '{0}')",
            (Object) new String[] {REQUESTS});
  }

  @Test
  void immediateRequestsHaveOtherIdsUntilAPromotionIsAccepted() {
    database.admin().run("update pgoffload.server_timeline set timeline = 0");
    database.admin().run("select pgoffload.note_accepted_timeline()");
    try (var app = database.open("app")) {
      var id =
          app.number(
              "select pgoffload.emit_llm_request('ask', 'p', null, null, null, null, null, null,"
                  + " null, null, null, null)");
      assertThat(id & (1L << 35)).isNotZero();
    }
  }

  @Test
  void whatIsSentAgainIsTheSameRequest() {
    var id = database.inserted("app");
    var nonce = database.onlySent().envelope().key().nonce();
    database.admin().run("select pgoffload.send_llm_again(" + id + ")");
    assertThat(database.onlySent().envelope().key().nonce()).isEqualTo(nonce);
  }
}
