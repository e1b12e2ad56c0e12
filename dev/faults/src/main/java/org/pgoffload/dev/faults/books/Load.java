package org.pgoffload.dev.faults.books;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Random;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.pgoffload.dev.faults.installation.Await;
import org.pgoffload.dev.faults.installation.FaultsException;
import org.pgoffload.platform.DatabaseAddress;

/// The callers: sessions that insert and roll back, launch tasks and wait for answers, spread over
/// some time, whatever happens to the servers meanwhile. A session whose connection breaks opens
/// another one.
///
/// Started and awaited by one thread.
public final class Load {
  private static final int SESSIONS = 4;
  private static final int ASKING_SESSIONS = 6;
  private static final Duration RECONNECT = Duration.ofMillis(50);

  private final Supplier<DatabaseAddress> database;
  private final TakeStep takeStep;
  private final long begun = System.nanoTime();
  private final List<Thread> sessions = new ArrayList<>();
  private volatile boolean abandoned;

  private Load(Supplier<DatabaseAddress> database, Journal journal, Duration patience) {
    this.database = database;
    this.takeStep = new TakeStep(journal, patience);
  }

  /// Starts the steps of the load.
  ///
  /// @param database asked for each connection: the server that takes writes changes
  /// @param spread over which time the steps begin
  /// @param patience of an llm_ask
  public static Load start(
      Supplier<DatabaseAddress> database,
      Journal journal,
      Mix mix,
      Duration spread,
      Duration patience,
      Random random) {
    var load = new Load(database, journal, patience);
    var steps = mix.steps(random);
    var asking = new ArrayDeque<Timed>();
    var others = new ArrayDeque<Timed>();
    for (int i = 0; i < steps.size(); i++) {
      var step = steps.get(i);
      var due = spread.multipliedBy(i).dividedBy(steps.size());
      var queue =
          step instanceof Step.Immediate immediate && immediate.kind() == Asked.Kind.LLM_ASKED
              ? asking
              : others;
      queue.add(new Timed(due, step));
    }
    for (int i = 0; i < SESSIONS; i++) {
      load.session(others, random.nextLong());
    }
    for (int i = 0; i < ASKING_SESSIONS; i++) {
      load.session(asking, random.nextLong());
    }
    return load;
  }

  private record Timed(Duration due, Step step) {}

  private void session(Deque<Timed> queue, long seed) {
    sessions.add(Thread.ofVirtual().name("load").start(() -> runSession(queue, new Random(seed))));
  }

  private void runSession(Deque<Timed> queue, Random random) {
    Connection connection = null;
    while (!abandoned) {
      var next = next(queue);
      if (next == null) {
        break;
      }
      connection = connected(connection);
      if (connection == null) {
        break;
      }
      try {
        takeStep.take(next.step(), connection, random);
      } catch (SQLException e) {
        connection = closed(connection);
        synchronized (queue) {
          queue.addFirst(next); // asked anew, under other numbers
        }
      }
    }
    closed(connection);
  }

  private @Nullable Timed next(Deque<Timed> queue) {
    Timed next;
    synchronized (queue) {
      next = queue.poll();
    }
    if (next != null) {
      long left = next.due().toNanos() - (System.nanoTime() - begun);
      if (left > 0) {
        Await.pause(Duration.ofNanos(left));
      }
    }
    return next;
  }

  private @Nullable Connection connected(@Nullable Connection connection) {
    var present = connection;
    while (present == null && !abandoned) {
      try {
        present = database.get().connect("faults load");
      } catch (SQLException e) {
        Await.pause(RECONNECT);
      }
    }
    return present;
  }

  private static @Nullable Connection closed(@Nullable Connection connection) {
    if (connection != null) {
      try {
        connection.close();
      } catch (SQLException e) {
        // the connection is closed because it is broken
      }
    }
    return null;
  }

  /// Waits until all steps are taken.
  ///
  /// @return whether all ended in that time; if not, the remaining calls are given up
  public boolean await(Duration patience) {
    long deadline = System.nanoTime() + patience.toNanos();
    for (var session : sessions) {
      try {
        if (!session.join(Duration.ofNanos(Math.max(1, deadline - System.nanoTime())))) {
          abandoned = true;
          return false;
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new FaultsException("interrupted while the load ran", e);
      }
    }
    return true;
  }
}
