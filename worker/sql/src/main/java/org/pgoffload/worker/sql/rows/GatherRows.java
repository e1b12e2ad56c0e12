package org.pgoffload.worker.sql.rows;

import java.nio.charset.StandardCharsets;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.SqlRows;
import org.pgoffload.worker.sql.sessions.RunningTask;
import org.pgoffload.worker.sql.sessions.SqlTask;
import org.pgoffload.worker.sql.sessions.StoppedException;

/// Collects the rows that a task returns: few stay here and go with the result; of many, each chunk
/// is stored and published as soon as it is full, so that their number does not matter to the
/// memory. The two go on at once: chunks are stored by a thread of their own, in a size of their
/// own.
///
/// For one thread.
public final class GatherRows implements AutoCloseable {
  /// The smallest chunk, and with it the most that goes with a result, however small a queue was
  /// asked for.
  static final int LEAST_CHUNK_BYTES = 4 << 10;

  /// The largest chunk. A row that is larger is cut.
  static final int MOST_CHUNK_BYTES = 1 << 20;

  private static final int BYTES_OF_A_NULL = 5;
  private static final int BYTES_AROUND_A_VALUE = 3;
  private static final int BYTES_AROUND_A_ROW = 3;

  private final SqlTask task;
  private final int attempt;
  private final int chunkBytes;
  private final PublishRows publish;
  private final StoreRows store;
  private List<byte[] @Nullable []> rows = new ArrayList<>();
  private long bytes;
  private long count;
  private int chunks;
  private boolean split;

  /// @param store of this attempt
  /// @param running may stop while it waits for the topic or the database
  public GatherRows(
      SqlTask task, int attempt, ResultsTopic topic, RowStore store, RunningTask running) {
    this.task = task;
    this.attempt = attempt;
    this.chunkBytes = Math.clamp(task.rows().queueSize(), LEAST_CHUNK_BYTES, MOST_CHUNK_BYTES);
    this.publish = new PublishRows(task.id(), topic, running);
    this.store = new StoreRows(store, running);
  }

  /// All rows of an attempt.
  ///
  /// @param count how many
  /// @param inline they themselves, or null if they are in chunks
  /// @param chunks how many chunks
  /// @param split whether a row was cut
  /// @param stored how many chunks the database has
  public record Gathered(
      long count,
      @Nullable List<List<@Nullable String>> inline,
      int chunks,
      boolean split,
      int stored) {}

  /// Takes a row.
  ///
  /// @param values PostgreSQL's own text in UTF-8, null for NULL
  /// @throws SQLException if the database does not take an earlier chunk
  /// @throws InterruptedException if the worker is closing
  /// @throws StoppedException if the task is to stop
  public void add(byte[] @Nullable [] values)
      throws SQLException, InterruptedException, StoppedException {
    count++;
    if (!task.rows().wanted()) {
      return;
    }
    long size = size(values);
    if (size > MOST_CHUNK_BYTES) {
      publishChunk();
      split = true;
      store.addLarge(values);
      new CutRow(this::publishPiece).cut(row(values));
      return;
    }
    if (bytes + size > chunkBytes && !rows.isEmpty()) {
      publishChunk();
    }
    rows.add(values);
    bytes += size;
  }

  /// How many there are so far.
  long count() {
    return count;
  }

  /// Ends the collection: returns when the topic has every chunk, and readers of the database would
  /// see them.
  ///
  /// @throws SQLException if the database does not take a chunk
  /// @throws InterruptedException if the worker is closing
  /// @throws StoppedException if the task is to stop
  public Gathered end() throws SQLException, InterruptedException, StoppedException {
    if (!task.rows().wanted()) {
      return new Gathered(count, null, 0, false, 0);
    }
    if (chunks == 0) {
      return new Gathered(count, rows.stream().map(GatherRows::row).toList(), 0, false, 0);
    }
    publishChunk();
    store.awaitAll();
    publish.awaitAll();
    return new Gathered(count, null, chunks, split, store.chunks());
  }

  /// Ends what is still being stored.
  @Override
  public void close() {
    store.close();
  }

  private void publishChunk() throws SQLException, InterruptedException, StoppedException {
    if (!rows.isEmpty()) {
      store.add(rows, bytes);
      publish.send(
          SqlRows.write(
              task.id(), new SqlRows.Place(attempt, ++chunks), task.launcher().userOid(), rows));
      rows = new ArrayList<>();
      bytes = 0;
    }
  }

  private void publishPiece(String piece, boolean ends)
      throws InterruptedException, StoppedException {
    publish.send(
        SqlRows.piece(task.id(), attempt, ++chunks, task.launcher().userOid(), piece, ends)
            .write());
  }

  private static List<@Nullable String> row(byte[] @Nullable [] values) {
    var row = new ArrayList<@Nullable String>(values.length);
    for (var value : values) {
      row.add(value == null ? null : new String(value, StandardCharsets.UTF_8));
    }
    return Collections.unmodifiableList(row);
  }

  /// How many bytes a row takes in a message, at most.
  private static long size(byte[] @Nullable [] values) {
    long size = BYTES_AROUND_A_ROW;
    for (var value : values) {
      size += value == null ? BYTES_OF_A_NULL : BYTES_AROUND_A_VALUE + escaped(value);
    }
    return size;
  }

  /// How many bytes a text takes in JSON.
  private static long escaped(byte[] text) {
    long size = text.length;
    for (byte b : text) {
      size +=
          switch (b) {
            case '"', '\\', '\b', '\t', '\n', '\f', '\r' -> 1;
            default -> b >= 0 && b < ' ' ? 5 : 0;
          };
    }
    return size;
  }
}
