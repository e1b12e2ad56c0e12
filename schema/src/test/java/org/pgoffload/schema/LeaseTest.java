package org.pgoffload.schema;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// Whose lease lives, who may judge it, and what a claim that is under way does to both.
final class LeaseTest extends OnPostgresVersions {
  private PlayedWorker first;
  private PlayedWorker second;

  @BeforeEach
  void register() {
    first = closedAfterTheTest(database.worker("first"));
    second = closedAfterTheTest(database.worker("second"));
  }

  private List<SentRequest> inserted(int count) {
    for (int i = 0; i < count; i++) {
      database.inserted("app");
    }
    return database.sent();
  }

  private void letFirstDie() {
    database.letLeasesExpire("first");
    assertThat(second.renewLease(0)).isTrue();
  }

  private PlayedWorker named(String name) {
    return closedAfterTheTest(database.worker(name));
  }

  @Test
  void judgesAClaimByTheRegistrationThatMadeIt() {
    var request = inserted(1).getFirst();
    assertThat(first.claim(request)).containsExactly("claimed|1");
    var again = named("first");
    assertThat(again.epoch()).isGreaterThan(first.epoch());
    assertThat(again.claim(request)).containsExactly("held|1");
    assertThat(first.renewLease(0)).isTrue();
    assertThat(first.claim(request)).containsExactly("own|1");
    first.releaseLease();
    assertThat(again.claim(request)).containsExactly("claimed|2");
    assertThat(first.stillClaimed(List.of(request.id()), 1)).isEmpty();
    assertThat(first.renewLease(0)).isFalse();
  }

  @Test
  void showsTheRegistrationsThatLiveAndTheNewestOfAName() {
    try (var app = database.open("app")) {
      var shown = "select name, alive from llm_worker order by started_at";
      named("first");
      assertThat(app.rows(shown)).containsExactly("first|t", "second|t", "first|t");
      first.releaseLease();
      assertThat(app.rows(shown)).containsExactly("second|t", "first|t");
      database.letLeasesExpire("first");
      assertThat(app.rows(shown)).containsExactly("second|t", "first|f");
      assertThat(app.value("select detail from pgoffload.health() h where h.\"check\" = 'workers'"))
          .isEqualTo("1 worker is alive");
    }
  }

  @Test
  void removesTheLeasesOfTheDead() {
    var newest = named("first");
    database.letLeasesExpire("first", "second");
    // of a name that has a newer one, at once; others are shown for a day
    var third = named("third");
    assertThat(leases("first", "second")).containsExactlyInAnyOrder(newest.epoch(), second.epoch());
    database
        .admin()
        .run(
            "update pgoffload.worker set heartbeat_at = heartbeat_at - interval '2 days' where name <> 'third'");
    try (var claiming = Session.open(database.address())) {
      claiming.run("begin");
      claiming.run("select from pgoffload.worker where name = 'second' for key share");
      // a claim under way holds it
      var fourth = named("third");
      assertThat(leases("first", "second")).containsExactly(second.epoch());
      assertThat(leases("third")).containsExactlyInAnyOrder(third.epoch(), fourth.epoch());
      claiming.run("rollback");
    }
    database.admin().run("select pgoffload.remove_old_rows()");
    assertThat(leases("first", "second")).isEmpty();
  }

  @Test
  void removesNoLeaseThatCouldNotBeRenewedWhileTheServerWasDown() {
    var again = named("first");
    database.letLeasesExpire("first");
    var admin = database.admin();
    admin.run("select pgoffload.prepare_timeline()");
    admin.run("begin");
    try {
      admin.run("select pgoffload.begin_timeline(pgoffload.current_timeline(), null, 'accepted')");
      admin.run("select pgoffload.remove_dead_leases()");
      assertThat(leases("first")).containsExactlyInAnyOrder(first.epoch(), again.epoch());
    } finally {
      admin.run("rollback");
    }
    admin.run("select pgoffload.remove_dead_leases()");
    assertThat(leases("first")).containsExactly(again.epoch());
  }

  @Test
  void neverGivesAnEpochTwice() {
    database.admin().run("delete from pgoffload.worker");
    assertThat(named("first").epoch()).isGreaterThan(second.epoch());
  }

