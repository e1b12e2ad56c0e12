package org.pgoffload.console.requests;

import java.time.Instant;
import org.jspecify.annotations.Nullable;
import org.pgoffload.console.web.Words;

/// A request in the list.
///
/// @param kind `ask`, `embed`, `rerank` or `sql`
/// @param status as `llm_status` and `sql_status` name it
/// @param role who asked, by the present name
/// @param text the beginning of its prompt or its command
/// @param label of SQL; or null
/// @param ended how it ended
public record ListedRequest(
    long id,
    String kind,
    String status,
    String role,
    Instant createdAt,
    String text,
    @Nullable String label,
    Ended ended) {

  /// How a request has ended, as far as it has.
  ///
  /// @param provider that answered, or is asked for
  /// @param model that answered, or is asked for
  /// @param error the code, or the SQLSTATE
  /// @param ranMs from its claim to its result
  /// @param tokens of input and output
  public record Ended(
      @Nullable String provider,
      @Nullable String model,
      @Nullable String error,
      @Nullable Double ranMs,
      @Nullable Long tokens) {

    /// How long it ran, in words, or null.
    public @Nullable String ran() {
      return Words.duration(ranMs);
    }
  }

  /// Whether it waits or runs.
  public boolean isPending() {
    return ShownRequest.isPending(status);
  }

  /// Whether it is background SQL.
  public boolean isSql() {
    return kind.equals(RequestFilter.SQL);
  }
}
