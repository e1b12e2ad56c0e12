package org.pgoffload.dev.faults.installation;

import java.time.Duration;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;

/// Waits for what comes of others.
public final class Await {
  private static final Duration PAUSE = Duration.ofMillis(20);

  private Await() {}

  /// Waits for a condition.
  ///
  /// @throws FaultsException with that problem if it has not come in time
  public static void until(BooleanSupplier come, Duration patience, Supplier<String> problem) {
    if (!comes(come, patience)) {
      throw new FaultsException(problem.get());
    }
  }

  /// Whether it comes in time.
  public static boolean comes(BooleanSupplier come, Duration patience) {
    long deadline = System.nanoTime() + patience.toNanos();
    while (!come.getAsBoolean()) {
      if (System.nanoTime() - deadline > 0) {
        return false;
      }
      pause(PAUSE);
    }
    return true;
  }

  /// Lets time pass, where the passing of time itself is wanted.
  public static void pause(Duration duration) {
    try {
      Thread.sleep(duration);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new FaultsException("interrupted", e);
    }
  }
}
