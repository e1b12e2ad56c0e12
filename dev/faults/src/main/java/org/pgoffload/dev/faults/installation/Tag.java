package org.pgoffload.dev.faults.installation;

import java.util.Optional;
import java.util.regex.Pattern;

/// The mark in every prompt and every command, by which a request is found again everywhere.
///
/// @param run letters, digits and hyphens
/// @param number of the request within the run
public record Tag(String run, int number) {
  private static final Pattern FORM = Pattern.compile("\\[([a-z0-9-]+):(\\d{1,9})]");

  public Tag {
    if (!run.matches("[a-z0-9-]+") || number < 0) {
      throw new IllegalArgumentException("no tag: " + run + ":" + number);
    }
  }

  /// The first tag in a text.
  public static Optional<Tag> in(String text) {
    var found = FORM.matcher(text);
    return found.find()
        ? Optional.of(new Tag(found.group(1), Integer.parseInt(found.group(2))))
        : Optional.empty();
  }

  @Override
  public String toString() {
    return "[" + run + ":" + number + "]";
  }
}
