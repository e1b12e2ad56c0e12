package org.pgoffload.worker.llm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.awaitility.Awaitility.await;

import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicLong;
import javax.sql.DataSource;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.pgoffload.platform.DatabaseFault;
import org.pgoffload.worker.delivery.Claim;
import org.pgoffload.worker.delivery.ConsumedRequest;
import org.pgoffload.worker.delivery.TestRequests;
import org.pgoffload.worker.delivery.WorkerDatabase;
import org.pgoffload.worker.delivery.lease.ClaimFence;
import org.pgoffload.worker.delivery.lease.ClaimLostException;
import org.pgoffload.worker.delivery.lease.Lease;

/// What the worker asks of the database: claims and leases. All as the role pgoffload_worker.
final class ClaimRequestsTest {
  private static final AtomicLong IDS = new AtomicLong(1000);

  @AutoClose private static final WorkerDatabase server = new WorkerDatabase();

  private static final DataSource database = server.worker();

  @Test
  void aFirstClaimIsTheFirstAttempt() throws Exception {
    try (var lease = lease("first")) {
      var request = request();
      var claim =
          new ClaimRequests(database, lease)
              .claim(List.of(request), ClaimRequestsTest::isInserted, null)
              .get(request.id());
      assertThat(claim)
          .isInstanceOfSatisfying(
              Claim.Claimed.class, claimed -> assertThat(claimed.attempt().attempt()).isEqualTo(1));
    }
  }

  @Test
  void aClaimOfALiveWorkerIsHeldForOthersAndOwnForItself() throws Exception {
    try (var mine = lease("mine");
        var theirs = lease("theirs")) {
      var request = request();
      var claims = new ClaimRequests(database, theirs);
      claims.claim(List.of(request), ClaimRequestsTest::isInserted, null);
      assertThat(
              new ClaimRequests(database, mine)
                  .claim(List.of(request), ClaimRequestsTest::isInserted, null)
                  .get(request.id()))
          .isEqualTo(new Claim.Held<LlmAttempt>());
      assertThat(
              claims.claim(List.of(request), ClaimRequestsTest::isInserted, null).get(request.id()))
          .isInstanceOfSatisfying(
              Claim.Own.class, own -> assertThat(own.attempt().attempt()).isEqualTo(1));
    }
  }

  @Test
  void aClaimOfAClosedWorkerIsTakenOverAsTheNextAttempt() throws Exception {
    var request = request();
    try (var closing = lease("closing")) {
      new ClaimRequests(database, closing)
          .claim(List.of(request), ClaimRequestsTest::isInserted, null);
    }
    try (var next = lease("next")) {
      assertThat(
              new ClaimRequests(database, next)
                  .claim(List.of(request), ClaimRequestsTest::isInserted, null)
                  .get(request.id()))
          .isInstanceOfSatisfying(
              Claim.Claimed.class, claimed -> assertThat(claimed.attempt().attempt()).isEqualTo(2));
    }
  }

  @Test
  void whatHasItsResultIsAnswered() throws Exception {
    try (var lease = lease("late")) {
      var request = request();
      execute(
          "insert into pgoffload.llm_result (id, kind, status, requested_by_oid, attempts,"
              + " finished_at) values ("
              + request.id()
              + ", 'ask', 'succeeded', 10, 1, now())");
      assertThat(
              new ClaimRequests(database, lease)
                  .claim(List.of(request), ClaimRequestsTest::isInserted, null))
          .isEqualTo(Map.of(request.id(), new Claim.Answered<LlmAttempt>()));
    }
  }

  @Test
  void anImmediateRequestIsRecordedWithItsClaim() throws Exception {
    try (var lease = lease("recorder")) {
      long id = IDS.incrementAndGet();
      var request =
          TestRequests.received(
              TestRequests.envelope(id, "ask", "{\"prompt\": \"why?\"}", 60_000)
                  .replace("\"immediate\": false", "\"immediate\": true"),
              () -> {});
      new ClaimRequests(database, lease)
          .claim(List.of(request), ClaimRequestsTest::isInserted, null);
      new ClaimRequests(database, lease)
          .claim(List.of(request), ClaimRequestsTest::isInserted, null);
      assertThat(
              query(
                  "select string_agg(prompt || immediate || requested_by, ',') from llm_request"
                      + " where id = "
                      + id))
          .isEqualTo("why?truealice");
    }
  }

