package org.pgoffload.worker.models;

import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Texts to be embedded in one call; they may be of several requests. Its text form never shows
/// them.
///
/// @param model the model, or null for the provider's default
/// @param inputs the texts, at least one, none blank
/// @param dimensions of each vector, or null for the model's own
/// @param timeout for the whole call, from connecting to the last byte
public record EmbedCall(
    @Nullable String model, List<String> inputs, @Nullable Integer dimensions, Duration timeout) {

  public EmbedCall {
    inputs = List.copyOf(inputs);
    if (inputs.isEmpty() || inputs.stream().anyMatch(String::isBlank)) {
      throw new IllegalArgumentException("texts to be embedded must not be missing or blank");
    }
    if (dimensions != null && dimensions < 1) {
      throw new IllegalArgumentException("dimensions must be positive");
    }
    if (!timeout.isPositive()) {
      throw new IllegalArgumentException("the timeout must be positive");
    }
  }

  @Override
  public String toString() {
    return "EmbedCall[model=%s, %d inputs, timeout=%s]".formatted(model, inputs.size(), timeout);
  }
}
