package org.pgoffload.operations;

import java.time.Instant;
import org.jspecify.annotations.Nullable;

/// What is known of a key with which the database signs requests, without the key.
///
/// @param id as it stands in signatures
/// @param state what it is good for now
/// @param createdAt when it began to sign
/// @param retiredAt when another took its place, or null
/// @param revokedAt when it was revoked, or null
public record SigningKey(
    int id,
    State state,
    Instant createdAt,
    @Nullable Instant retiredAt,
    @Nullable Instant revokedAt) {

  /// What a key is good for.
  public enum State {
    /// It signs what is asked now.
    SIGNS("signs"),
    /// What it has signed is accepted; `pgoffload maintain` removes it when none of that is kept.
    ACCEPTED("accepted"),
    /// What it has signed is refused.
    REVOKED("revoked");

    private final String word;

    State(String word) {
      this.word = word;
    }

    @Override
    public String toString() {
      return word;
    }
  }
}
