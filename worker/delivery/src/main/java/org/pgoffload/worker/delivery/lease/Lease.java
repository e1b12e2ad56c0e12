package org.pgoffload.worker.delivery.lease;

import java.sql.Array;
import java.sql.SQLException;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.Query;
import org.pgoffload.protocol.Envelope;
import org.pgoffload.worker.delivery.scheduling.Pauses;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// This process's lease in the database, renewed every second by the database's clock. When it is
/// gone from there, it registers anew, with another epoch: what it had claimed before is judged by
/// the lease that is gone, and is another's.
///
/// By a clock that goes on while the process stands still, it knows for how long nobody can have
/// counted it as dead: while it is fresh, and no lapse was counted since a claim, that claim is
/// ours.
///
/// Safe to share between threads. Longer than 300 lines because renewal, loss and registering anew
/// share the lease's state.
public final class Lease implements AutoCloseable, WorkerLease {
  private static final Logger LOG = LoggerFactory.getLogger(Lease.class);

  private static final String DEAD_AFTER_MILLIS =
      "(select extract(epoch from s.value::interval) * 1000 from pgoffload.setting s"
          + " where s.name = 'worker_dead_after')";

  private static final String PAUSES = "pgoffload.current_pauses()::text";

  /// With the registration: while nobody has told, documents are ranked without it.
  private static final String TELL_RERANKER =
      " cross join pgoffload.tell_reranker(?, epoch, ?::text, ?::integer)";

  /// For what comes between a look at the clock and the call that begins then.
  private static final double LONGEST_MARGIN_MILLIS = 1000;

  private final DataSource database;
  private final Label label;
  private final Doing doing;
  private final ScheduledExecutorService timer =
      Executors.newSingleThreadScheduledExecutor(
          Thread.ofPlatform().name("pgoffload-lease").daemon().factory());
  private volatile long epoch;

  /// Everything that waits for the next renewal.
  private final Object renewals = new Object();

  /// Before the statement was sent, so that the database's own time is not before it.
  private volatile long renewedAt = System.nanoTime();

  private volatile long freshNanos;
  private final AtomicLong leaseLapses = new AtomicLong();

  /// Of the timeline that it is to be registered on; null while it is.
  private final AtomicReference<@Nullable UUID> outdated = new AtomicReference<>();

  private final LearnPauses pauses = new LearnPauses();

  private volatile HandsOver handsOver = registration -> registration.with(List.of());

  /// How `llm_worker` names the worker.
  ///
  /// @param name unique to this process
  /// @param version of the software
  /// @param provider which it asks unless a request says otherwise
  /// @param model likewise
  /// @param reranker what ranks documents; null for none
  public record Label(
      String name, String version, String provider, String model, @Nullable Reranker reranker) {}

  /// What ranks documents.
  ///
  /// @param model unless a request names another
  /// @param documents how many it takes in one request
  public record Reranker(String model, int documents) {}

  /// What `llm_worker` shows of its work.
  public interface Doing {
    /// How many requests run here.
    int running();

    /// The rest, as JSON.
    String summary();
  }

  /// A claim of a request that runs here.
  interface RunningClaim {
    Envelope request();

    int attempt();
  }

  /// Registers the worker anew.
  @FunctionalInterface
  interface Registration {
    /// Registers it in one transaction.
    ///
    /// @param running what goes over to the new registration
    /// @return as which attempt, by the id, of those that are this worker's still
    /// @throws SQLException if the database could not be asked: nothing has changed then
    Map<Long, Integer> with(List<? extends RunningClaim> running) throws SQLException;
  }

  /// Knows what runs here.
  @FunctionalInterface
  interface HandsOver {
    void handOver(Registration registration) throws SQLException;
  }

