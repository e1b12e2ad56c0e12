package org.pgoffload.worker.models;

import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// One question to a model. Its text form names the request and never what was asked.
///
/// @param id of the request, for errors and logs
/// @param model the model (for Azure the deployment) to ask, or null for the provider's default
/// @param system the instructions that precede the conversation, or null
/// @param turns the conversation so far, oldest first, at least one
/// @param options how it is to be answered
/// @param stream whether the answer is wanted piece by piece, while the model writes it
/// @param timeout for the whole call, from connecting to the last byte
public record LlmCall(
    long id,
    @Nullable String model,
    @Nullable String system,
    List<Turn> turns,
    LlmOptions options,
    boolean stream,
    Duration timeout) {

  public LlmCall {
    turns = List.copyOf(turns);
    if (model != null && model.isBlank()) {
      throw new IllegalArgumentException("request " + id + ": the model must not be blank");
    }
    if (turns.isEmpty()) {
      throw new IllegalArgumentException("request " + id + ": at least one turn is needed");
    }
    if (!timeout.isPositive()) {
      throw new IllegalArgumentException("request " + id + ": the timeout must be positive");
    }
  }

  /// The same question to this model, with this much time.
  public LlmCall to(String otherModel, Duration left) {
    return new LlmCall(id, otherModel, system, turns, options, stream, left);
  }

  /// The images of all turns, oldest first.
  public List<Part.Image> images() {
    return turns.stream().flatMap(turn -> turn.images().stream()).toList();
  }

  /// Everything that is said in it, images included, which no error may show.
  public List<String> texts() {
    var said = turns.stream().flatMap(turn -> turn.parts().stream()).map(Part::said);
    return (system == null ? said : Stream.concat(Stream.of(system), said)).toList();
  }

  @Override
  public String toString() {
    return "LlmCall[id=%d, model=%s, turns=%d, timeout=%s]"
        .formatted(id, model, turns.size(), timeout);
  }
}