  @Test
  void aClaimUnderWayHoldsUpNoRenewal() {
    first.session().run("begin");
    assertThat(first.claim(inserted(1).getFirst())).containsExactly("claimed|1");
    try (var renewing = database.open("worker_login")) {
      renewing.run("set lock_timeout = '100ms'");
      assertThat(renewing.value("select pgoffload.renew_lease('first', ?, 1, '{}')", first.epoch()))
          .isEqualTo("t");
    }
    first.session().run("commit");
  }

  /// The commit of a claim takes longer than the lease lives: the claim is not visible to the next.
  @Test
  void aClaimThatOutlivesItsLeaseIsNeitherDoubleNorOrphaned() {
    var request = inserted(1).getFirst();
    first.session().run("begin");
    assertThat(first.claim(request)).containsExactly("claimed|1");
    letFirstDie();
    var next =
        database.beginWaiting(second.session(), "transactionid", () -> second.claim(request));
    first.session().run("commit");
    assertThat(next.join()).containsExactly("held|1");
    assertThat(second.claim(request)).containsExactly("claimed|2");
    assertThat(first.refusedClaim(request).state()).isEqualTo("PO001");
    assertThat(first.renewLease(0)).isTrue();
    assertThat(first.claim(request)).containsExactly("held|2");
    assertThat(first.stillClaimed(List.of(request.id()), 1)).isEmpty();
  }

  @Test
  void nothingIsTakenOverWhileAClaimOfTheDeadIsUnderWay() {
    var requests = inserted(2);
    assertThat(first.claim(requests.get(0))).containsExactly("claimed|1");
    first.session().run("begin");
    assertThat(first.claim(requests.get(1))).containsExactly("claimed|1");
    letFirstDie();
    assertThat(second.claim(requests.get(0))).containsExactly("held|1");
    first.session().run("rollback");
    assertThat(second.claim(requests.toArray(SentRequest[]::new)))
        .containsExactly("claimed|2", "claimed|1");
  }

  @Test
  void aClaimLooksAgainOnceATakeoverIsCommitted() {
    var requests = inserted(2);
    assertThat(first.claim(requests.get(0))).containsExactly("claimed|1");
    letFirstDie();
    second.session().run("begin");
    assertThat(second.claim(requests.get(0))).containsExactly("claimed|2");
    var late =
        database.beginWaiting(
            first.session(), "transactionid", () -> first.refusedClaim(requests.get(1)));
    second.session().run("commit");
    assertThat(late.join().state()).isEqualTo("PO001");
  }

  @Test
  void endsTheSessionsWhoseClaimsAreUnderWayWhenTheirWorkerIsLongDead() {
    var requests = inserted(3);
    assertThat(first.claim(requests.get(2))).containsExactly("claimed|1");
    // two at once, and a renewal between them
    first.session().run("begin");
    assertThat(first.claim(requests.get(0))).containsExactly("claimed|1");
    try (var other = database.open("worker_login");
        var watching = database.open("worker_login")) {
      other.run("begin");
      assertThat(
              other.value(
                  "select outcome from pgoffload.claim_llm('first', ?, ?, '{10}', '{null}')",
                  first.epoch(),
                  new Long[] {requests.get(1).id()}))
          .isEqualTo("claimed");
      assertThat(watching.number("select pgoffload.end_stalled_claims()")).isZero();
      letFirstDie();
      var next =
          database.beginWaiting(
              second.session(),
              "transactionid",
              () -> second.claim(requests.toArray(SentRequest[]::new)));
      // once both have been under way for worker_dead_after
      var ended = new AtomicLong();
      Awaitility.await()
          .until(
              () -> ended.addAndGet(watching.number("select pgoffload.end_stalled_claims()")) >= 2);
      assertThat(next.join()).containsExactly("claimed|1", "claimed|1", "held|1");
      assertThat(second.claim(requests.get(2))).containsExactly("claimed|2");
      assertThat(first.session().refused("select 1").state()).isEqualTo("57P01");
      assertThat(other.refused("select 1").state()).isEqualTo("57P01");
    }
  }