  @Test
  void aLeaseThatHasRunOutIsRenewedAndKeepsItsClaims() throws Exception {
    try (var lease = lease("sleeper")) {
      var claims = new ClaimRequests(database, lease);
      var before = request();
      claims.claim(List.of(before), ClaimRequestsTest::isInserted, null);
      long epoch = lease.epoch();
      execute("update pgoffload.setting set value = '0 s' where name = 'worker_dead_after'");
      var fault =
          catchThrowableOfType(
              SQLException.class,
              () -> claims.claim(List.of(request()), ClaimRequestsTest::isInserted, null));
      execute("update pgoffload.setting set value = '4 s' where name = 'worker_dead_after'");
      assertThat(fault.getSQLState()).isEqualTo("PO001");
      assertThat(
              claims.claim(List.of(before), ClaimRequestsTest::isInserted, null).get(before.id()))
          .isInstanceOf(Claim.Own.class);
      assertThat(lease.epoch()).isEqualTo(epoch);
    }
  }

  @Test
  void aLeaseThatIsGoneIsRegisteredAnewAndGivesUpItsClaims() throws Exception {
    try (var lease = lease("replaced")) {
      var claims = new ClaimRequests(database, lease);
      var request = request();
      claims.claim(List.of(request), ClaimRequestsTest::isInserted, null);
      long epoch = lease.epoch();
      execute("update pgoffload.worker set released_at = now() where name = 'replaced'");
      assertThat(
              claims.claim(List.of(request), ClaimRequestsTest::isInserted, null).get(request.id()))
          .isInstanceOfSatisfying(
              Claim.Claimed.class, claimed -> assertThat(claimed.attempt().attempt()).isEqualTo(2));
      assertThat(lease.epoch()).isEqualTo(epoch + 1);
    }
  }

  @Test
  void nothingBeginsUnderAClaimOfAnEarlierRegistration() throws Exception {
    try (var lease = lease("fenced")) {
      var claims = new ClaimRequests(database, lease);
      var request = request();
      long lapses = lease.leaseLapses();
      claims.claim(List.of(request), ClaimRequestsTest::isInserted, null);
      var fenced = new ClaimFence(database, lease).fence(request.envelope(), 1, lapses);
      assertThat(fenced.confirm(Duration.ofSeconds(30))).isTrue();
      long epoch = lease.epoch();
      execute("delete from pgoffload.worker where name = 'fenced'");
      lease.recover(epoch);
      assertThat(lease.epoch()).isGreaterThan(epoch);
      assertThatThrownBy(() -> fenced.confirm(Duration.ofSeconds(30)))
          .isInstanceOf(ClaimLostException.class);
      assertThat(
              claims.claim(List.of(request), ClaimRequestsTest::isInserted, null).get(request.id()))
          .isInstanceOfSatisfying(
              Claim.Claimed.class, claimed -> assertThat(claimed.attempt().attempt()).isEqualTo(2));
    }
  }

  @Test
  void aClosedLeaseStaysClosed() throws Exception {
    var lease = lease("closed");
    lease.close();
    await()
        .during(Duration.ofMillis(1500))
        .atMost(Duration.ofSeconds(30))
        .until(() ->
            query("select pgoffload.worker_is_alive('closed', " + lease.epoch() + ")").equals("f"));
  }

  @Test
  void aLeaseSurvivesARestartOfItsServer() throws Exception {
    execute(
        "insert into pgoffload.worker (name, epoch, provider, model, version, heartbeat_at)"
            + " values ('out', 1, 'p', 'm', 'v', now() - interval '1 hour')");
    execute("update pgoffload.setting set value = '1 day' where name = 'worker_dead_after'");
    assertThat(query("select pgoffload.worker_is_alive('out', 1)")).isEqualTo("t");
    execute(
        "update pgoffload.worker set heartbeat_at = now() - interval '10 days' where name = 'out'");
    // by its heartbeat it is long dead, but the server has not been up for a day
    assertThat(query("select pgoffload.worker_is_alive('out', 1)")).isEqualTo("t");
    execute("update pgoffload.setting set value = '4 s' where name = 'worker_dead_after'");
    await()
        .atMost(Duration.ofSeconds(30))
        .until(() -> query("select pgoffload.worker_is_alive('out', 1)").equals("f"));
  }

