package org.pgoffload.dev.faults.books;

import java.util.List;

/// One step of a session of the load.
sealed interface Step {
  /// One row.
  ///
  /// @param undone whether it is rolled back, even if its transaction commits
  record Row(Asked.Kind kind, boolean undone) {}

  /// Inserts rows, then commits or rolls back.
  record Transaction(List<Row> rows, boolean commits) implements Step {}

  /// Asks at once; an llm_ask waits for its answer.
  record Immediate(Asked.Kind kind) implements Step {}
}