  /// Registers and begins to renew.
  ///
  /// @throws SQLException if the database cannot be asked
  public Lease(DataSource database, Label label, Doing doing) throws SQLException {
    this.database = database;
    this.label = label;
    this.doing = doing;
    register();
    var _ = timer.scheduleWithFixedDelay(this::renew, 1, 1, TimeUnit.SECONDS);
  }

  @Override
  public String worker() {
    return label.name();
  }

  @Override
  public long epoch() {
    return epoch;
  }

  /// Whose claims go over when the worker registers anew.
  void handsOver(HandsOver claims) {
    handsOver = claims;
  }

  /// Has somebody know what is paused: now, and from the renewals on in which it changes.
  ///
  /// @param listener must not wait for anything
  public void whenPaused(Consumer<Pauses> listener) {
    pauses.add(listener);
  }

  /// The database was failed over. The worker registers anew as soon as it can be asked: what was
  /// claimed before and does not run here may have lost its result, and is to be taken over.
  /// Returns at once.
  ///
  /// @param token of the timeline
  public void failedOver(UUID token) {
    outdated.set(token);
    try {
      timer.execute(this::renew);
    } catch (RejectedExecutionException e) {
      LOG.debug("The lease is given up", e);
    }
  }

  /// Whether the database was failed over, and this has not registered anew yet.
  public boolean isOutdated() {
    return outdated.get() != null;
  }

  /// How often this process may have been counted as dead. What was claimed before the last time
  /// may be another's. To be asked after [#awaitFresh], and before what is claimed.
  public long leaseLapses() {
    return leaseLapses.get();
  }

  /// Waits until nobody can count this process as dead; at no cost if nobody can.
  ///
  /// @return false if the time has passed before
  /// @throws InterruptedException if the thread is interrupted while it waits
  public boolean awaitFresh(Duration patience) throws InterruptedException {
    if (isFresh()) {
      return true;
    }
    long deadline = System.nanoTime() + patience.toNanos();
    synchronized (renewals) {
      while (!isFresh()) {
        long left = deadline - System.nanoTime();
        if (left <= 0) {
          return false;
        }
        TimeUnit.NANOSECONDS.timedWait(renewals, left);
      }
    }
    return true;
  }

  /// How long ago it was renewed.
  public Duration age() {
    return Duration.ofNanos(System.nanoTime() - renewedAt);
  }

  public boolean isFresh() {
    return System.nanoTime() - renewedAt <= freshNanos;
  }

  /// @param before the statement was sent
  /// @param deadAfterMillis when others count a lease as dead
  /// @param anew whether all that was claimed until now counts as a dead worker's
  private void renewedAt(long before, double deadAfterMillis, boolean anew) {
    // in this order: who finds it fresh counts the lapse
    if (anew || System.nanoTime() - renewedAt > freshNanos) {
      leaseLapses.incrementAndGet();
    }
    double margin = Math.min(LONGEST_MARGIN_MILLIS, deadAfterMillis / 4);
    freshNanos = (long) ((deadAfterMillis - margin) * 1e6);
    renewedAt = before;
    synchronized (renewals) {
      renewals.notifyAll();
    }
  }

  /// What to do when the lease was found to be lost: one that has only run out, because the
  /// database or this process stood still, is renewed with its epoch, so that what runs here stays
  /// claimed. Otherwise this registers anew.
  ///
  /// @param lost the epoch that was found to be lost; nothing is done if it is no longer this one
  @Override
  public synchronized void recover(long lost) throws SQLException {
    var token = outdated.get();
    if (token != null) {
      handsOver.handOver(running -> registerAnew(token, running));
    } else if (lost == epoch && !renewed()) {
      LOG.warn("The lease of worker {} is gone; registering again", label.name());
      register();
    }
  }

