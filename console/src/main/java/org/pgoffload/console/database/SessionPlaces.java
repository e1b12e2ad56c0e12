package org.pgoffload.console.database;

import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;

/// Bounds the sessions that the console has open at a time, in all and of each role: readers who
/// reload a slow page must not use up the connections of the server.
///
/// Safe to share between threads.
public final class SessionPlaces {
  private static final int IN_ALL = 16;
  private static final int OF_A_ROLE = 4;
  private static final Duration PATIENCE = Duration.ofSeconds(5);

  private final Semaphore all = new Semaphore(IN_ALL, true);
  private final Map<String, Semaphore> roles = new ConcurrentHashMap<>();

  /// A place of a session; closing gives it back.
  interface Place extends AutoCloseable {
    @Override
    void close();
  }

  /// Waits for a place.
  ///
  /// @throws BusyException if there is none within some seconds
  Place take(String role) {
    var ofTheRole = roles.computeIfAbsent(role, _ -> new Semaphore(OF_A_ROLE, true));
    acquire(ofTheRole, "of role " + role);
    try {
      acquire(all, "in all");
    } catch (BusyException e) {
      ofTheRole.release();
      throw e;
    }
    return () -> {
      all.release();
      ofTheRole.release();
    };
  }

  private static void acquire(Semaphore places, String whose) {
    try {
      if (!places.tryAcquire(PATIENCE.toMillis(), TimeUnit.MILLISECONDS)) {
        throw new BusyException("the console has as many sessions open as it may " + whose);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new BusyException("the console is ending");
    }
  }
}
