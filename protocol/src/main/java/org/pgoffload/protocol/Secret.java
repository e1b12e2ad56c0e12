package org.pgoffload.protocol;

import org.jspecify.annotations.Nullable;

/// A key or password. It never shows itself: not in `toString`, hence not in a log, an error or a
/// record that holds it. Immutable.
public final class Secret {
  private final String value;

  private Secret(String value) {
    this.value = value;
  }

  /// The secret with this value, taken verbatim.
  ///
  /// @throws IllegalArgumentException if the value is blank
  public static Secret of(String value) {
    if (value.isBlank()) {
      throw new IllegalArgumentException("a secret must not be blank");
    }
    return new Secret(value);
  }

  /// The value itself, for the one place that sends or computes with it.
  public String reveal() {
    return value;
  }

  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof Secret secret && value.equals(secret.value);
  }

  @Override
  public int hashCode() {
    return value.hashCode();
  }

  @Override
  public String toString() {
    return "[redacted]";
  }
}
