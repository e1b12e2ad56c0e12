package org.pgoffload.dev.faults.injections;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.pgoffload.dev.faults.books.Asked;
import org.pgoffload.dev.faults.books.Journal;
import org.pgoffload.dev.faults.books.TakeStep;
import org.pgoffload.dev.faults.installation.Await;
import org.pgoffload.dev.faults.installation.Part;
import org.pgoffload.dev.faults.installation.Sql;
import org.pgoffload.platform.DatabaseAddress;

/// All parts are replaced one after another under a steady load of requests: a successor starts,
/// and once it is ready, or waits for the slot, the one before is ended by SIGTERM.
final class RollingFaults {
  /// The usual load and the steady one together.
  private static final int A_SECOND = 200;

  /// The usual load begins its requests over this time, about as long as all parts take.
  private static final Duration SPREAD = Duration.ofSeconds(60);

  /// Transactions of ten rows.
  private static final int ROWS = 10;

  private static final Duration LONGEST_WAIT = Duration.ofSeconds(5);

  private RollingFaults() {}

  static List<Fault> all() {
    return List.of(
        Fault.of(
                "parts-rolled",
                "all parts replaced one after another under 200 requests a second: none waits for 5 s",
                RollingFaults::roll)
            .lasting(SPREAD));
  }

  private static void roll(Scene scene) {
    var load = new SteadyLoad(scene);
    var waits = new Waits(scene.installation().admin());
    try (load;
        waits) {
      scene.pause(Duration.ofSeconds(2));
      var installation = scene.installation();
      roll(scene, installation.results());
      roll(scene, installation.producer());
      installation.workers().forEach(worker -> roll(scene, worker));
      scene.pause(Duration.ofSeconds(2));
    }
    scene.note(String.format(Locale.ROOT, "longest wait %.1f s", waits.longest));
    scene.note(load.asked + " asked meanwhile");
    if (!load.problem.isEmpty()) {
      scene.problem(load.problem);
    }
    if (waits.longest > LONGEST_WAIT.toSeconds()) {
      scene.problem(
          String.format(Locale.ROOT, "a request waited for %.1f s for its result", waits.longest));
    }
  }

  private static void roll(Scene scene, Part part) {
    part.replace(PartFaults.STANDS_BY);
    scene.pause(Duration.ofSeconds(2));
  }

  /// Inserts so many requests a second until it is closed, or its connection breaks.
  private static final class SteadyLoad implements AutoCloseable {
    private final DatabaseAddress database;
    private final Journal journal;
    private final double usualLoad;
    private final AtomicInteger asked = new AtomicInteger();
    private final Thread thread;
    private volatile String problem = "";
    private volatile boolean ended;

    SteadyLoad(Scene scene) {
      database = scene.installation().application();
      journal = scene.journal();
      usualLoad = (double) scene.requests() / SPREAD.toSeconds();
      thread = Thread.ofVirtual().name("steady-load").start(this::run);
    }

    private void run() {
      long begun = System.nanoTime();
      long due = begun;
      try (var connection = database.connect("faults steady load")) {
        while (!ended) {
          insert(connection);
          asked.addAndGet(ROWS);
          boolean alone = due - begun > SPREAD.toNanos();
          due += (long) (ROWS * 1e9 / Math.max(ROWS, alone ? A_SECOND : A_SECOND - usualLoad));
          Await.pause(Duration.ofNanos(Math.max(0, due - System.nanoTime())));
        }
      } catch (SQLException e) {
        problem = "the steady load broke off: " + e.getMessage();
      }
    }

    private void insert(Connection connection) throws SQLException {
      var tags = Stream.generate(journal::next).limit(ROWS).toList();
      tags.forEach(tag -> journal.write(tag, Asked.Kind.LLM_INSERTED, Asked.Fate.UNCERTAIN));
      Sql.execute(
          connection,
          tags.stream()
              .map(tag -> "('" + TakeStep.prompt(tag) + "')")
              .collect(Collectors.joining(", ", "insert into llm_request (prompt) values ", "")));
      tags.forEach(tag -> journal.write(tag, Asked.Kind.LLM_INSERTED, Asked.Fate.ACCEPTED));
    }

    @Override
    public void close() {
      ended = true;
      joined(thread);
    }
  }

  /// Watches how long the oldest inserted request without a result has waited.
  private static final class Waits implements AutoCloseable {
    private final Thread thread;
    private volatile boolean ended;
    private volatile double longest;

    Waits(DatabaseAddress database) {
      thread =
          Thread.ofVirtual()
              .name("waits")
              .start(() -> {
                try (var connection = database.connect("faults waits")) {
                  long first = Sql.number(connection, "select nextval('pgoffload.request_id')");
                  while (!ended) {
                    long waited =
                        Sql.number(
                            connection,
                            """
                            select coalesce(max(extract(epoch from clock_timestamp() - q.created_at)
                              * 1000), 0)::bigint
                            from llm_request q
                            where q.id > %d and not exists (
                              select from pgoffload.llm_result r where r.id = q.id)\
                            """
                                .formatted(first));
                    longest = Math.max(longest, waited / 1000.0);
                    Await.pause(Duration.ofMillis(200));
                  }
                } catch (SQLException e) {
                  longest = Double.MAX_VALUE;
                }
              });
    }

    @Override
    public void close() {
      ended = true;
      joined(thread);
    }
  }

  private static void joined(Thread thread) {
    try {
      thread.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
