package org.pgoffload.worker.llm;

import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.locks.ReentrantLock;
import javax.sql.DataSource;
import org.pgoffload.platform.Query;
import org.pgoffload.worker.delivery.Lease;
import org.pgoffload.worker.llm.calls.ClaimLostException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Sees to it that no call begins for a request that another worker may have taken over: while the
/// lease is fresh it costs nothing, and after a lapse the database is asked, once for all requests
/// that were claimed before it.
///
/// Safe to share between threads.
public final class ClaimFence {
  private static final Logger LOG = LoggerFactory.getLogger(ClaimFence.class);

  private static final long PAUSE_MILLIS = 100;
  private static final int MOST_AT_ONCE = 10_000;

  private final DataSource database;
  private final Lease lease;
  private final InFlightRequests asked;
  private final ReentrantLock asking = new ReentrantLock();

  public ClaimFence(DataSource database, Lease lease, InFlightRequests asked) {
    this.database = database;
    this.lease = lease;
    this.asked = asked;
  }

  /// The lapses of the lease until now: to be asked before a claim.
  long leaseLapses() {
    return lease.leaseLapses();
  }

  /// Waits while nobody can tell whose a request is.
  ///
  /// @return false if nobody could tell in time
  /// @throws ClaimLostException if it is another worker's, or has its result
  boolean confirm(InFlightRequest request, Duration patience) throws InterruptedException {
    long deadline = System.nanoTime() + patience.toNanos();
    while (true) {
      if (!lease.awaitFresh(Duration.ofNanos(deadline - System.nanoTime()))) {
        return false;
      }
      if (request.isConfirmedAfter(lease.leaseLapses())) {
        return true;
      }
      try {
        ask(request);
      } catch (SQLException e) {
        // as with claims: while the database cannot be asked, nothing is begun
        LOG.debug("Request {} waits for its claim to be confirmed", request.id(), e);
        Thread.sleep(PAUSE_MILLIS);
      }
      if (request.isRevoked()) {
        throw new ClaimLostException(
            "Request " + request.id() + " was taken over while this worker stood still");
      }
    }
  }

  /// Asks for all at once; who comes while another asks finds the answer.
  private void ask(InFlightRequest request) throws SQLException, InterruptedException {
    asking.lockInterruptibly();
    try {
      // before the statement: what is lost later counts as another lapse
      long leaseLapses = lease.leaseLapses();
      if (request.isConfirmedAfter(leaseLapses) || request.isRevoked()) {
        return;
      }
      var doubtful = new ArrayList<InFlightRequest>();
      doubtful.add(request);
      asked.all().stream()
          .filter(each -> each != request && !each.isConfirmedAfter(leaseLapses))
          .limit(MOST_AT_ONCE)
          .forEach(doubtful::add);
      var claimed = stillClaimed(doubtful);
      for (var each : doubtful) {
        if (claimed.contains(each.id())) {
          each.confirmedAfter(leaseLapses);
        } else {
          each.revoke();
        }
      }
      LOG.info(
          "Of {} requests that were claimed before the lease could not be renewed, {} are still"
              + " this worker's",
          doubtful.size(),
          claimed.size());
    } finally {
      asking.unlock();
    }
  }

  private Set<Long> stillClaimed(List<InFlightRequest> requests) throws SQLException {
    return new HashSet<>(
        Query.rows(
            database,
            "select pgoffload.still_claimed(?, ?, ?, ?)",
            row -> row.getLong(1),
            lease.worker(),
            lease.epoch(),
            Query.array("bigint", requests, InFlightRequest::id),
            Query.array("integer", requests, InFlightRequest::attempt)));
  }
}
