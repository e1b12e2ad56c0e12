package org.pgoffload.results;

import java.nio.charset.StandardCharsets;
import org.pgoffload.protocol.LlmPiece;
import org.pgoffload.protocol.LlmUsage;
import org.pgoffload.protocol.Result;
import org.pgoffload.protocol.ResultMessage;
import org.pgoffload.protocol.SqlResult;
import org.pgoffload.protocol.SqlRows;

/// A message that waits for the write-back. It is kept as text, because the values of a chunk of
/// rows would need many times its memory as objects.
sealed interface WaitingMessage {
  /// The memory of the message and of its Kafka record.
  int bytes();

  static WaitingMessage of(ResultMessage message, TakenRecord record) {
    return switch (message) {
      case Result result -> LlmResult.of(result, record);
      case SqlResult result -> new SqlEnded(result.id(), record);
      case SqlRows rows -> new SqlChunk(rows.toString(), utf8(rows.write()), record);
    };
  }

  static WaitingMessage of(LlmPiece piece, TakenRecord record) {
    return new Piece(piece.toString(), utf8(piece.write()), record);
  }

  static WaitingMessage of(LlmUsage usage) {
    return new Usage(usage.recordKey(), utf8(usage.write()));
  }

  /// The JSON of one Kafka record.
  sealed interface JsonOfRecord extends WaitingMessage {
    String json();

    TakenRecord record();

    @Override
    default int bytes() {
      return json().length() + record().bytes();
    }
  }

  record LlmResult(String json, TakenRecord record) implements JsonOfRecord {
    static LlmResult of(Result result, TakenRecord record) {
      return new LlmResult(utf8(result.write()), record);
    }
  }

  /// A piece of a streamed answer.
  ///
  /// @param name the name for the log, without content
  record Piece(String name, String json, TakenRecord record) implements JsonOfRecord {}

  /// A total of usage.
  ///
  /// @param key the role, model and minute whose total it is
  record Usage(String key, String json) implements WaitingMessage {
    @Override
    public int bytes() {
      return json.length();
    }
  }

  /// A chunk of rows.
  ///
  /// @param name the name for the log, without content
  record SqlChunk(String name, String json, TakenRecord record) implements JsonOfRecord {}

  /// A request whose chunks have all come before it. Its result was recorded by the worker.
  record SqlEnded(long id, TakenRecord record) implements WaitingMessage {
    @Override
    public int bytes() {
      return 64 + record.bytes();
    }
  }

  private static String utf8(byte[] bytes) {
    return new String(bytes, StandardCharsets.UTF_8);
  }
}
