package org.pgoffload.worker.delivery.trust;

import java.sql.SQLException;
import java.time.Duration;
import java.time.InstantSource;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.HeaderText;
import org.pgoffload.protocol.DeadLetterReason;
import org.pgoffload.protocol.Envelope;
import org.pgoffload.protocol.MalformedMessageException;
import org.pgoffload.protocol.RecordHeaders;
import org.pgoffload.protocol.Signature;

/// Decides whether a record may be executed: whether the database signed exactly these bytes, for
/// this installation, and recently enough that a claim of it cannot have been removed.
///
/// Safe to share between threads.
public final class VerifyRequest {
  private final SigningKeyCache trust;
  private final InstantSource clock;

  /// @param clock the database's
  public VerifyRequest(SigningKeyCache trust, InstantSource clock) {
    this.trust = trust;
    this.clock = clock;
  }

  /// What became of a record.
  public sealed interface Verdict {
    /// It may be executed.
    record Trusted(Envelope envelope) implements Verdict {}

    /// It may not, now or later.
    ///
    /// @param ours what can be read of it, if this installation has signed it: somebody waits for
    ///   its end. Null if it is forged, foreign, or does not say whose it is
    record Refused(DeadLetterReason reason, String detail, @Nullable Envelope ours)
        implements Verdict {
      public Refused(DeadLetterReason reason, String detail) {
        this(reason, detail, null);
      }
    }

    /// Its key is not among those that were read last; it may be newer than they are. To be
    /// verified again after [VerifyRequest#readKeysAgain()].
    record UnknownKey() implements Verdict {}
  }

  /// Verifies with the keys as they were read last.
  public Verdict verify(ConsumerRecord<byte[], byte[]> record) {
    return verify(record, false);
  }

  /// Verifies with keys that were read after the record came: an unknown key is refused.
  public Verdict verifyWithTheseKeys(ConsumerRecord<byte[], byte[]> record) {
    return verify(record, true);
  }

  /// Reads the keys again.
  ///
  /// @throws SQLException if the database cannot be asked; the keys stay as they were
  public void readKeysAgain() throws SQLException {
    trust.readAgain();
  }

  private Verdict verify(ConsumerRecord<byte[], byte[]> record, boolean keysAreNew) {
    var signed = HeaderText.read(record.headers(), RecordHeaders.SIGNATURE);
    byte @Nullable [] value = record.value();
    if (signed == null || value == null) {
      return new Verdict.Refused(DeadLetterReason.MALFORMED, "the record is not signed");
    }
    try {
      var signature = Signature.parse(signed);
      var keys = trust.keys();
      if (!keysAreNew && !keys.knows(signature.keyId())) {
        return new Verdict.UnknownKey();
      }
      if (!keys.verify(value, signature)) {
        return new Verdict.Refused(
            DeadLetterReason.BAD_SIGNATURE,
            keys.knows(signature.keyId())
                ? "the signature does not match key " + signature.keyId() + " of this installation"
                : "key " + signature.keyId() + " is none of this installation's, or was revoked");
      }
    } catch (MalformedMessageException e) {
      return new Verdict.Refused(e.reason(), String.valueOf(e.getMessage()));
    }
    try {
      return checkOrigin(Envelope.read(value));
    } catch (MalformedMessageException e) {
      var ours =
          Envelope.readWithoutPayload(value)
              .filter(envelope -> envelope.installation().equals(trust.installation()))
              .orElse(null);
      return new Verdict.Refused(e.reason(), String.valueOf(e.getMessage()), ours);
    }
  }

  private Verdict checkOrigin(Envelope envelope) {
    if (!envelope.installation().equals(trust.installation())) {
      return new Verdict.Refused(
          DeadLetterReason.OTHER_INSTALLATION,
          "request " + envelope.id() + " was signed by another installation");
    }
    var age = Duration.between(envelope.signedAt(), clock.instant());
    if (age.compareTo(trust.oldest()) > 0) {
      return new Verdict.Refused(
          DeadLetterReason.TOO_OLD,
          "request "
              + envelope.id()
              + " is "
              + age.toHours()
              + " h old; older than half the retention is not executed",
          envelope);
    }
    return new Verdict.Trusted(envelope);
  }
}
