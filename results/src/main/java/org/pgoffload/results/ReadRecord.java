package org.pgoffload.results;

import java.time.DateTimeException;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.DeadLetterReason;
import org.pgoffload.protocol.LlmPiece;
import org.pgoffload.protocol.LlmUsage;
import org.pgoffload.protocol.MalformedMessageException;
import org.pgoffload.protocol.RecordHeaders;
import org.pgoffload.protocol.Result;
import org.pgoffload.protocol.ResultMessage;
import org.pgoffload.protocol.SqlResult;
import org.pgoffload.protocol.SqlRows;
import org.pgoffload.protocol.TopicNames;
import org.pgoffload.protocol.Withdrawal;

/// Reads records of the topics, and checks of results what the tables insist on, so that all
/// readers of the topic agree on what a result is.
final class ReadRecord {
  private final TopicNames topics;

  ReadRecord(TopicNames topics) {
    this.topics = topics;
  }

  /// Whether a record holds rows that their worker stores itself, which is told without reading it.
  static boolean isStored(ConsumerRecord<byte[], byte[]> record) {
    return record.headers().lastHeader(RecordHeaders.STORED) != null;
  }

  /// The message of a record of any of the topics of the write-back; null if it tells other readers
  /// alone something.
  ///
  /// @throws MalformedMessageException if it is none
  @Nullable WaitingMessage of(ConsumerRecord<byte[], byte[]> record) {
    byte @Nullable [] sent = record.value();
    byte[] value = sent == null ? new byte[0] : sent;
    if (record.topic().equals(topics.pieces())) {
      var _ = LlmPiece.read(value);
      return new WaitingMessage.Piece(record);
    }
    if (record.topic().equals(topics.usage())) {
      var _ = LlmUsage.read(value);
      return new WaitingMessage.Usage(record);
    }
    return result(value, record);
  }

  private static @Nullable WaitingMessage result(
      byte[] value, ConsumerRecord<byte[], byte[]> record) {
    return switch (ResultMessage.read(value)) {
      case Result result -> {
        check(result);
        yield new WaitingMessage.LlmResult(result.id(), record);
      }
      // messages of SQL check themselves
      case SqlRows rows -> new WaitingMessage.SqlChunk(rows.id(), record);
      case SqlResult result ->
          new WaitingMessage.SqlEnded(result.id(), result.head().nonce(), record);
      case Withdrawal _ -> null;
    };
  }

  /// The result of an LLM request; null if the record is no such result, which is not read then.
  ///
  /// @throws MalformedMessageException if it is none
  static @Nullable Result ofLlm(byte[] value) {
    if (!ResultMessage.isOfLlm(value)) {
      return null;
    }
    var result = Result.read(value);
    check(result);
    return result;
  }

  private static void check(Result result) {
    requirePresent("kind", result.kind());
    requirePresent("requested_by", result.requestedBy());
    requirePresent("finished_at", result.finishedAt());
    if (result.id() <= 0) {
      throw malformed("its id is not positive");
    }
    if (result.requestedByOid() < 0 || result.requestedByOid() > 0xFFFF_FFFFL) {
      throw malformed("its requested_by_oid is no oid");
    }
    try {
      var _ = ReadTime.of(result.finishedAt());
    } catch (DateTimeException e) {
      throw malformed("its finished_at is not an ISO-8601 time");
    }
  }

  private static void requirePresent(String field, @Nullable String value) {
    if (value == null) {
      throw malformed("it has no field '" + field + "'");
    }
  }

  private static MalformedMessageException malformed(String detail) {
    return new MalformedMessageException(DeadLetterReason.MALFORMED, detail);
  }
}
