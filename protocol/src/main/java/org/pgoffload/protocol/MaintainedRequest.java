package org.pgoffload.protocol;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// What a request that is made for a maintained column says beside the question: in the field
/// `maintained` of its payload, together with its [MaintainedRow].
public final class MaintainedRequest {
  private MaintainedRequest() {}

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

  /// How a text is split before it is embedded.
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

  /// How a request ends without a call; empty if it is to be answered.
  ///
  /// @param payload of its envelope
  public static Optional<End> end(JsonNode payload) {
    var end = payload.path("maintained").path("end");
    if (!end.isObject()) {
      return Optional.empty();
    }
    var code = end.path("code").asText();
    var message = end.path("message");
    return Optional.of(
        code.isEmpty()
            ? new End("invalid_request", "the request is not to be answered, and does not say why")
            : new End(code, message.isTextual() ? message.asText() : null));
  }

  /// How the text of a request is split; empty if it is not.
  ///
  /// @param payload of its envelope
  /// @throws IllegalArgumentException if it cannot be split like that, with what is wrong
  public static Optional<Chunking> chunking(JsonNode payload) {
    var chunk = payload.path("maintained").path("chunk");
    if (!chunk.isObject()) {
      return Optional.empty();
    }
    var tokens = chunk.path("tokens");
    var overlap = chunk.path("overlap");
    Require.that(
        tokens.isInt() && (overlap.isInt() || overlap.isMissingNode()),
        "the tokens and the overlap of chunks are whole numbers");
    return Optional.of(new Chunking(tokens.asInt(), overlap.asInt()));
  }
}
