package org.pgoffload.operations.deadletters;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Optional;

/// Makes what anybody may have written fit for a terminal, which obeys control characters.
public final class Printable {
  private static final int BYTES_A_LINE = 32;

  /// In bytes of UTF-8.
  private static final int LONGEST_CHARACTER = 4;

  private Printable() {}

  /// Text on one line: whatever is not to be seen is escaped.
  public static String line(String text) {
    return escaped(text, false);
  }

  /// Text with its line feeds, if the bytes are UTF-8; otherwise the bytes in hexadecimal digits.
  public static String lines(byte[] bytes) {
    return text(bytes).map(text -> escaped(text, true)).orElseGet(() -> digits(bytes));
  }

  /// The beginning of it: of so many bytes, and of one character less where they end within it.
  public static String lines(byte[] bytes, int most) {
    if (bytes.length <= most) {
      return lines(bytes);
    }
    int end = most;
    while (end > 0 && end > most - LONGEST_CHARACTER && (bytes[end] & 0xC0) == 0x80) {
      end--;
    }
    return lines(Arrays.copyOf(bytes, end));
  }

  private static String digits(byte[] bytes) {
    var lines = new StringBuilder();
    for (int i = 0; i < bytes.length; i += BYTES_A_LINE) {
      lines
          .append(i == 0 ? "" : "\n")
          .append(
              HexFormat.ofDelimiter(" ")
                  .formatHex(bytes, i, Math.min(bytes.length, i + BYTES_A_LINE)));
    }
    return lines.toString();
  }

  private static Optional<String> text(byte[] bytes) {
    try {
      return Optional.of(
          StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString());
    } catch (CharacterCodingException e) {
      return Optional.empty();
    }
  }

  private static String escaped(String text, boolean withLineFeeds) {
    var printable = new StringBuilder(text.length());
    text.codePoints()
        .forEach(character -> {
          boolean seen =
              switch (Character.getType(character)) {
                case Character.CONTROL -> withLineFeeds && character == '\n';
                // marks that turn the direction of what follows, among others
                case Character.FORMAT,
                    Character.LINE_SEPARATOR,
                    Character.PARAGRAPH_SEPARATOR,
                    Character.SURROGATE,
                    Character.PRIVATE_USE,
                    Character.UNASSIGNED ->
                    false;
                default -> true;
              };
          if (seen) {
            printable.appendCodePoint(character);
          } else {
            printable.append(String.format("\\u%04x", character));
          }
        });
    return printable.toString();
  }
}
