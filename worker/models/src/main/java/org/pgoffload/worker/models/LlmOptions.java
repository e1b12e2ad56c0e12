package org.pgoffload.worker.models;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// How a question is to be answered. A provider whose model or API does not take one of them fails
/// the call with [LlmErrorCode#UNSUPPORTED_OPTION]; none is dropped silently.
///
/// @param temperature of sampling, 0 to 2, or null for the model's own
/// @param maxOutputTokens the most tokens to write, reasoning included, or null for the default
/// @param stop where the model stops writing; none for nowhere
/// @param reasoningEffort `none`, `minimal`, `low`, `medium`, `high` or `xhigh`; null for the
///   model's own
/// @param responseSchema the JSON schema of the answer, or null for free text
public record LlmOptions(
    @Nullable Double temperature,
    @Nullable Integer maxOutputTokens,
    List<String> stop,
    @Nullable String reasoningEffort,
    @Nullable JsonNode responseSchema) {

  /// The model's own ways.
  public static final LlmOptions DEFAULTS = new LlmOptions(null, null, List.of(), null, null);

  public LlmOptions {
    stop = List.copyOf(stop);
    if (temperature != null && !(temperature >= 0 && temperature <= 2)) {
      throw new IllegalArgumentException("the temperature must be 0 to 2");
    }
    if (maxOutputTokens != null && maxOutputTokens < 1) {
      throw new IllegalArgumentException("max_output_tokens must be positive");
    }
    if (stop.stream().anyMatch(String::isEmpty)) {
      throw new IllegalArgumentException("a stop sequence must not be empty");
    }
    if (responseSchema != null && !responseSchema.isObject()) {
      throw new IllegalArgumentException("a response schema must be a JSON object");
    }
  }
}
