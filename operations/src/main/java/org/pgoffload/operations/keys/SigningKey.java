package org.pgoffload.operations.keys;

import java.time.Instant;
import org.jspecify.annotations.Nullable;

/// A key with which the database signs requests, without the secret.
///
/// @param id as it stands in signatures
/// @param state the present use of the key
/// @param createdAt when it began to sign
/// @param retiredAt when another key took its place, or null
/// @param revokedAt when it was revoked, or null
public record SigningKey(
    int id,
    State state,
    Instant createdAt,
    @Nullable Instant retiredAt,
    @Nullable Instant revokedAt) {

  /// The use of a key.
  public enum State {
    /// The key signs new requests.
    SIGNS("signs"),
    /// Requests that the key has signed are accepted. `pgoffload maintain` removes the key when
    /// none of them is kept.
    ACCEPTED("accepted"),
    /// Requests that the key has signed are refused.
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
