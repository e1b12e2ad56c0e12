package org.pgoffload.worker.llm;

import java.sql.SQLException;
import org.pgoffload.protocol.Result;

/// Knows which questions have been answered, or are being asked, already.
@FunctionalInterface
interface AnswerCache {
  /// Says what to do for a request.
  ///
  /// @param key the same for the same question
  /// @param maxAge of an answer, as an interval's text
  /// @throws SQLException if the database could not be asked
  Advice consult(long id, byte[] key, String maxAge) throws SQLException;

  /// What to do.
  sealed interface Advice {
    /// Take this answer.
    record Hit(Result result) implements Advice {}

    /// Make the call.
    record Lead() implements Advice {}

    /// Another request makes the call: ask again later.
    record Follow(long leader) implements Advice {}
  }
}
