package org.pgoffload.worker.delivery;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.awaitility.Awaitility.await;

import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import javax.sql.DataSource;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.pgoffload.dev.servers.PostgresOptions;
import org.pgoffload.dev.servers.PostgresServer;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.platform.DatabaseFault;
import org.pgoffload.protocol.DeadLetterReason;
import org.pgoffload.protocol.Secret;
import org.pgoffload.protocol.TopicNames;
import org.pgoffload.schema.InstallSchema;
import org.pgoffload.worker.TestInstallation;
import org.pgoffload.worker.TestRequests;
import org.pgoffload.worker.WorkerConfiguration;
import org.pgoffload.worker.llm.calls.CallSettings;
import org.pgoffload.worker.sql.SqlLimits;
import org.postgresql.ds.PGSimpleDataSource;

/// What the worker asks of the database: claims, leases and keys. All as the role pgoffload_worker.
final class ClaimRequestsTest {
  private static final AtomicLong IDS = new AtomicLong(1000);

  private static PostgresServer postgres;
  private static DatabaseAddress admin;
  private static DataSource database;

  @BeforeAll
  static void install() throws SQLException {
    postgres = PostgresServer.start(PostgresOptions.temporary("secret"));
    admin =
        new DatabaseAddress(
            postgres.host(),
            postgres.port(),
            "postgres",
            "postgres",
            Secret.of("secret"),
            Map.of());
    InstallSchema.run(admin, "public");
    execute("alter role pgoffload_worker login password 'secret'");
    var source = new PGSimpleDataSource();
    source.setURL(postgres.jdbcUrl("postgres", "pgoffload_worker", "secret"));
    database = source;
  }

  @AfterAll
  static void end() {
    postgres.close();
  }

  @Test
  void aFirstClaimIsTheFirstAttempt() throws Exception {
    try (var lease = lease("first")) {
      var request = request();
      var claim = new ClaimRequests(database, lease).claim(List.of(request)).get(request.id());
      assertThat(claim)
          .isInstanceOfSatisfying(
              Claim.Claimed.class, claimed -> assertThat(claimed.attempt()).isEqualTo(1));
    }
  }

  @Test
  void aClaimOfALiveWorkerIsHeldForOthersAndOwnForItself() throws Exception {
    try (var mine = lease("mine");
        var theirs = lease("theirs")) {
      var request = request();
      var claims = new ClaimRequests(database, theirs);
      claims.claim(List.of(request));
      assertThat(new ClaimRequests(database, mine).claim(List.of(request)).get(request.id()))
          .isEqualTo(new Claim.Held());
      assertThat(claims.claim(List.of(request)).get(request.id()))
          .isInstanceOfSatisfying(
              Claim.Own.class, own -> assertThat(own.claimed().attempt()).isEqualTo(1));
    }
  }

  @Test
  void aClaimOfAClosedWorkerIsTakenOverAsTheNextAttempt() throws Exception {
    var request = request();
    try (var closing = lease("closing")) {
      new ClaimRequests(database, closing).claim(List.of(request));
    }
    try (var next = lease("next")) {
      assertThat(new ClaimRequests(database, next).claim(List.of(request)).get(request.id()))
          .isInstanceOfSatisfying(
              Claim.Claimed.class, claimed -> assertThat(claimed.attempt()).isEqualTo(2));
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
      assertThat(new ClaimRequests(database, lease).claim(List.of(request)))
          .isEqualTo(Map.of(request.id(), new Claim.Answered()));
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
      new ClaimRequests(database, lease).claim(List.of(request));
      new ClaimRequests(database, lease).claim(List.of(request));
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
      claims.claim(List.of(before));
      long epoch = lease.epoch();
      execute("update pgoffload.setting set value = '0 s' where name = 'worker_dead_after'");
      var fault = catchThrowableOfType(SQLException.class, () -> claims.claim(List.of(request())));
      execute("update pgoffload.setting set value = '4 s' where name = 'worker_dead_after'");
      assertThat(fault.getSQLState()).isEqualTo("PO001");
      assertThat(claims.claim(List.of(before)).get(before.id())).isInstanceOf(Claim.Own.class);
      assertThat(lease.epoch()).isEqualTo(epoch);
    }
  }

  @Test
  void aLeaseThatIsGoneIsRegisteredAnewAndGivesUpItsClaims() throws Exception {
    try (var lease = lease("replaced")) {
      var claims = new ClaimRequests(database, lease);
      var request = request();
      claims.claim(List.of(request));
      long epoch = lease.epoch();
      execute("update pgoffload.worker set released_at = now() where name = 'replaced'");
      assertThat(claims.claim(List.of(request)).get(request.id()))
          .isInstanceOfSatisfying(
              Claim.Claimed.class, claimed -> assertThat(claimed.attempt()).isEqualTo(2));
      assertThat(lease.epoch()).isEqualTo(epoch + 1);
    }
  }

