package org.pgoffload.worker.delivery;

/// Why a claimed request ends without being executed.
public sealed interface EndReason {
  /// Its claim says so.
  record Refused() implements EndReason {}

  /// Its record may not be executed.
  record NotExecuted(ConsumedRequest.Refusal refusal) implements EndReason {}

  /// The database does not let any worker claim it as it is.
  record Unclaimable(String sqlState) implements EndReason {}
}
