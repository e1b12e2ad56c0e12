package org.pgoffload.results;

import java.nio.charset.StandardCharsets;
import java.util.UUID;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.jspecify.annotations.Nullable;

/// A message that waits for the write-back: a record that was read and found to be one. Its JSON
/// goes to the database as it came.
sealed interface WaitingMessage {
  ConsumerRecord<byte[], byte[]> record();

  /// The JSON that the database takes.
  default String json() {
    return new String(record().value(), StandardCharsets.UTF_8);
  }

  /// The result of an LLM request.
  record LlmResult(long id, ConsumerRecord<byte[], byte[]> record) implements WaitingMessage {}

  /// What is written in place of a result that the database does not take.
  record ReplacedResult(String json, ConsumerRecord<byte[], byte[]> record)
      implements WaitingMessage {}

  /// A piece of a streamed answer.
  record Piece(ConsumerRecord<byte[], byte[]> record) implements WaitingMessage {}

  /// A total of usage.
  record Usage(ConsumerRecord<byte[], byte[]> record) implements WaitingMessage {}

  /// A chunk of rows.
  record SqlChunk(long id, ConsumerRecord<byte[], byte[]> record) implements WaitingMessage {}

  /// A request whose chunks have all come before it. Its result was recorded by the worker.
  record SqlEnded(long id, @Nullable UUID nonce, ConsumerRecord<byte[], byte[]> record)
      implements WaitingMessage {}
}