  /// A transaction and a group of transactions may have the same number.
  @Test
  void endsNoSessionThatSharesOnlyANumberWithAStalledClaim() {
    try (var innocent = database.open("worker_login")) {
      innocent.run("begin");
      endsOnlyTheStalledClaim(database, innocent);
    }
  }

  /// The table of leases has the same oid in a copy of the database.
  @Test
  void endsNoClaimInACopyThatSharesANumberWithAStalledClaim() {
    try (var copy = TestServer.of(version).newDatabase();
        var there = copy.worker("first")) {
      there.session().run("begin");
      assertThat(there.claim()).isEmpty();
      endsOnlyTheStalledClaim(copy, there.session());
      there.session().run("rollback");
    }
  }

  private void endsOnlyTheStalledClaim(TestDatabase place, Session innocent) {
    var request = inserted(1).getFirst();
    try (var watching = database.open("worker_login")) {
      var bystander = innocent.value("select pg_current_xact_id()");
      makeGroupsWith(place, innocent);
      first.session().run("begin");
      var claiming = first.session().value("select pg_current_xact_id()");
      assertThat(watching.rows("select xid from pg_get_multixact_members(?::text::xid)", claiming))
          .contains(bystander);
      assertThat(first.claim(request)).containsExactly("claimed|1");
      var stalled = first.session().number("select pg_backend_pid()");
      letFirstDie();
      Awaitility.await()
          .until(() -> {
            watching.run("select pgoffload.end_stalled_claims()");
            return watching.number("select count(*) from pg_stat_activity where pid = ?", stalled)
                == 0;
          });
      assertThat(first.session().refused("select 1").state()).isEqualTo("57P01");
      assertThat(innocent.value("select pg_current_xact_id()")).isEqualTo(bystander);
    }
  }

  /// Groups of lockers with all numbers up to that of the next transaction, of which each has the
  /// session's transaction.
  private static void makeGroupsWith(TestDatabase place, Session session) {
    var admin = place.admin();
    admin.run("checkpoint");
    var made = admin.number("select next_multixact_id::text::bigint from pg_control_checkpoint()");
    long side =
        admin.number(
            "select 10 + ceil(sqrt(greatest(0, pg_current_xact_id()::text::bigint - next_multixact_id::text::bigint)))"
                + " from pg_control_checkpoint()");
    admin.run(
        "create table grouped as select x, y from generate_series(1, ?) x, generate_series(1, ?) y",
        side,
        side);
    admin.run("grant select, update on grouped to pgoffload_worker");
    session.run("select count(*) from (select from grouped for key share) l");
    try (var columns = Session.open(place.address());
        var rows = Session.open(place.address())) {
      lock(columns, "x", side);
      lock(rows, "y", side);
    }
    // an earlier test may have made groups of the next transactions' numbers
    while (admin.number("select pg_current_xact_id()::text::bigint") < made) {}
  }

  /// In as many subtransactions.
  private static void lock(Session session, String column, long side) {
    session.run("begin");
    session.run(
        "do $$ begin for n in 1.."
            + side
            + " loop begin perform from grouped where "
            + column
            + " = n for key share; exception when division_by_zero then null; end; end loop; end $$");
  }

  @Test
  void aTakeoverThatIsUnderWayIsNoStalledClaim() {
    var request = inserted(1).getFirst();
    first.claim(request);
    letFirstDie();
    second.session().run("begin");
    assertThat(second.claim(request)).containsExactly("claimed|2");
    try (var watching = Session.open(database.address())) {
      var holder = watching.value("select xmax from pgoffload.worker where name = 'first'");
      assertThat(second.session().value("select pg_current_xact_id_if_assigned()"))
          .isEqualTo(holder);
      assertThat(watching.rows("select pgoffload.stalled_claims()")).doesNotContain(holder);
    }
    second.session().run("commit");
  }

