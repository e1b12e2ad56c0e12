package org.pgoffload.results;

import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.HeaderText;
import org.pgoffload.protocol.DeadLetterReason;

/// A record as it was taken from a topic, kept until it is written: it may have to go to the dead
/// letters.
final class TakenRecord {
  private final byte @Nullable [] key;
  private final byte[] value;
  private final Headers headers;
  private final String origin;

  /// @param origin its place: `topic-partition@offset`
  TakenRecord(byte @Nullable [] key, byte[] value, Headers headers, String origin) {
    this.key = key;
    this.value = value;
    this.headers = headers;
    this.origin = origin;
  }

  byte @Nullable [] key() {
    return key;
  }

  byte[] value() {
    return value;
  }

  Headers headers() {
    return headers;
  }

  String origin() {
    return origin;
  }

  /// The room that its key and value take.
  int bytes() {
    return value.length + (key == null ? 0 : key.length);
  }

  /// Its headers, and those that say why it is a dead letter.
  Headers asLetter(DeadLetterReason reason, String detail) {
    return new RecordHeaders(headers)
        .add(org.pgoffload.protocol.RecordHeaders.REASON, HeaderText.bytes(reason.code()))
        .add(org.pgoffload.protocol.RecordHeaders.REASON_DETAIL, HeaderText.bytes(detail))
        .add(org.pgoffload.protocol.RecordHeaders.ORIGIN, HeaderText.bytes(origin));
  }

  @Override
  public String toString() {
    return "the record at " + origin;
  }
}
