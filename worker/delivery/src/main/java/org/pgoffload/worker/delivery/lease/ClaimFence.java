package org.pgoffload.worker.delivery.lease;

import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantLock;
import javax.sql.DataSource;
import org.pgoffload.platform.Query;
import org.pgoffload.protocol.Envelope;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Sees to it that nothing begins for a request that another worker may have taken over: while the
/// lease is fresh it costs nothing, and after a lapse the database is asked, once for all requests
/// that were claimed before it.
///
/// Background SQL needs none: its sessions are fenced by the database itself.
///
/// Safe to share between threads.
public final class ClaimFence {
  private static final Logger LOG = LoggerFactory.getLogger(ClaimFence.class);

  private static final long PAUSE_MILLIS = 100;
  private static final int MOST_AT_ONCE = 10_000;

  private final DataSource database;
  private final Lease lease;
  private final Set<Fenced> fenced = ConcurrentHashMap.newKeySet();
  private final ReentrantLock asking = new ReentrantLock();

  public ClaimFence(DataSource database, Lease lease) {
    this.database = database;
    this.lease = lease;
    lease.handsOver(this::handOver);
  }

  /// A claim that may turn out to be another worker's.
  ///
  /// Safe to share between threads.
  @FunctionalInterface
  public interface FencedClaim extends AutoCloseable {
    /// Waits while nobody can tell whose the request is.
    ///
    /// @return false if nobody could tell in time
    /// @throws ClaimLostException if it is another worker's, or has its result
    boolean confirm(Duration patience) throws InterruptedException;

    /// The request has ended here.
    @Override
    default void close() {}
  }

  private final class Fenced implements FencedClaim, Lease.RunningClaim {
    private final Envelope request;
    private volatile int attempt;
    private volatile long confirmedAfter;
    private volatile boolean revoked;

    private Fenced(Envelope request, int attempt, long confirmedAfter) {
      this.request = request;
      this.attempt = attempt;
      this.confirmedAfter = confirmedAfter;
    }

    @Override
    public Envelope request() {
      return request;
    }

    @Override
    public int attempt() {
      return attempt;
    }

    @Override
    public boolean confirm(Duration patience) throws InterruptedException {
      long deadline = System.nanoTime() + patience.toNanos();
      while (true) {
        if (!lease.awaitFresh(Duration.ofNanos(deadline - System.nanoTime()))) {
          return false;
        }
        if (confirmedAfter == lease.leaseLapses()) {
          return true;
        }
        try {
          ask(this);
        } catch (SQLException e) {
          // as with claims: while the database cannot be asked, nothing is begun
          LOG.debug("Request {} waits for its claim to be confirmed", request.id(), e);
          Thread.sleep(PAUSE_MILLIS);
        }
        if (revoked) {
          throw new ClaimLostException(
              "Request " + request.id() + " is not this worker's any more");
        }
      }
    }

    /// The claim is another worker's: nothing begins under it any more. What is under way goes on.
    private void revoke() {
      revoked = true;
    }

    @Override
    public void close() {
      fenced.remove(this);
    }
  }

  /// Fences a claim, until it is closed.
  ///
  /// @param leaseLapses the lapses of the lease that were counted before the claim
  public FencedClaim fence(Envelope request, int attempt, long leaseLapses) {
    var claim = new Fenced(request, attempt, leaseLapses);
    fenced.add(claim);
    return claim;
  }

  /// Asks for all at once; who comes while another asks finds the answer.
  private void ask(Fenced claim) throws SQLException, InterruptedException {
    asking.lockInterruptibly();
    try {
      // before the statement: what is lost later counts as another lapse
      long leaseLapses = lease.leaseLapses();
      if (claim.confirmedAfter == leaseLapses || claim.revoked) {
        return;
      }
      var doubtful = new ArrayList<Fenced>();
      doubtful.add(claim);
      fenced.stream()
          .filter(each -> each != claim && each.confirmedAfter != leaseLapses)
          .limit(MOST_AT_ONCE)
          .forEach(doubtful::add);
      var claimed = stillClaimed(doubtful);
      for (var each : doubtful) {
        if (claimed.contains(each.request.id())) {
          each.confirmedAfter = leaseLapses;
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

  /// The lease is one of another registration from now on: what it keeps are later attempts.
  private void handOver(Lease.Registration register) throws SQLException {
    // who asks meanwhile would ask for the one with the other
    asking.lock();
    try {
      var running = List.copyOf(fenced);
      Map<Long, Integer> kept = register.with(running);
      long leaseLapses = lease.leaseLapses();
      for (var each : running) {
        var attempt = kept.get(each.request.id());
        if (attempt == null) {
          each.revoke();
        } else {
          each.attempt = attempt;
          each.confirmedAfter = leaseLapses;
        }
      }
    } finally {
      asking.unlock();
    }
  }

  private Set<Long> stillClaimed(List<Fenced> claims) throws SQLException {
    return Query.ids(
        database,
        "select pgoffload.still_claimed(?, ?, ?, ?)",
        lease.worker(),
        lease.epoch(),
        Query.array("bigint", claims, claim -> claim.request.id()),
        Query.array("integer", claims, claim -> claim.attempt));
  }
}
