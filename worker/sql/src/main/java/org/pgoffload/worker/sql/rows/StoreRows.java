package org.pgoffload.worker.sql.rows;

import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.pgoffload.worker.sql.sessions.RunningTask;
import org.pgoffload.worker.sql.sessions.StoppedException;

/// Stores the rows of one attempt on a thread of its own, while more are read and published. What
/// waits for the database is bounded.
///
/// For one thread.
final class StoreRows implements AutoCloseable {
  /// Each chunk is a statement and a commit.
  private static final int CHUNK_BYTES = 256 << 10;

  /// For each task.
  private static final int MOST_WAITING_BYTES = 2 << 20;

  private static final Duration LOOK_EVERY = Duration.ofMillis(200);

  private final RowStore store;
  private final RunningTask running;
  private final BlockingQueue<Chunk> queue = new LinkedBlockingQueue<>();

  /// In bytes.
  private final Semaphore room = new Semaphore(MOST_WAITING_BYTES);

  private final ArrayText piece = new ArrayText();
  private List<byte[] @Nullable []> gathered = new ArrayList<>();
  private long gatheredBytes;
  private int chunks;
  private @Nullable Thread thread;
  private volatile @Nullable Throwable fault;

  /// @param rows whole rows, none if it is a piece of one
  /// @param room what it takes until it is stored
  private record Chunk(
      int number,
      List<byte[] @Nullable []> rows,
      @Nullable String piece,
      @Nullable Boolean ends,
      int room) {}

  /// @param running may stop while it waits for the database
  StoreRows(RowStore store, RunningTask running) {
    this.store = store;
    this.running = running;
  }

  /// How many chunks there are so far.
  int chunks() {
    return chunks;
  }

  /// Takes whole rows.
  ///
  /// @param bytes about how many they have
  /// @throws SQLException if earlier ones could not be stored
  /// @throws InterruptedException if the worker is closing
  /// @throws StoppedException if the task is to stop
  void add(List<byte[] @Nullable []> rows, long bytes)
      throws SQLException, InterruptedException, StoppedException {
    gathered.addAll(rows);
    gatheredBytes += bytes;
    if (gatheredBytes >= CHUNK_BYTES) {
      storeGathered();
    }
  }

  /// Takes a row that is larger than a chunk, and cuts it.
  ///
  /// @throws SQLException if earlier ones could not be stored
  /// @throws InterruptedException if the worker is closing
  /// @throws StoppedException if the task is to stop
  void addLarge(byte[] @Nullable [] row)
      throws SQLException, InterruptedException, StoppedException {
    storeGathered();
    for (var value : row) {
      if (value == null) {
        piece.addNull();
        continue;
      }
      piece.begin();
      int from = 0;
      while (from < value.length) {
        int to = endOfPart(value, from);
        piece.append(value, from, to);
        from = to;
        if (piece.size() >= CHUNK_BYTES) {
          storePiece(false);
        }
      }
      piece.end();
    }
    piece.finish();
    storePiece(true);
  }

  /// Between two characters.
  private static int endOfPart(byte[] text, int from) {
    int to = Math.min(text.length, from + CHUNK_BYTES);
    while (to < text.length && to > from + 1 && (text[to] & 0xC0) == 0x80) {
      to--;
    }
    return to;
  }

  /// Returns when all that it was given is stored.
  ///
  /// @throws SQLException if it could not be
  /// @throws InterruptedException if the worker is closing
  /// @throws StoppedException if the task is to stop
  void awaitAll() throws SQLException, InterruptedException, StoppedException {
    storeGathered();
    acquire(MOST_WAITING_BYTES);
    room.release(MOST_WAITING_BYTES);
  }

  private void storeGathered() throws SQLException, InterruptedException, StoppedException {
    if (!gathered.isEmpty()) {
      var rows = gathered;
      long bytes = gatheredBytes;
      gathered = new ArrayList<>(rows.size());
      gatheredBytes = 0;
      enqueue(rows, null, null, bytes);
    }
  }

  private void storePiece(boolean ends)
      throws SQLException, InterruptedException, StoppedException {
    int bytes = piece.size();
    enqueue(List.of(), piece.take(), ends, bytes);
  }

  private void enqueue(
      List<byte[] @Nullable []> rows, @Nullable String ofLarge, @Nullable Boolean ends, long bytes)
      throws SQLException, InterruptedException, StoppedException {
    int needed = Math.clamp(bytes, 1, MOST_WAITING_BYTES);
    acquire(needed);
    queue.add(new Chunk(++chunks, rows, ofLarge, ends, needed));
    if (thread == null) {
      thread =
          Thread.ofVirtual().name("pgoffload-store-rows-" + running.id()).start(this::storeAll);
    }
  }

  private void acquire(int bytes) throws SQLException, InterruptedException, StoppedException {
    boolean acquired;
    do {
      acquired = room.tryAcquire(bytes, LOOK_EVERY.toMillis(), TimeUnit.MILLISECONDS);
      var failed = fault;
      if (failed instanceof SQLException refused) {
        throw refused;
      } else if (failed != null) {
        throw new IllegalStateException("rows could not be stored", failed);
      }
      running.goOn();
    } while (!acquired);
  }

  private void storeAll() {
    var text = new ArrayText();
    try {
      while (true) {
        var chunk = queue.take();
        var ofLarge = chunk.piece;
        store.store(
            chunk.number,
            ofLarge == null ? columns(chunk.rows, text) : List.of(ofLarge),
            chunk.ends);
        room.release(chunk.room);
      }
    } catch (InterruptedException e) {
      // nobody waits for more
    } catch (SQLException | RuntimeException | Error e) {
      fault = e;
    }
  }

  /// Rows without columns have one of NULLs: they are counted by it.
  private static List<String> columns(List<byte[] @Nullable []> rows, ArrayText text) {
    var columns = new ArrayList<String>();
    int width = rows.getFirst().length;
    for (int i = 0; i < Math.max(width, 1); i++) {
      for (var row : rows) {
        var value = width == 0 ? null : row[i];
        if (value == null) {
          text.addNull();
        } else {
          text.add(value);
        }
      }
      text.finish();
      columns.add(text.take());
    }
    return columns;
  }

  /// Ends the thread, whatever is left.
  @Override
  public void close() {
    if (thread != null) {
      thread.interrupt();
    }
  }
}