  @Test
  void aClosedLeaseStaysClosed() throws Exception {
    var lease = lease("closed");
    lease.close();
    await()
        .during(Duration.ofMillis(1500))
        .atMost(Duration.ofSeconds(30))
        .until(() -> query("select pgoffload.worker_is_alive('closed', 1)").equals("f"));
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
  void anIdThatNoPartitionTakesIsTheDatasFault() throws Exception {
    try (var lease = lease("refused")) {
      var far = TestRequests.received(1L << 40, () -> {});
      assertThatThrownBy(() -> new ClaimRequests(database, lease).claim(List.of(far)))
          .isInstanceOfSatisfying(
              SQLException.class, fault -> assertThat(DatabaseFault.isDataError(fault)).isTrue());
    }
  }

  @Test
  void onlyWhatTheDatabaseSignedIsTrusted() throws Exception {
    var verify = verify(Instant.now());
    var envelope = envelope(Instant.now());
    assertThat(verify.verify(signed(envelope))).isInstanceOf(VerifyRequest.Verdict.Trusted.class);
    assertThat(reason(verify.verify(TestRequests.record(envelope, ""))))
        .isEqualTo(DeadLetterReason.MALFORMED);
    assertThat(reason(verify.verify(TestRequests.record(envelope, "1:abc"))))
        .isEqualTo(DeadLetterReason.MALFORMED);
    assertThat(reason(verify.verify(TestRequests.record(envelope, key() + ":" + "0".repeat(64)))))
        .isEqualTo(DeadLetterReason.BAD_SIGNATURE);
    assertThat(
            reason(
                verify.verify(
                    TestRequests.record(envelope.replace("why?", "evil"), signature(envelope)))))
        .isEqualTo(DeadLetterReason.BAD_SIGNATURE);
    var nothing = new ConsumerRecord<byte[], byte[]>("t", 0, 1, new byte[0], null);
    assertThat(reason(verify.verify(nothing))).isEqualTo(DeadLetterReason.MALFORMED);
  }

  @Test
  void aKeyThatIsRotatedInIsTrustedOnceItWasReadAndAnUnknownOneRefused() throws Exception {
    var verify = verify(Instant.now());
    execute("select pgoffload.new_signing_key()");
    var record = signed(envelope(Instant.now()));
    assertThat(verify.verify(record)).isEqualTo(new VerifyRequest.Verdict.UnknownKey());
    verify.readKeysAgain();
    assertThat(verify.verify(record)).isInstanceOf(VerifyRequest.Verdict.Trusted.class);
    var unknown = TestRequests.record(envelope(Instant.now()), "999999:" + "0".repeat(64));
    assertThat(verify.verify(unknown)).isEqualTo(new VerifyRequest.Verdict.UnknownKey());
    assertThat(reason(verify.verifyWithTheseKeys(unknown)))
        .isEqualTo(DeadLetterReason.BAD_SIGNATURE);
  }

  @Test
  void whatIsSignedButNotForHereAndNowIsRefused() throws Exception {
    var now = Instant.now();
    var verify = verify(now);
    assertThat(reason(verify.verify(signed(envelope(now.minus(Duration.ofHours(85)))))))
        .isEqualTo(DeadLetterReason.TOO_OLD);
    assertThat(verify.verify(signed(envelope(now.minus(Duration.ofHours(83))))))
        .isInstanceOf(VerifyRequest.Verdict.Trusted.class);
    assertThat(
            reason(
                verify.verify(
                    signed(
                        envelope(now)
                            .replace(query("select id from pgoffload.installation"), "another")))))
        .isEqualTo(DeadLetterReason.OTHER_INSTALLATION);
    assertThat(
            reason(
                verify.verify(signed(envelope(now).replace("\"version\": 1", "\"version\": 2")))))
        .isEqualTo(DeadLetterReason.UNKNOWN_VERSION);
    assertThat(reason(verify.verify(signed("garbage")))).isEqualTo(DeadLetterReason.MALFORMED);
    assertThat(reason(verify.verify(signed("{}")))).isEqualTo(DeadLetterReason.MALFORMED);
  }

  private static VerifyRequest verify(Instant now) throws SQLException {
    return new VerifyRequest(new SigningKeyCache(database), () -> now);
  }

  private static DeadLetterReason reason(VerifyRequest.Verdict verdict) {
    return ((VerifyRequest.Verdict.Refused) verdict).reason();
  }

  private static String envelope(Instant signedAt) throws SQLException {
    return TestRequests.envelope(1, "ask", "{\"prompt\": \"why?\"}", 60_000)
        .replace(
            "\"installation\": \"i\"",
            "\"installation\": \"" + query("select id from pgoffload.installation") + "\"")
        .replace("1000000", signedAt.toEpochMilli() + "000");
  }

  private static ConsumerRecord<byte[], byte[]> signed(String envelope) throws SQLException {
    return TestRequests.record(envelope, signature(envelope));
  }

  private static String signature(String envelope) throws SQLException {
    return key()
        + ":"
        + TestInstallation.mac(
            query(
                "select encode(key, 'hex') from pgoffload.signing_key order by key_id desc limit 1"),
            envelope);
  }

  private static String key() throws SQLException {
    return query("select max(key_id) from pgoffload.signing_key");
  }

  private static Lease lease(String name) throws SQLException {
    return new Lease(
        database,
        new WorkerConfiguration(
            name,
            "test",
            admin,
            null,
            SqlLimits.DEFAULT,
            new TopicNames("t"),
            Map.of(),
            1,
            1,
            1,
            WorkerConfiguration.DEFAULT_DEFER_AFTER,
            CallSettings.DEFAULTS,
            Duration.ZERO),
        "fake",
        "fake-1",
        () -> 0,
        () -> "{}");
  }

  private static ConsumedRequest request() {
    return TestRequests.received(IDS.incrementAndGet(), () -> {});
  }

  private static void execute(String sql) throws SQLException {
    try (var connection = admin.connect("test");
        var statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }

  private static String query(String sql) throws SQLException {
    try (var connection = admin.connect("test");
        var statement = connection.createStatement();
        var row = statement.executeQuery(sql)) {
      row.next();
      return String.valueOf(row.getString(1));
    }
  }
}
