package org.pgoffload.protocol;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import org.jspecify.annotations.Nullable;

/// A record on the results topic. Its field `kind` says which message it holds: `sql` and
/// `sql_rows` belong to background SQL, `withdrawn` takes a result back, every other value is the
/// kind of an LLM request.
///
/// All messages of a request have the same key, and so stand in the order in which they were sent.
public sealed interface ResultMessage permits Result, SqlResult, SqlRows, Withdrawal {
  /// The request id.
  long id();

  /// The record's key: the request id.
  default String recordKey() {
    return Long.toString(id());
  }

  /// The record's value.
  byte[] write();

  /// Reads a record's value. Unknown fields are ignored.
  ///
  /// @throws MalformedMessageException if the bytes are no such message, or of another major
  ///   version
  static ResultMessage read(byte[] bytes) {
    var kind = kind(bytes);
    if (SqlResult.KIND.equals(kind)) {
      return SqlResult.read(bytes);
    }
    if (Withdrawal.KIND.equals(kind)) {
      return Withdrawal.read(bytes);
    }
    return SqlRows.KIND.equals(kind) ? SqlRows.read(bytes) : Result.read(bytes);
  }

  /// Whether a record's value is the result of an LLM request, by its kind alone: it may be a
  /// broken one.
  ///
  /// @throws MalformedMessageException if the bytes are no JSON object
  static boolean isOfLlm(byte[] bytes) {
    var kind = kind(bytes);
    return !SqlResult.KIND.equals(kind)
        && !SqlRows.KIND.equals(kind)
        && !Withdrawal.KIND.equals(kind);
  }

  /// The kind, which stands at the front, without parsing what may be large behind it.
  private static @Nullable String kind(byte[] bytes) {
    try (JsonParser parser = Json.MAPPER.createParser(bytes)) {
      if (parser.nextToken() != JsonToken.START_OBJECT) {
        throw new MalformedMessageException(DeadLetterReason.MALFORMED, "not a JSON object");
      }
      while (parser.nextToken() == JsonToken.FIELD_NAME) {
        var field = parser.currentName();
        var value = parser.nextToken();
        if (field.equals("kind")) {
          return value == JsonToken.VALUE_STRING ? parser.getText() : null;
        }
        parser.skipChildren();
      }
      return null;
    } catch (IOException e) {
      throw new MalformedMessageException(DeadLetterReason.MALFORMED, "not JSON");
    }
  }
}
