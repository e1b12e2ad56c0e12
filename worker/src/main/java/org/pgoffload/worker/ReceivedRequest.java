package org.pgoffload.worker;

import java.nio.charset.StandardCharsets;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.pgoffload.protocol.Envelope;

/// A verified request, with the record it was received in.
///
/// @param envelope what is asked
/// @param record whose value is the envelope as it was signed
/// @param finish tells the partition's watermark that the record needs nothing any more; idempotent
record ReceivedRequest(Envelope envelope, ConsumerRecord<byte[], byte[]> record, Runnable finish) {
  long id() {
    return envelope.id();
  }

  int size() {
    return record.value().length;
  }

  /// The envelope as it was signed.
  String signedText() {
    return new String(record.value(), StandardCharsets.UTF_8);
  }

  @Override
  public String toString() {
    return "ReceivedRequest[id=" + id() + "]";
  }
}
