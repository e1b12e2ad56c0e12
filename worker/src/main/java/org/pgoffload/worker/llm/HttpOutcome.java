package org.pgoffload.worker.llm;

import java.net.http.HttpHeaders;
import java.time.Instant;

/// What became of one HTTP exchange.
sealed interface HttpOutcome {

  /// The whole reply, whatever its status.
  ///
  /// @param receivedAt when the last byte was in, to which a wait until a date is relative
  @SuppressWarnings("ArrayRecordComponent") // Read once and never compared.
  record Reply(int status, HttpHeaders headers, byte[] body, Instant receivedAt)
      implements HttpOutcome {}

  /// No usable reply.
  ///
  /// @param words for people, free of anything that was sent
  record Broken(LlmErrorCode code, String words) implements HttpOutcome {}
}
