package org.pgoffload.protocol;

import com.fasterxml.jackson.annotation.JsonCreator;
import com.fasterxml.jackson.annotation.JsonValue;
import java.util.regex.Pattern;

/// A position in PostgreSQL's WAL, which it writes as two hexadecimal numbers, `16/B374D848`.
///
/// @param bytes since the WAL's beginning, as an unsigned number
public record WalPosition(long bytes) implements Comparable<WalPosition> {
  private static final Pattern TEXT = Pattern.compile("[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}");

  /// The beginning.
  public static final WalPosition ZERO = new WalPosition(0);

  /// Reads PostgreSQL's text of a position.
  ///
  /// @throws IllegalArgumentException if it is none
  @JsonCreator
  public static WalPosition parse(String text) {
    Require.that(TEXT.matcher(text).matches(), "a position in the WAL is none");
    int slash = text.indexOf('/');
    return new WalPosition(
        Long.parseLong(text, 0, slash, 16) << 32
            | Long.parseLong(text, slash + 1, text.length(), 16));
  }

  /// The position so many bytes before this one, but not before the beginning.
  public WalPosition before(long distance) {
    return Long.compareUnsigned(bytes, distance) < 0 ? ZERO : new WalPosition(bytes - distance);
  }

  /// The later of the two.
  public WalPosition orLater(WalPosition other) {
    return compareTo(other) < 0 ? other : this;
  }

  @Override
  public int compareTo(WalPosition other) {
    return Long.compareUnsigned(bytes, other.bytes);
  }

  /// As PostgreSQL writes it.
  @JsonValue
  @Override
  public String toString() {
    return String.format("%X/%X", bytes >>> 32, bytes & 0xFFFF_FFFFL);
  }
}
