package org.pgoffload.worker.llm;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// One reply of a vendor beside the call that it belongs to, and the ways to conclude from it.
///
/// @param provider the name of the provider that asked
/// @param model as the vendor reported it, else as it was asked for
/// @param http the reply as it came
/// @param body its JSON
/// @param requestId the vendor's id of the call, or null
/// @param words makes the vendor's words fit for an error
record VendorReply(
    String provider,
    String model,
    HttpOutcome.Reply http,
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
        text, reason, new Origin(provider, model, requestId), usage, List.of());
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
    var told = new StringBuilder("HTTP ").append(http.status());
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

  private LlmOutcome failed(LlmErrorCode code, String message, Usage usage) {
    Duration wait = RetryAfter.of(http.headers(), http.receivedAt()).orElse(null);
    return new LlmOutcome.Failed(
        new LlmError(code, provider + ": " + words.redact(message), http.status(), wait, requestId),
        model,
        usage,
        List.of());
  }
}
