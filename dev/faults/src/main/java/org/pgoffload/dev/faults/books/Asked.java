package org.pgoffload.dev.faults.books;

/// One request of the load, and its fate as its caller knows it.
///
/// @param number within the run
/// @param kind what was asked
/// @param fate what became of the asking
public record Asked(int number, Kind kind, Fate fate) {
  /// The kind of a request, and its way in.
  public enum Kind {
    /// A row of llm_request.
    LLM_INSERTED,
    /// llm_ask.
    LLM_ASKED,
    /// A row of sql_request.
    SQL_INSERTED,
    /// pg_background_launch_v2.
    SQL_LAUNCHED,
    /// A row of sql_request whose command cannot run in a transaction.
    AUTOCOMMIT_INSERTED,
    /// pg_background_launch_v2 of such a command.
    AUTOCOMMIT_LAUNCHED;

    boolean isLlm() {
      return this == LLM_INSERTED || this == LLM_ASKED;
    }

    boolean isAutocommit() {
      return this == AUTOCOMMIT_INSERTED || this == AUTOCOMMIT_LAUNCHED;
    }

    boolean isImmediate() {
      return this == LLM_ASKED || this == SQL_LAUNCHED || this == AUTOCOMMIT_LAUNCHED;
    }
  }

  /// The fate of a request as its caller knows it.
  public enum Fate {
    /// The request is committed, or was sent.
    ACCEPTED,
    /// The request was rolled back.
    ROLLED_BACK,
    /// The connection broke before the caller was told: either way is right.
    UNCERTAIN,
    /// An immediate call ended with a clear error, so that either way is right.
    REFUSED,
    /// A standby took over that had not got the request: it counts as never asked. A call may have
    /// been made for it.
    UNREPLICATED
  }
}
