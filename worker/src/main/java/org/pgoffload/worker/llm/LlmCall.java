package org.pgoffload.worker.llm;

import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// One question to a model. Its text form names the request and never what was asked.
///
/// @param id of the request, for errors and logs
/// @param model the model (for Azure the deployment) to ask, or null for the provider's default
/// @param system the instructions that precede the conversation, or null
/// @param turns the conversation so far, oldest first, at least one
/// @param temperature of sampling, 0 to 2, or null for the model's own; models that take none
///   refuse the request
/// @param maxOutputTokens the most tokens to write, reasoning included, or null for the default
/// @param timeout for the whole call, from connecting to the last byte
public record LlmCall(
    long id,
    @Nullable String model,
    @Nullable String system,
    List<Turn> turns,
    @Nullable Double temperature,
    @Nullable Integer maxOutputTokens,
    Duration timeout) {

  public LlmCall {
    turns = List.copyOf(turns);
    if (model != null && model.isBlank()) {
      throw new IllegalArgumentException("request " + id + ": the model must not be blank");
    }
    if (turns.isEmpty()) {
      throw new IllegalArgumentException("request " + id + ": at least one turn is needed");
    }
    if (temperature != null && !(temperature >= 0 && temperature <= 2)) {
      throw new IllegalArgumentException("request " + id + ": the temperature must be 0 to 2");
    }
    if (maxOutputTokens != null && maxOutputTokens < 1) {
      throw new IllegalArgumentException("request " + id + ": max_output_tokens must be positive");
    }
    if (!timeout.isPositive()) {
      throw new IllegalArgumentException("request " + id + ": the timeout must be positive");
    }
  }

  @Override
  public String toString() {
    return "LlmCall[id=%d, model=%s, turns=%d, timeout=%s]"
        .formatted(id, model, turns.size(), timeout);
  }
}
