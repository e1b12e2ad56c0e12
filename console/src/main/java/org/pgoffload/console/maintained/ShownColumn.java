package org.pgoffload.console.maintained;

import java.time.Instant;
import java.util.List;

/// One maintained column with the rows that have failed.
///
/// @param failures the latest first
/// @param hasMore whether more rows have failed than are shown
public record ShownColumn(MaintainedColumn column, List<Failure> failures, boolean hasMore) {
  /// A row whose last request has failed.
  ///
  /// @param key its primary key
  /// @param error code and words
  /// @param attempts how many requests have failed one after another
  public record Failure(String key, String error, Instant at, int attempts) {}
}
