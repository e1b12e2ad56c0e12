package org.pgoffload.operations.deadletters;

import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Arrays;
import java.util.Objects;
import java.util.Optional;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.TopicPartition;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.HeaderText;
import org.pgoffload.protocol.Envelope;
import org.pgoffload.protocol.MalformedMessageException;
import org.pgoffload.protocol.RecordHeaders;
import org.pgoffload.protocol.Routing;
import org.pgoffload.protocol.Signature;

/// A record of the dead-letter topic, as far as it can be understood.
public final class DeadLetter {
  /// A signature with its line feed, as what the capture could not route begins with it.
  private static final int LONGEST_SIGNATURE_LINE = 100;

  private final ConsumerRecord<byte[], byte[]> record;
  private final @Nullable Signature signature;
  private final byte[] message;

  private DeadLetter(
      ConsumerRecord<byte[], byte[]> record, @Nullable Signature signature, byte[] message) {
    this.record = record;
    this.signature = signature;
    this.message = message;
  }

  static DeadLetter of(ConsumerRecord<byte[], byte[]> record) {
    byte[] value = record.value() == null ? new byte[0] : record.value();
    var header = signature(HeaderText.read(record.headers(), RecordHeaders.SIGNATURE));
    if (header != null) {
      return new DeadLetter(record, header, value);
    }
    for (int i = 0; i < Math.min(value.length, LONGEST_SIGNATURE_LINE); i++) {
      if (value[i] == '\n') {
        var line = signature(new String(value, 0, i, StandardCharsets.US_ASCII));
        if (line != null) {
          return new DeadLetter(record, line, Arrays.copyOfRange(value, i + 1, value.length));
        }
      }
    }
    return new DeadLetter(record, null, value);
  }

  /// As it stands on the topic.
  public ConsumerRecord<byte[], byte[]> record() {
    return record;
  }

  /// That of the request in it, or null if it bears none.
  public @Nullable Signature signature() {
    return signature;
  }

  /// The bytes that are signed; without a signature, all.
  public byte[] message() {
    return message;
  }

  /// Its name: topic-partition@offset.
  public String position() {
    return new TopicPartition(record.topic(), record.partition()) + "@" + record.offset();
  }

  /// Where it stands.
  public LetterPlace place() {
    return new LetterPlace(record.partition(), record.offset());
  }

  /// When it came.
  public Instant time() {
    return Instant.ofEpochMilli(record.timestamp());
  }

  /// Why it is here, as a code; empty if it does not say so.
  public String reason() {
    return said(RecordHeaders.REASON);
  }

  public String detail() {
    return said(RecordHeaders.REASON_DETAIL);
  }

  /// Where it came from.
  public String origin() {
    return said(RecordHeaders.ORIGIN);
  }

  /// The request's id and kind, if they can be read. Their signature has not been checked.
  public Optional<Routing> routing() {
    try {
      return Optional.of(Routing.read(message));
    } catch (MalformedMessageException e) {
      return Optional.empty();
    }
  }

  /// The requester's name in the letter, unchecked; empty if it cannot be read.
  public String requestedBy() {
    try {
      return Envelope.read(message).requestedBy().user();
    } catch (MalformedMessageException e) {
      return Envelope.readWithoutPayload(message)
          .map(envelope -> envelope.requestedBy().user())
          .orElse("");
    }
  }

  private String said(String name) {
    return Objects.requireNonNullElse(HeaderText.read(record.headers(), name), "");
  }

  private static @Nullable Signature signature(@Nullable String text) {
    try {
      return text == null ? null : Signature.parse(text);
    } catch (MalformedMessageException e) {
      return null;
    }
  }

  @Override
  public String toString() {
    return "DeadLetter[" + position() + "]";
  }
}