  private synchronized void register() throws SQLException {
    var reranker = label.reranker();
    long before = System.nanoTime();
    Query.each(
        database,
        "select epoch, "
            + DEAD_AFTER_MILLIS
            + ", "
            + PAUSES
            + " from pgoffload.register_worker(?, ?, ?, ?) as registered (epoch)"
            + TELL_RERANKER,
        row -> {
          epoch = row.getLong(1);
          renewedAt(before, row.getDouble(2), true);
          pauses.learn(row.getString(3));
        },
        label.name(),
        label.provider(),
        label.model(),
        label.version(),
        label.name(),
        reranker == null ? null : reranker.model(),
        reranker == null ? null : reranker.documents());
  }

  private Map<Long, Integer> registerAnew(UUID token, List<? extends RunningClaim> running)
      throws SQLException {
    var reranker = label.reranker();
    long before = System.nanoTime();
    var kept =
        Query.row(
            database,
            "select epoch, kept, kept_attempts, "
                + DEAD_AFTER_MILLIS
                + " from pgoffload.register_worker_anew(?, ?, ?, ?, ?, ?, ?, ?, ?::oid[], ?, ?)"
                + TELL_RERANKER,
            row -> {
              epoch = row.getLong(1);
              renewedAt(before, row.getDouble(4), true);
              return kept(row.getArray(2), row.getArray(3));
            },
            label.name(),
            epoch,
            label.provider(),
            label.model(),
            label.version(),
            token,
            Query.array("bigint", running, each -> each.request().id()),
            Query.array("integer", running, RunningClaim::attempt),
            Query.array("bigint", running, each -> each.request().requestedBy().userOid()),
            Query.array("uuid", running, each -> each.request().key().nonce()),
            Query.array("boolean", running, each -> each.request().immediate()),
            label.name(),
            reranker == null ? null : reranker.model(),
            reranker == null ? null : reranker.documents());
    outdated.compareAndSet(token, null);
    LOG.info(
        "Worker {} is registered anew after the fail-over; of {} requests that run here, {} are"
            + " its own still",
        label.name(),
        running.size(),
        kept.size());
    return kept;
  }

  private static Map<Long, Integer> kept(@Nullable Array ids, @Nullable Array attempts)
      throws SQLException {
    var kept = new HashMap<Long, Integer>();
    if (ids != null && attempts != null) {
      var of = (Integer[]) attempts.getArray();
      for (var id : (Long[]) ids.getArray()) {
        kept.put(id, of[kept.size()]);
      }
    }
    return kept;
  }

  private void renew() {
    try {
      recover(epoch);
    } catch (SQLException | RuntimeException e) {
      LOG.warn(
          "The lease could not be renewed; when it ends, others count this worker as dead: {}",
          e.getMessage());
    }
  }

  private boolean renewed() throws SQLException {
    long before = System.nanoTime();
    return Query.row(
        database,
        "select pgoffload.renew_lease(?, ?, ?, ?::jsonb), " + DEAD_AFTER_MILLIS + ", " + PAUSES,
        row -> {
          boolean renewed = row.getBoolean(1);
          if (renewed) {
            renewedAt(before, row.getDouble(2), false);
            pauses.learn(row.getString(3));
          }
          return renewed;
        },
        label.name(),
        epoch,
        doing.running(),
        whatItDoes());
  }

  /// A fault in what is only told must not cost the lease.
  private String whatItDoes() {
    try {
      return doing.summary();
    } catch (RuntimeException e) {
      LOG.warn("What the worker does cannot be told", e);
      return "{}";
    }
  }

  /// Gives the lease up, so that what was left unfinished is taken over at once.
  @Override
  public void close() {
    timer.shutdownNow();
    try {
      // a renewal under way would find the lease gone and register again
      if (!timer.awaitTermination(3, TimeUnit.SECONDS)) {
        LOG.warn("A renewal is still under way; the lease ends by itself");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    try {
      Query.execute(database, "select pgoffload.release_lease(?, ?)", label.name(), epoch);
    } catch (SQLException e) {
      LOG.warn("The lease could not be released; it ends by itself: {}", e.getMessage());
    }
  }
}
