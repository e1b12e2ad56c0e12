package org.pgoffload.console.overview;

import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import org.pgoffload.console.web.Problem;
import org.pgoffload.console.web.Visit;
import org.pgoffload.platform.DatabaseFault;

/// The overview of each role whose readers look, made once for all of them: the first reader who
/// finds it too old reads it anew. Nothing is read while nobody looks.
///
/// Safe to share between threads.
final class SharedSamples {
  /// How old an overview gets.
  static final Duration INTERVAL = Duration.ofSeconds(2);

  /// The health of the installation takes longer to read, and changes more slowly.
  private static final Duration HEALTH_INTERVAL = Duration.ofSeconds(15);

  /// How long a reader waits for what another one reads.
  private static final Duration PATIENCE = Duration.ofSeconds(1);

  private final Map<String, Sample> samples = new ConcurrentHashMap<>();

  private static final class Sample {
    private final ReentrantLock reading = new ReentrantLock();
    private volatile @Nullable Overview overview;
    private List<Overview.HealthProblem> problems = List.of();
    private long overviewAt;
    private long problemsAt;
    private boolean hasProblems;

    /// One reader asks the database. The others wait for a moment, and are shown the last overview
    /// then: while the database hangs, they do not queue up.
    private Overview read(Visit visit) throws SQLException {
      try {
        if (reading.tryLock(PATIENCE.toMillis(), TimeUnit.MILLISECONDS)) {
          try {
            return readAlone(visit);
          } finally {
            reading.unlock();
          }
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
      var last = overview;
      if (last == null) {
        throw new Problem(
            503,
            DatabaseFault.QUERY_CANCELED,
            "The database does not answer yet.",
            "Another reader of this role has asked it. Try again in a few seconds.");
      }
      return last.late();
    }

    private Overview readAlone(Visit visit) throws SQLException {
      long now = System.nanoTime();
      var last = overview;
      if (last != null && now - overviewAt < INTERVAL.toNanos() * 9 / 10) {
        return last;
      }
      boolean problemsAreOld = !hasProblems || now - problemsAt > HEALTH_INTERVAL.toNanos();
      var next =
          visit
              .database()
              .look(session -> {
                var sample = new SampleOverview(session, visit.rights());
                if (problemsAreOld) {
                  problems = sample.problems();
                  problemsAt = now;
                  hasProblems = true;
                }
                return sample.with(problems);
              });
      overview = next;
      overviewAt = System.nanoTime();
      return next;
    }
  }

  /// The overview of the visitor's role.
  Overview of(Visit visit) throws SQLException {
    return samples.computeIfAbsent(visit.role(), _ -> new Sample()).read(visit);
  }
}
