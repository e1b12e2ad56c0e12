package org.pgoffload.worker.delivery.trust;

import static org.assertj.core.api.Assertions.assertThat;

import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import javax.sql.DataSource;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.pgoffload.protocol.DeadLetterReason;
import org.pgoffload.worker.delivery.TestRequests;
import org.pgoffload.worker.delivery.WorkerDatabase;

/// Which records are executed, by the keys that the role pgoffload_worker reads.
final class VerifyRequestTest {
  @AutoClose private static final WorkerDatabase server = new WorkerDatabase();

  private static final DataSource database = server.worker();

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
        + TestRequests.mac(
            query(
                "select encode(key, 'hex') from pgoffload.signing_key order by key_id desc limit 1"),
            envelope);
  }

  private static String key() throws SQLException {
    return query("select max(key_id) from pgoffload.signing_key");
  }

  private static void execute(String sql) throws SQLException {
    server.execute(sql);
  }

  private static String query(String sql) throws SQLException {
    return server.query(sql);
  }
}
