package org.pgoffload.worker.llm;

import com.fasterxml.jackson.databind.JsonNode;
import java.net.http.HttpHeaders;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// One reply of a vendor beside the call that it belongs to, and the ways to conclude from it.
///
/// @param provider the name of the provider that asked
/// @param model as the vendor reported it, else as it was asked for
/// @param status of the reply
/// @param headers of the reply
/// @param receivedAt to which dates in the headers are relative
/// @param body its JSON; of a streamed one the events folded
/// @param requestId the vendor's id of the call, or null
/// @param words makes the vendor's words fit for an error
record VendorReply(
    String provider,
    String model,
    int status,
    HttpHeaders headers,
    Instant receivedAt,
    JsonNode body,
    @Nullable String requestId,
    RedactWords words) {

  /// The model wrote this; without a word it is a failure.
  LlmOutcome answered(String text, FinishReason reason, Usage usage) {
    if (text.isEmpty()) {
      var why =
          reason == FinishReason.LENGTH
              ? "the model used all its output tokens before it wrote a word: raise"
                  + " max_output_tokens"
              : "the model finished without a word";
      return failed(LlmErrorCode.EMPTY_ANSWER, why, usage);
    }
    return new LlmOutcome.Answered(
        text, reason, new Origin(provider, model, requestId), usage, limits());
  }

  /// The model, or the filter before or behind it, declined; these are its words, if it has any.
  LlmOutcome declined(LlmErrorCode code, @Nullable String vendorWords, Usage usage) {
    var plain =
        code == LlmErrorCode.REFUSAL
            ? "the model declined to answer"
            : "the vendor's content filter stopped the answer";
    return failed(
        code,
        vendorWords == null || vendorWords.isBlank() ? plain : plain + ": " + vendorWords,
        usage);
  }

  /// The vendor says by status 200 or any other that it failed, and the code is this.
  LlmOutcome vendorFailed(LlmErrorCode code, VendorError error, Usage usage) {
    var told = new StringBuilder("HTTP ").append(status);
    if (!error.codes().isEmpty()) {
      told.append(" (").append(error.codes().getFirst()).append(')');
    }
    var hint =
        switch (code) {
          case ENDPOINT_NOT_FOUND -> "; check the base URL, and that the server speaks this API";
          case UNEXPECTED_REDIRECT -> "; redirects are not followed, check the base URL";
          default -> "";
        };
    var message = error.message().isBlank() ? "" : ": " + error.message();
    return failed(code, "answered " + told + hint + message, usage);
  }

  /// The reply is not what the vendor documents.
  LlmOutcome malformed(String what) {
    return failed(LlmErrorCode.MALFORMED_RESPONSE, what, Usage.NONE);
  }

  /// The reply began and did not come to its end.
  LlmOutcome broken(LlmErrorCode code, String why) {
    return failed(code, why, Usage.NONE);
  }

  /// The texts were embedded so.
  LlmOutcome embedded(List<float[]> vectors, int inputs, Usage usage) {
    if (vectors.size() != inputs || vectors.isEmpty()) {
      return malformed("%d texts were embedded as %d vectors".formatted(inputs, vectors.size()));
    }
    var dimensions = vectors.getFirst().length;
    if (dimensions == 0 || vectors.stream().anyMatch(vector -> vector.length != dimensions)) {
      return malformed("the vectors are not all of one length");
    }
    return new LlmOutcome.Embedded(
        vectors, new Origin(provider, model, requestId), usage, limits());
  }

  private List<RateLimit> limits() {
    return ReadRateLimits.from(headers, receivedAt);
  }

  private LlmOutcome failed(LlmErrorCode code, String message, Usage usage) {
    Duration wait = RetryAfter.of(headers, receivedAt).or(() -> RetryAfter.of(body)).orElse(null);
    return new LlmOutcome.Failed(
        new LlmError(code, provider + ": " + words.redact(message), status, wait, requestId),
        model,
        usage,
        limits());
  }
}
