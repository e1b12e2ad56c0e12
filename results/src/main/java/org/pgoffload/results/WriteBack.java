package org.pgoffload.results;

import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.Result;
import org.pgoffload.schema.DatabaseAddress;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Writes results to the database in groups: the next group is whatever came in while the last one
/// was written, so that a lone result waits for nobody and a flood shares its commits.
///
/// Idempotent by request id: the first result that the database sees wins. A fault of the database
/// is waited out, however long; a single result that the database will not take is replaced by a
/// failed one, so that it holds up nobody.
///
/// Safe to share between threads.
final class WriteBack implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(WriteBack.class);

  private static final int MOST_RESULTS = 1000;
  private static final long MOST_BYTES = 32L << 20;

  /// Beyond this the application's thread waits, so that a slow database bounds the memory.
  private static final long MOST_BYTES_QUEUED = 128L << 20;

  private static final Duration PAUSE_AFTER_FAULT = Duration.ofMillis(200);

  private final DatabaseAddress database;
  private final Thread thread;
  private final ArrayDeque<Result> queue = new ArrayDeque<>();
  private final ArrayDeque<Integer> sizes = new ArrayDeque<>();
  private long bytesQueued;
  private long accepted;
  private long written;
  private boolean closing;
  private @Nullable Connection connection;
  private String lastFault = "";

  WriteBack(DatabaseAddress database) {
    this.database = database;
    this.thread = Thread.ofPlatform().name("pgoffload-write-back").start(this::run);
  }

  /// Takes a result to be written. Waits while too much is queued.
  ///
  /// @throws WriteBackClosedException if it is closing
  synchronized void write(Result result, int size) {
    while (bytesQueued > MOST_BYTES_QUEUED && !closing) {
      await();
    }
    if (closing) {
      throw new WriteBackClosedException();
    }
    queue.add(result);
    sizes.add(size);
    bytesQueued += size;
    accepted++;
    notifyAll();
  }

  /// Waits until everything that was taken before this call is committed.
  ///
  /// @throws WriteBackClosedException if it closes before that
  synchronized void flush() {
    long target = accepted;
    while (written < target && !closing) {
      await();
    }
    if (written < target) {
      throw new WriteBackClosedException();
    }
  }

  private void run() {
    while (true) {
      var group = nextGroup();
      if (group.isEmpty()) {
        disconnect();
        return;
      }
      writeUntilDone(group);
      synchronized (this) {
        written += group.size();
        notifyAll();
      }
    }
  }

  private synchronized List<Result> nextGroup() {
    while (queue.isEmpty() && !closing) {
      await();
    }
    var group = new ArrayList<Result>();
    if (closing) {
      return group;
    }
    long bytes = 0;
    while (!queue.isEmpty() && group.size() < MOST_RESULTS && bytes < MOST_BYTES) {
      group.add(queue.remove());
      bytes += sizes.remove();
    }
    bytesQueued -= bytes;
    notifyAll();
    return group;
  }

  private void writeUntilDone(List<Result> group) {
    boolean wake = true;
    while (!isClosing()) {
      try {
        record(group, wake);
        if (!lastFault.isEmpty()) {
          LOG.info("Results are written again");
          lastFault = "";
        }
        return;
      } catch (SQLException e) {
        switch (WriteFault.of(e)) {
          case NOTIFICATION_QUEUE_FULL -> wake = false;
          case BAD_DATA -> {
            writeApart(group, e);
            return;
          }
          case DATABASE_UNAVAILABLE -> {
            if (!String.valueOf(e.getMessage()).equals(lastFault)) {
              lastFault = String.valueOf(e.getMessage());
              LOG.warn("Results wait, because the database does not take them: {}", lastFault);
            }
            disconnect();
            pause();
          }
        }
      }
    }
  }

  /// Halves the group until what the database will not take is alone.
  private void writeApart(List<Result> group, SQLException fault) {
    if (group.size() == 1) {
      var bad = group.getFirst();
      LOG.error(
          "The result of request {} cannot be stored ({}); the request ends as failed",
          bad.id(),
          fault.getSQLState());
      writeUntilDone(
          List.of(
              bad.withFailure(
                  "result_not_storable",
                  "the database refused the result with SQLSTATE "
                      + fault.getSQLState()
                      + "; the results topic has it")));
      return;
    }
    writeUntilDone(group.subList(0, group.size() / 2));
    writeUntilDone(group.subList(group.size() / 2, group.size()));
  }

  private void record(List<Result> group, boolean wake) throws SQLException {
    if (connection == null) {
      connection = database.connect("pgoffload results");
    }
    var messages = new String[group.size()];
    for (int i = 0; i < messages.length; i++) {
      messages[i] = new String(group.get(i).write(), StandardCharsets.UTF_8);
    }
    try (var statement = connection.prepareStatement("select pgoffload.record_results(?, ?)")) {
      statement.setArray(1, connection.createArrayOf("text", messages));
      statement.setBoolean(2, wake);
      statement.execute();
    }
  }

  private void disconnect() {
    if (connection != null) {
      try {
        connection.close();
      } catch (SQLException e) {
        LOG.debug("The connection was broken already", e);
      }
      connection = null;
    }
  }

  private synchronized boolean isClosing() {
    return closing;
  }

  private synchronized void pause() {
    if (!closing) {
      try {
        wait(PAUSE_AFTER_FAULT.toMillis());
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        closing = true;
      }
    }
  }

  private void await() {
    try {
      wait();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      closing = true;
      notifyAll();
    }
  }

  /// Ends the writing. What was not written is read again from Kafka, since its offset was not
  /// committed.
  @Override
  public void close() {
    synchronized (this) {
      closing = true;
      notifyAll();
    }
    try {
      thread.join(Duration.ofSeconds(5));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
