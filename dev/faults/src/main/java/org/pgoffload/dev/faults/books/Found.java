package org.pgoffload.dev.faults.books;

import java.util.List;
import java.util.Map;
import java.util.Set;
import org.pgoffload.dev.faults.installation.CallLedger;

/// The findings after a run: in the tables, on the topic, and at the stub.
///
/// @param requests every row that bears the run's tag
/// @param results by request id: those of both tables
/// @param effects by number: how many traces a task has left
/// @param published by request id: the first terminal record on the topic that was not withdrawn
/// @param sent the numbers of requests that have a record on a topic of requests
/// @param calls by number: what the stub counted
public record Found(
    List<Row> requests,
    Map<Long, Ending> results,
    Map<Integer, Integer> effects,
    Map<Long, String> published,
    Set<Integer> sent,
    Map<Integer, CallLedger.Calls> calls) {
  public Found {
    requests = List.copyOf(requests);
    results = Map.copyOf(results);
    effects = Map.copyOf(effects);
    published = Map.copyOf(published);
    sent = Set.copyOf(sent);
    calls = Map.copyOf(calls);
  }

  /// A row of a request table.
  record Row(long id, int number) {}

  /// A terminal result.
  ///
  /// @param code SQLSTATE or error code; empty when it succeeded
  /// @param failedCalls of an LLM request: calls that its worker has given up or seen fail
  /// @param answers the number of the request that the answer belongs to, or -1 if it names none
  record Ending(String status, String code, int failedCalls, int answers) {
    boolean succeeded() {
      return status.equals("succeeded");
    }

    /// A command that was broken off, by the loss of its worker or the end of its session: what it
    /// had committed outside a transaction stays.
    boolean isBrokenOff() {
      return code.equals("08006") || code.equals("57P01");
    }
  }
}
