package org.pgoffload.dev.faults.books;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.pgoffload.dev.faults.installation.Await;
import org.pgoffload.dev.faults.installation.FaultsException;
import org.pgoffload.dev.faults.installation.Sql;
import org.pgoffload.dev.faults.installation.Tag;
import org.pgoffload.platform.DatabaseAddress;

/// Changes of a table with a maintained column, spread over some time: a quarter are inserts, a
/// quarter meet five hot rows, one in twenty is rolled back. Each text has a number of its own.
/// What breaks with its connection is tried again with another text.
///
/// Started and awaited by one thread.
public final class Changes {
  private static final int SESSIONS = 4;
  private static final int HOT_ROWS = 5;

  private final Supplier<DatabaseAddress> database;
  private final String run;
  private final String table;
  private final int rows;
  private final AtomicInteger texts;
  private final Set<Integer> undone = ConcurrentHashMap.newKeySet();
  private final Queue<String> refused = new ConcurrentLinkedQueue<>();
  private final List<Thread> sessions = new ArrayList<>();
  private final long begun = System.nanoTime();
  private volatile boolean abandoned;

  /// @param database asked for each connection
  /// @param run of the tags in the texts
  /// @param table with the columns id and body
  /// @param rows that are there, with the ids and texts from 0 on
  public Changes(Supplier<DatabaseAddress> database, String run, String table, int rows) {
    this.database = database;
    this.run = run;
    this.table = table;
    this.rows = rows;
    this.texts = new AtomicInteger(rows);
  }

  /// Starts so many changes.
  public void start(int count, Duration spread, Random random) {
    for (int session = 0; session < SESSIONS; session++) {
      int first = session;
      var own = new Random(random.nextLong());
      sessions.add(
          Thread.ofVirtual().name("changes").start(() -> runSession(first, count, spread, own)));
    }
  }

  private void runSession(int first, int count, Duration spread, Random random) {
    Connection connection = null;
    for (int i = first; i < count && !abandoned; i += SESSIONS) {
      long due = begun + spread.multipliedBy(i).dividedBy(count).toNanos();
      Await.pause(Duration.ofNanos(Math.max(0, due - System.nanoTime())));
      boolean done = false;
      while (!done && !abandoned) {
        try {
          if (connection == null) {
            connection = database.get().connect("faults changes");
            connection.setAutoCommit(false);
          }
          change(connection, i, random);
          done = true;
        } catch (SQLException e) {
          note(e);
          close(connection);
          connection = null;
          Await.pause(Duration.ofMillis(50));
        }
      }
    }
    close(connection);
  }

  private void change(Connection connection, int i, Random random) throws SQLException {
    int text = texts.getAndIncrement();
    var tag = new Tag(run, text);
    int choice = random.nextInt(4);
    if (choice == 0) {
      Sql.execute(
          connection, "insert into %s (id, body) values (%d, '%s')".formatted(table, text, tag));
    } else {
      int row = random.nextInt(choice == 1 ? Math.min(HOT_ROWS, rows) : rows);
      Sql.execute(connection, "update %s set body = '%s' where id = %d".formatted(table, tag, row));
    }
    if (i % 20 == 19) {
      undone.add(text);
      connection.rollback();
    } else {
      connection.commit();
    }
  }

  /// A writer may lose its server, and nothing else.
  private void note(SQLException e) {
    var state = String.valueOf(e.getSQLState());
    if (!state.startsWith("08") && !state.startsWith("57")) {
      refused.add("a change was refused: " + e.getMessage());
    }
  }

  private static void close(@Nullable Connection connection) {
    if (connection != null) {
      try {
        connection.close();
      } catch (SQLException e) {
        // the connection is closed because it is broken
      }
    }
  }

  /// Waits until all changes are made.
  ///
  /// @return whether they were in that time; if not, the remaining ones are given up
  public boolean await(Duration patience) {
    long deadline = System.nanoTime() + patience.toNanos();
    try {
      for (var session : sessions) {
        abandoned =
            !session.join(Duration.ofNanos(Math.max(1, deadline - System.nanoTime()))) || abandoned;
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new FaultsException("interrupted while a table was changed", e);
    }
    return !abandoned;
  }

  /// What writers were told that they must never be told.
  public List<String> refused() {
    return List.copyOf(refused);
  }

  /// The numbers of the texts that were rolled back.
  public Set<Integer> undone() {
    return Set.copyOf(undone);
  }
}
