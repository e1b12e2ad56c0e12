package org.pgoffload.worker.llm.stub;

import java.util.List;
import org.jspecify.annotations.Nullable;

/// A question as the stub understood it, in no vendor's format.
///
/// @param path to which it was posted
/// @param turns such as `user: Why is the sky blue?`
public record StubQuestion(
    String path,
    String model,
    @Nullable String system,
    List<String> turns,
    @Nullable Double temperature,
    @Nullable Integer maxOutputTokens) {

  public StubQuestion {
    turns = List.copyOf(turns);
  }

  /// What was said last.
  String lastText() {
    var last = turns.getLast();
    return last.substring(last.indexOf(' ') + 1);
  }
}
