package org.pgoffload.worker.delivery.records;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import java.time.Duration;
import java.time.Instant;
import org.apache.kafka.common.TopicPartition;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.Envelope;
import org.pgoffload.protocol.Identity;
import org.pgoffload.protocol.RequestKey;

/// What is known of a request whose record is not in memory: where the record lies, and what its
/// end needs should it not lie there any more. Kept small, because a million of them may wait.
///
/// @param partition where the record lies
/// @param signedAt in milliseconds of the epoch, by the database's clock
/// @param createdAt as signedAt: earlier if the request was sent again
/// @param timeoutMillis -1 for none
/// @param bytes of the record's value
/// @param head what many requests have in common
public record RequestReference(
    RequestKey key,
    TopicPartition partition,
    long offset,
    long signedAt,
    long createdAt,
    long timeoutMillis,
    int bytes,
    Head head) {
  /// What the requests of one requester have in common.
  public record Head(String kind, boolean immediate, String installation, Identity requestedBy) {}

  public long id() {
    return key.id();
  }

  /// What is kept of a request.
  ///
  /// @param bytes of the record's value
  public static RequestReference to(
      Envelope envelope, TopicPartition partition, long offset, int bytes, Head head) {
    var timeout = envelope.timeout();
    return new RequestReference(
        envelope.key(),
        partition,
        offset,
        envelope.signedAt().toEpochMilli(),
        envelope.createdAt().toEpochMilli(),
        timeout == null ? -1 : timeout.toMillis(),
        bytes,
        head);
  }

  public static Head head(Envelope envelope) {
    return new Head(
        envelope.kind(), envelope.immediate(), envelope.installation(), envelope.requestedBy());
  }

  /// The envelope without its payload: enough to end the request.
  public Envelope envelope() {
    @Nullable Duration timeout = timeoutMillis < 0 ? null : Duration.ofMillis(timeoutMillis);
    return new Envelope(
        key,
        head.kind,
        null,
        head.immediate,
        head.installation,
        new Envelope.Times(
            Instant.ofEpochMilli(signedAt), Instant.ofEpochMilli(createdAt), timeout),
        head.requestedBy,
        JsonNodeFactory.instance.objectNode());
  }
}
