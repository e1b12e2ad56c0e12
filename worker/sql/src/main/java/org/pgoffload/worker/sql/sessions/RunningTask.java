package org.pgoffload.worker.sql.sessions;

import java.sql.SQLException;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A task that was begun here: what is to be known of it from other threads, and how they stop it.
///
/// Safe to share between threads.
public final class RunningTask {
  private static final Logger LOG = LoggerFactory.getLogger(RunningTask.class);

  private static final long FIRST_PAUSE = Duration.ofMillis(100).toNanos();
  private static final long LONGEST_PAUSE = Duration.ofSeconds(2).toNanos();

  private final long id;
  private final long deadline;
  private final boolean hasDeadline;
  private final AtomicReference<@Nullable Stop> stop = new AtomicReference<>();

  /// Held while a cancel request is on its way, so that none arrives after the session was left.
  private final ReentrantLock cancelling = new ReentrantLock();

  private @Nullable TaskSession session;
  private long nextCancel;
  private long pause = FIRST_PAUSE;
  private volatile int attempt;
  private volatile int backend;
  private volatile @Nullable Use use;

  /// A session that it waits for, in whatever it does on it.
  ///
  /// @param since by [System#nanoTime()]
  public record Use(TaskSession session, long since) {}

  /// Why a task is stopped.
  public enum Stop {
    /// Somebody who may has cancelled it.
    CANCELLED,
    /// Its time has passed.
    EXPIRED,
    /// The worker is closing: the next one runs it.
    CLOSING
  }

  /// @param left until its deadline, or empty if it has none
  public RunningTask(long id, Optional<Duration> left) {
    this.id = id;
    this.hasDeadline = left.isPresent();
    this.deadline = System.nanoTime() + left.orElse(Duration.ZERO).toNanos();
  }

  public long id() {
    return id;
  }

  /// Which attempt it is in, 0 before its session has begun.
  public int attempt() {
    return attempt;
  }

  /// The pid of its session's backend, 0 while it has none.
  public int backend() {
    return backend;
  }

  /// Stops it; the first reason counts.
  public void stop(Stop reason) {
    stop.compareAndSet(null, reason);
  }

  /// Why it is to stop, if it is.
  public Optional<Stop> stopped() {
    if (hasDeadline && System.nanoTime() - deadline >= 0) {
      stop(Stop.EXPIRED);
    }
    return Optional.ofNullable(stop.get());
  }

  /// Returns unless the task is to stop.
  ///
  /// @throws StoppedException if it is to stop
  public void goOn() throws StoppedException {
    var reason = stopped();
    if (reason.isPresent()) {
      throw new StoppedException(reason.get());
    }
  }

  /// From now on it waits for what this session says, until it uses none.
  public void uses(@Nullable TaskSession session) {
    use = session == null ? null : new Use(session, System.nanoTime());
  }

  /// The session that it uses, if it does.
  public Optional<Use> use() {
    return Optional.ofNullable(use);
  }

  /// From now on stopping it interrupts what this session runs.
  public void entered(TaskSession entered, int ofAttempt) {
    cancelling.lock();
    try {
      session = entered;
      attempt = ofAttempt;
      backend = entered.identity().pid();
      nextCancel = System.nanoTime();
    } finally {
      cancelling.unlock();
    }
  }

  /// The session runs nothing of it any more. Waits for a cancel request that is on its way.
  public void left() {
    cancelling.lock();
    try {
      session = null;
      backend = 0;
    } finally {
      cancelling.unlock();
    }
  }

  /// Whether it is time to interrupt what runs: a request that comes between two statements is
  /// lost, and has to be repeated.
  public boolean isToBeCancelled() {
    if (stopped().isEmpty() || !cancelling.tryLock()) {
      return false;
    }
    try {
      return session != null && System.nanoTime() - nextCancel >= 0;
    } finally {
      cancelling.unlock();
    }
  }

  /// Interrupts what runs. Blocks while the server is asked to.
  public void cancel() {
    cancelling.lock();
    try {
      var current = session;
      if (current != null) {
        current.cancel();
      }
    } catch (SQLException e) {
      LOG.debug("The server could not be asked to interrupt request {}; trying again", id, e);
    } finally {
      nextCancel = System.nanoTime() + pause;
      pause = Math.min(LONGEST_PAUSE, pause * 2);
      cancelling.unlock();
    }
  }
}
