package org.pgoffload.worker.models;

import static java.util.stream.Collectors.joining;

import java.util.List;
import java.util.Locale;

/// One side's words in a conversation, and the user's images. Its text form never shows them.
///
/// @param role who speaks
/// @param parts what is said, at least one part; the model's are texts alone
public record Turn(Role role, List<Part> parts) {

  public Turn {
    parts = List.copyOf(parts);
    if (parts.isEmpty()) {
      throw new IllegalArgumentException("a turn must have a part");
    }
    if (role == Role.ASSISTANT && parts.stream().anyMatch(Part.Image.class::isInstance)) {
      throw new IllegalArgumentException("a turn of the model must not have an image");
    }
  }

  /// A turn of the user.
  public static Turn user(String text) {
    return new Turn(Role.USER, List.of(new Part.Text(text)));
  }

  /// A turn of the model, given back to it.
  public static Turn assistant(String text) {
    return new Turn(Role.ASSISTANT, List.of(new Part.Text(text)));
  }

  /// Its texts, each on a line of its own; empty if it has images alone.
  public String text() {
    return parts.stream()
        .filter(Part.Text.class::isInstance)
        .map(Part::said)
        .collect(joining("\n"));
  }

  /// Its images, in their order.
  public List<Part.Image> images() {
    return parts.stream().filter(Part.Image.class::isInstance).map(Part.Image.class::cast).toList();
  }

  @Override
  public String toString() {
    return "Turn[role=%s, %s]".formatted(role.word(), parts);
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
