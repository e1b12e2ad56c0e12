package org.pgoffload.worker.vendors.entra;

import java.time.Instant;
import org.pgoffload.protocol.Secret;
import org.pgoffload.worker.models.LlmErrorCode;

/// What became of asking for a token.
sealed interface TokenOutcome {

  /// A token. Its text form never shows it.
  ///
  /// @param usableUntil a little before its end, so that it is still good when the vendor reads it
  /// @param renewAt from when on the next one is asked for, before `usableUntil`
  record Token(Secret value, Instant usableUntil, Instant renewAt) implements TokenOutcome {}

  /// No token.
  ///
  /// @param code whether asking again can help is its to say
  /// @param words for people
  record NoToken(LlmErrorCode code, String words) implements TokenOutcome {

    public NoToken {
      if (words.isBlank()) {
        throw new IllegalArgumentException("an error needs words");
      }
    }
  }
}