  @Test
  void nothingIsClaimedOnAnotherTimelineThanItsConsumers() throws Exception {
    try (var lease = lease("late")) {
      var request = request();
      var claims = new ClaimRequests(database, lease);
      assertThatThrownBy(
              () -> claims.claim(List.of(request), ClaimRequestsTest::isInserted, new UUID(0, 1)))
          .isInstanceOfSatisfying(
              SQLException.class,
              fault ->
                  assertThat(DatabaseFault.is(fault, DatabaseFault.READ_ONLY_TRANSACTION))
                      .isTrue());
      var token = UUID.fromString(query("select pgoffload.current_token()"));
      assertThat(claims.claim(List.of(request), ClaimRequestsTest::isInserted, token)).hasSize(1);
    }
  }

  @Test
  void anIdThatNoPartitionTakesIsTheDatasFault() throws Exception {
    try (var lease = lease("refused")) {
      var far = TestRequests.received(1L << 40, () -> {});
      assertThatThrownBy(() ->
              new ClaimRequests(database, lease)
                  .claim(List.of(far), ClaimRequestsTest::isInserted, null))
          .isInstanceOfSatisfying(
              SQLException.class, fault -> assertThat(DatabaseFault.isDataError(fault)).isTrue());
    }
  }

  @Test
  void whatANewerRequestHasOvertakenIsRefused() throws Exception {
    try (var lease = lease("overtaken")) {
      assertThat(claimThatComesBackAs("superseded", lease))
          .isInstanceOfSatisfying(
              Claim.Refused.class,
              refused ->
                  assertThat(((LlmAttempt) refused.attempt()).refusal())
                      .isEqualTo(new LlmAttempt.Refusal(LlmAttempt.Reason.SUPERSEDED, "")));
    }
  }

  @Test
  void anOutcomeOfALaterVersionIsNoClaim() throws Exception {
    try (var lease = lease("old")) {
      assertThatThrownBy(() -> claimThatComesBackAs("of_tomorrow", lease))
          .isInstanceOf(SQLException.class)
          .hasMessageContaining("'of_tomorrow': upgrade this worker");
    }
  }

  private static Claim<LlmAttempt> claimThatComesBackAs(String outcome, Lease lease)
      throws SQLException {
    var function =
        "pgoffload.claim_llm_since(uuid, text, bigint, bigint[], oid[], text[], uuid[], boolean[])";
    execute("alter function " + function + " rename to claim_really");
    try {
      execute(
          """
          create function pgoffload.claim_llm_since(
            uuid, text, bigint, ids bigint[], oid[], text[], uuid[], boolean[])
          returns table (id bigint, outcome text, attempt integer, claimed_at timestamptz, detail text)
          language sql as $$ select ids[1], '%s', 1, now(), null $$
          """
              .formatted(outcome));
      execute("grant execute on function " + function + " to pgoffload_worker");
      var request = request();
      return Objects.requireNonNull(
          new ClaimRequests(database, lease)
              .claim(List.of(request), ClaimRequestsTest::isInserted, null)
              .get(request.id()));
    } finally {
      execute("drop function if exists " + function);
      execute(
          "alter function "
              + function.replace("claim_llm_since", "claim_really")
              + " rename to claim_llm_since");
    }
  }

  private static Lease lease(String name) throws SQLException {
    return new Lease(
        database,
        new Lease.Label(name, "test", "fake", "fake-1", null),
        new Lease.Doing() {
          @Override
          public int running() {
            return 0;
          }

          @Override
          public String summary() {
            return "{}";
          }
        });
  }

  private static ConsumedRequest request() {
    return TestRequests.received(IDS.incrementAndGet(), () -> {});
  }

  private static void execute(String sql) throws SQLException {
    server.execute(sql);
  }

  private static String query(String sql) throws SQLException {
    return server.query(sql);
  }

  /// No immediate request is recorded before its claim.
  private static boolean isInserted(ConsumedRequest request) {
    return !request.envelope().immediate();
  }
}
