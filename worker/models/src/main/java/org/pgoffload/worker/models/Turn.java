package org.pgoffload.worker.models;

import java.util.Locale;

/// One side's words in a conversation. Its text form never shows them.
///
/// @param role who speaks
/// @param text what is said, not blank
public record Turn(Role role, String text) {

  public Turn {
    if (text.isBlank()) {
      throw new IllegalArgumentException("the text of a turn must not be blank");
    }
  }

  /// A turn of the user.
  public static Turn user(String text) {
    return new Turn(Role.USER, text);
  }

  /// A turn of the model, given back to it.
  public static Turn assistant(String text) {
    return new Turn(Role.ASSISTANT, text);
  }

  @Override
  public String toString() {
    return "Turn[role=%s, %d characters]".formatted(role.word(), text.length());
  }

  /// Who speaks; all vendors use the same two words.
  public enum Role {
    USER,
    ASSISTANT;

    /// The word that the vendors' formats and `llm_request.messages` use.
    public String word() {
      return name().toLowerCase(Locale.ROOT);
    }
  }
}
