package org.pgoffload.worker.delivery;

import java.nio.charset.StandardCharsets;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.DeadLetterReason;
import org.pgoffload.protocol.Envelope;

/// A request that the database has signed, with the record it was received in.
///
/// @param envelope what is asked
/// @param record whose value is the envelope as it was signed
/// @param finish tells the partition's watermark that the record needs nothing any more; idempotent
/// @param refusal why it is not executed but ends as failed once it is claimed; null if it is
///   executed
/// @param repeated whether its record may have come before the last fail-over: another server may
///   have had its claim and its result
public record ConsumedRequest(
    Envelope envelope,
    ConsumerRecord<byte[], byte[]> record,
    Runnable finish,
    @Nullable Refusal refusal,
    boolean repeated) {
  /// Why a request is not executed.
  public record Refusal(DeadLetterReason reason, String detail) {
    /// In words, with what to do.
    public String words() {
      return "it was not executed: " + detail + "; it is kept with the dead letters: " + HINT;
    }
  }

  /// What to do about a request that was not executed.
  public static final String HINT = "pgoffload dead-letters list, and replay to send it again";

  public ConsumedRequest(
      Envelope envelope, ConsumerRecord<byte[], byte[]> record, Runnable finish) {
    this(envelope, record, finish, null, false);
  }

  /// The same, whose record may have come before the last fail-over.
  ConsumedRequest asRepeated() {
    return repeated ? this : new ConsumedRequest(envelope, record, finish, refusal, true);
  }

  /// Whether the database can record it as it was signed.
  public boolean isReadable() {
    return refusal == null || refusal.reason() == DeadLetterReason.TOO_OLD;
  }

  public long id() {
    return envelope.id();
  }

  /// Whether the database has lost it in a fail-over unless it has a row of it.
  public boolean mayBeLost() {
    return repeated && isReadable();
  }

  public int size() {
    return record.value().length;
  }

  /// The envelope as it was signed.
  public String signedText() {
    return new String(record.value(), StandardCharsets.UTF_8);
  }

  @Override
  public String toString() {
    return "ConsumedRequest[id=" + id() + "]";
  }
}