  /// Until the standby is there no commit returns, and what has been claimed cannot be seen.
  @Test
  void aClaimThatWaitsForAStandbyIsNeitherDoubleNorOrphaned() {
    var request = inserted(1).getFirst();
    var admin = database.admin();
    // what the test itself commits does not wait
    admin.run("set synchronous_commit = local");
    second.session().run("set synchronous_commit = local");
    var other = named("other");
    var away = new AtomicBoolean(true);
    try (var watching = database.open("worker_login")) {
      CompletableFuture<List<String>> stalled;
      CompletableFuture<List<String>> next;
      CompletableFuture<Boolean> renewing;
      admin.run("alter system set synchronous_standby_names = 'away'");
      admin.run("select pg_reload_conf()");
      try {
        // the server begins to wait a moment after it was told to
        renewing =
            database.beginWaiting(
                other.session(),
                "SyncRep",
                () -> {
                  boolean renewed = true;
                  while (away.get()) {
                    renewed &= other.renewLease(0);
                  }
                  return renewed;
                });
        stalled = database.beginWaiting(first.session(), "SyncRep", () -> first.claim(request));
        letFirstDie();
        next =
            database.beginWaiting(second.session(), "transactionid", () -> second.claim(request));
        // its commit is decided, and waits for what every other waits for
        assertThat(watching.rows("select pgoffload.stalled_claims()"))
            // beside others where its number is also that of a group of transactions
            .contains(admin.value("select xmax from pgoffload.worker where name = 'first'"));
        assertThat(watching.number("select pgoffload.end_stalled_claims()")).isZero();
        assertThat(next).isNotDone();
      } finally {
        away.set(false);
        admin.run("alter system reset synchronous_standby_names");
        admin.run("select pg_reload_conf()");
        admin.run("reset synchronous_commit");
      }
      assertThat(renewing.join()).isTrue();
      assertThat(stalled.join()).containsExactly("claimed|1");
      assertThat(next.join()).containsExactly("held|1");
      assertThat(second.claim(request)).containsExactly("claimed|2");
    } finally {
      second.session().run("reset synchronous_commit");
    }
  }

  /// As after a cut of the network: all come back at about the same time.
  @Test
  void aWorkerThatReturnsAfterAGapTakesNobodyForDead() {
    var requests = inserted(2);
    var released = named("released");
    assertThat(first.claim(requests.get(0))).containsExactly("claimed|1");
    assertThat(released.claim(requests.get(1))).containsExactly("claimed|1");
    released.releaseLease();
    database.letLeasesExpire("first", "second");
    assertThat(second.renewLease(0)).isTrue();
    assertThat(second.claim(requests.toArray(SentRequest[]::new)))
        .containsExactly("held|1", "claimed|2");
    // the other one comes back a moment later
    assertThat(first.renewLease(0)).isTrue();
    assertThat(first.claim(requests.get(0))).containsExactly("own|1");
    database.letLeasesExpire("first");
    assertThat(second.claim(requests.get(0))).containsExactly("held|1");
    // without another gap for worker_dead_after
    Awaitility.await()
        .until(() -> {
          assertThat(second.renewLease(0)).isTrue();
          return second.claim(requests.get(0)).equals(List.of("claimed|2"));
        });
  }

  @Test
  void aRenewalFollowsAGapOnceOthersMayCountTheWorkerAsDead() {
    var admin = database.admin();
    admin.run("update pgoffload.setting set value = '1 min' where name = 'worker_dead_after'");
    try {
      for (var age : List.of("50 s", "61 s")) {
        admin.run(
            "update pgoffload.worker set heartbeat_at = clock_timestamp() - ?::interval", age);
        assertThat(second.renewLease(0)).isTrue();
        assertThat(
                admin.value(
                    "select returned_at is not null from pgoffload.worker where name = 'second'"))
            .isEqualTo(age.equals("61 s") ? "t" : "f");
      }
    } finally {
      admin.run("update pgoffload.setting set value = '4 s' where name = 'worker_dead_after'");
    }
  }

  @Test
  void theGapsOfOneRegistrationAreNotThoseOfTheNext() {
    var request = inserted(1).getFirst();
    assertThat(first.claim(request)).containsExactly("claimed|1");
    database.letLeasesExpire("first", "second");
    assertThat(second.renewLease(0)).isTrue();
    assertThat(second.claim(request)).containsExactly("held|1");
    assertThat(named("second").claim(request)).containsExactly("claimed|2");
  }

  private List<Long> leases(String... names) {
    return database
        .admin()
        .rows("select epoch from pgoffload.worker where name = any (?)", (Object) names)
        .stream()
        .map(Long::valueOf)
        .toList();
  }
}
