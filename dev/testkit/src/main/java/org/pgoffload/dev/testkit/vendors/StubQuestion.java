package org.pgoffload.dev.testkit.vendors;

import java.util.List;
import org.jspecify.annotations.Nullable;

/// A question, or texts to embed, as the stub understood it, in no vendor's format.
///
/// @param path to which it was posted
/// @param turns such as `user: Why is the sky blue?`; of texts to embed `input: …`, one for each
/// @param stream whether the answer is wanted piece by piece
public record StubQuestion(
    String path,
    String model,
    @Nullable String system,
    List<String> turns,
    StubOptions options,
    boolean stream) {

  public StubQuestion {
    turns = List.copyOf(turns);
  }

  /// Texts to embed.
  static StubQuestion texts(String path, String model, List<String> inputs, StubOptions options) {
    var turns = inputs.stream().map(input -> "input: " + input).toList();
    return new StubQuestion(path, model, null, turns, options, false);
  }

  /// The last words of the conversation.
  public String lastText() {
    return text(turns.getLast());
  }

  /// The texts to embed.
  List<String> inputs() {
    return turns.stream().map(StubQuestion::text).toList();
  }

  private static String text(String turn) {
    return turn.substring(turn.indexOf(' ') + 1);
  }
}
