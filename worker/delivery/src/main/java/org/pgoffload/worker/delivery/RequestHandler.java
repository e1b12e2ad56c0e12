package org.pgoffload.worker.delivery;

import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import org.pgoffload.worker.delivery.scheduling.RequestScheduler;

/// Executes the requests of one queue: the seam between delivery, which is the same for all
/// requests, and their execution. Delivery claims through it, counts, watches, takes over and
/// drains ([DeliverRequests]); the handler says which requests may begin, how they are claimed, and
/// what executing or ending one means.
///
/// Every method is called on the thread of the queue's consumer. What they return runs on a virtual
/// thread of the request's own.
///
/// @param <A> a claim with what the handler needs to execute it
public interface RequestHandler<A extends Attempt> {
  /// Publishes a request's result.
  @FunctionalInterface
  interface Execution {
    /// Must not throw anything else.
    ///
    /// @throws InterruptedException if the worker is closing: the next worker takes the request
    ///   over
    RequestEnd run() throws InterruptedException;
  }

  /// Where its requests come from.
  RequestQueue queue();

  /// Who of its requests may begin.
  RequestScheduler<?> scheduler();

  /// How many requests may be claimed now.
  int room();

  /// The ids of up to this many requests that may begin now, as the scheduler chooses them. They
  /// are to be claimed.
  List<Long> mayBegin(int atMost);

  /// Claims a batch of requests in one statement and one commit.
  ///
  /// @param requests of distinct ids
  /// @param timeline the token of the one on which their consumer has begun; null if it has not
  /// @return the claim of each, by id
  /// @throws SQLException if the database could not be asked, or has another timeline; nothing may
  ///   begin then
  Map<Long, Claim<A>> claim(List<ConsumedRequest> requests, @Nullable UUID timeline)
      throws SQLException;

  /// Claims a request that could not be claimed as it is, in order to end it.
  ///
  /// @param timeline as of [#claim]
  /// @throws SQLException as [#claim]; to be called again
  Claim<A> claimToEnd(ConsumedRequest request, @Nullable UUID timeline) throws SQLException;

  /// A claimed request begins.
  ///
  /// @return what executes it; empty if the handler has seen to the record, because the same
  ///   request runs here already, or has run
  Optional<Execution> begin(ConsumedRequest request, A attempt);

  /// A claimed request ends without being executed.
  ///
  /// @return what ends it; empty as in [#begin]
  Optional<Execution> end(ConsumedRequest request, A attempt, EndReason reason);

  /// A request has its result, which is to be on its topic.
  ///
  /// @return what publishes it again; empty if a result is never known before it is published
  Optional<Execution> publishStanding(ConsumedRequest request);

  /// Makes immediate requests that wait known to the database. Called after each round of claims.
  ///
  /// @throws SQLException if the database could not be asked; to be called again
  void record(List<ConsumedRequest> requests) throws SQLException;

  /// Stops what still runs at the end of a drain, so that the next worker executes it.
  ///
  /// @return how long it takes to stop before it is interrupted
  default Duration stop() {
    return Duration.ZERO;
  }
}
