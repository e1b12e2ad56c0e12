package org.pgoffload.protocol;

import java.util.Objects;

/// A password or key that no log, error or debugger line may show: [#toString()] hides the value,
/// and only [#reveal()] hands it out, to the one place that sends it.
///
/// Immutable and safe to share between threads.
public final class Secret {
  private final String value;

  private Secret(String value) {
    this.value = value;
  }

  /// Wraps a value.
  ///
  /// @throws IllegalArgumentException if the value is blank
  public static Secret of(String value) {
    if (Objects.requireNonNull(value, "value").isBlank()) {
      throw new IllegalArgumentException("a secret must not be blank");
    }
    return new Secret(value);
  }

  /// The value itself. Call it where the value is sent, never where it could be kept or printed.
  public String reveal() {
    return value;
  }

  @Override
  public boolean equals(Object other) {
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
