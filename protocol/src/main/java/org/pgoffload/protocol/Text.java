package org.pgoffload.protocol;

/// Makes text fit for the database, for UTF-8 and for a given room.
public final class Text {
  private static final char REPLACEMENT = '\uFFFD';

  private Text() {}

  /// The text with U+FFFD for whatever no column of PostgreSQL holds: NUL, and a half of a
  /// surrogate pair without its other half.
  public static String storable(String text) {
    for (var at = 0; at < text.length(); at++) {
      var character = text.charAt(at);
      if (character == 0 || Character.isSurrogate(character)) {
        return replaced(text);
      }
    }
    return text;
  }

  private static String replaced(String text) {
    var storable = new StringBuilder(text.length());
    text.codePoints()
        .map(character ->
            character == 0 || Character.getType(character) == Character.SURROGATE
                ? REPLACEMENT
                : character)
        .forEach(storable::appendCodePoint);
    return storable.toString();
  }

  /// The beginning of a text: at most so many `char`s, and no half of a surrogate pair.
  public static String begin(String text, int most) {
    if (text.length() <= most) {
      return text;
    }
    var torn =
        most > 0
            && Character.isHighSurrogate(text.charAt(most - 1))
            && Character.isLowSurrogate(text.charAt(most));
    return text.substring(0, torn ? most - 1 : most);
  }

  /// The beginning of a text as people are shown it: an ellipsis says that there was more.
  ///
  /// @param most `char`s ahead of the ellipsis
  public static String shortened(String text, int most) {
    return text.length() <= most ? text : begin(text, most) + "…";
  }
}
