package org.pgoffload.protocol;

import com.fasterxml.jackson.databind.JsonNode;
import org.jspecify.annotations.Nullable;

/// What a request that is made for a maintained column says beside the question: in the field
/// `maintained` of its payload, together with its [MaintainedRow].
///
/// @param end how it ends without a call; null if it is to be answered
/// @param chunking how its text is split before it is embedded; null if it is not
public record MaintainedRequest(@Nullable End end, @Nullable Chunking chunking) {
  private static final MaintainedRequest NONE = new MaintainedRequest(null, null);

  /// How a request ends without a call.
  ///
  /// @param code [#BLANK], or the error code of a failure
  /// @param message what is wrong and what to do; null where there is nothing to say
  public record End(String code, @Nullable String message) {
    /// The row has nothing to ask about: the request succeeds without an answer.
    public static final String BLANK = "blank";

    public End {
      Require.that(!code.isEmpty(), "a request that ends without a call has a code");
    }

    public boolean isBlank() {
      return code.equals(BLANK);
    }
  }

  /// How a text is split.
  ///
  /// @param tokens how many a chunk has at most
  /// @param overlap how many of them at most are the end of the chunk before
  public record Chunking(int tokens, int overlap) {
    public Chunking {
      Require.that(tokens >= 1, "a chunk has 1 token or more");
      Require.that(
          overlap >= 0 && overlap < tokens, "the overlap of chunks is from 0 to less than a chunk");
    }
  }

  /// Reads a payload. Unknown fields are ignored.
  ///
  /// @throws IllegalArgumentException if it cannot be understood, with what is wrong
  public static MaintainedRequest of(JsonNode payload) {
    var maintained = payload.path("maintained");
    var end = maintained.path("end");
    var chunk = maintained.path("chunk");
    return end.isObject() || chunk.isObject()
        ? new MaintainedRequest(
            end.isObject() ? end(end) : null, chunk.isObject() ? chunking(chunk) : null)
        : NONE;
  }

  private static End end(JsonNode end) {
    var message = end.path("message");
    return new End(end.path("code").asText(), message.isTextual() ? message.asText() : null);
  }

  private static Chunking chunking(JsonNode chunk) {
    var tokens = chunk.path("tokens");
    var overlap = chunk.path("overlap");
    Require.that(
        tokens.isInt() && (overlap.isInt() || overlap.isMissingNode()),
        "the tokens and the overlap of chunks are whole numbers");
    return new Chunking(tokens.asInt(), overlap.asInt());
  }
}
