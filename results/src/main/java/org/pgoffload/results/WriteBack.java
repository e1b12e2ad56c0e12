package org.pgoffload.results;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.Timer;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.api.trace.Tracer;
import java.nio.charset.StandardCharsets;
import java.sql.Array;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Function;
import org.apache.kafka.common.KafkaException;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.Complaint;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.platform.Halving;
import org.pgoffload.platform.Query;
import org.pgoffload.protocol.DeadLetterReason;
import org.pgoffload.protocol.LlmPiece;
import org.pgoffload.protocol.LlmUsage;
import org.pgoffload.protocol.Result;
import org.pgoffload.protocol.ResultHead;
import org.pgoffload.protocol.ResultMessage;
import org.pgoffload.protocol.SqlResult;
import org.pgoffload.protocol.SqlRows;
import org.pgoffload.telemetry.CountDeadLetters;
import org.pgoffload.telemetry.LogRequest;
import org.pgoffload.telemetry.Telemetry;
import org.pgoffload.telemetry.TraceHeaders;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Writes results to the database in groups: the next group is whatever came in while the last one
/// was written, so that a lone result waits for nobody and a flood shares its commits.
///
/// What belongs to no claim goes to the dead letters: nobody can have worked on it.
///
/// Idempotent: of results of a request, and of pieces of a number, the first that the database sees
/// wins; of totals of usage the largest. A fault of the database is waited out, however long. A
/// single message that the database will not take holds up nobody: the result of an LLM request is
/// replaced by a failed one, everything else is left out.
///
/// Whatever has one key is written in the order in which it was taken.
///
/// Safe to share between threads.
final class WriteBack implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(WriteBack.class);

  private static final int MOST_RESULTS = 1000;
  private static final long MOST_BYTES = 32L << 20;

  /// Beyond this the application's thread waits, so that a slow database bounds the memory.
  private static final long MOST_BYTES_QUEUED = 128L << 20;

  private static final Duration PAUSE_AFTER_FAULT = Duration.ofMillis(200);
  private static final Duration PATIENCE_AT_CLOSE = Duration.ofSeconds(1);

  /// Sends what has no claim to the dead letters.
  @FunctionalInterface
  interface Bury {
    /// Returns once every in-sync replica has the letter.
    ///
    /// @throws KafkaException if Kafka does not take it now
    void bury(TakenRecord record, DeadLetterReason reason, String detail);
  }

  /// A message as the database takes it: as text, because the values of a chunk of rows would need
  /// many times its memory as objects.
  private sealed interface Waiting {
    /// The room it takes, with the record that it came in.
    int bytes();

    static Waiting of(ResultMessage message, TakenRecord record) {
      return switch (message) {
        case Result result -> LlmResult.of(result, record);
        case SqlResult result -> new SqlEnded(result.id(), record);
        case SqlRows rows -> new SqlChunk(rows.toString(), utf8(rows.write()), record);
      };
    }

    record LlmResult(String json, TakenRecord record) implements Waiting {
      static LlmResult of(Result result, TakenRecord record) {
        return new LlmResult(utf8(result.write()), record);
      }

      @Override
      public int bytes() {
        return json.length() + record.bytes();
      }
    }

    /// @param name what a log may show of it
    record Piece(String name, String json, TakenRecord record) implements Waiting {
      @Override
      public int bytes() {
        return json.length() + record.bytes();
      }
    }

    /// @param key what it is the whole of
    record Usage(String key, String json) implements Waiting {
      @Override
      public int bytes() {
        return json.length();
      }
    }

    /// @param name what a log may show of it
    record SqlChunk(String name, String json, TakenRecord record) implements Waiting {
      @Override
      public int bytes() {
        return json.length() + record.bytes();
      }
    }

    /// A request whose chunks have all come before it. Its result was recorded by the worker.
    record SqlEnded(long id, TakenRecord record) implements Waiting {
      @Override
      public int bytes() {
        return 64 + record.bytes();
      }
    }
  }

  private final DatabaseAddress database;
  private final Bury bury;
  private final CountDownLatch closing = new CountDownLatch(1);
  private final ReentrantLock lock = new ReentrantLock();

  /// The queue, the counts or the closing have changed.
  private final Condition changed = lock.newCondition();

  /// A message in the queue.
  ///
  /// @param since when it was taken, by the JVM's clock
  /// @param span ends with the commit
  private record Queued(Waiting message, long since, Span span) {}

  // guarded by the lock
  private final ArrayDeque<Queued> queue = new ArrayDeque<>();
  private long bytesQueued;
  private long accepted;
  private long written;

  private volatile @Nullable Connection connection;
  private final Complaint complaint = new Complaint(LOG);
  private final Tracer tracer;
  private final Timer hop;
  private final Counter counted;
  private final Counter faults;
  private final CountDeadLetters deadLetters;
  private final Thread thread;

  /// @param bury takes what has no claim
  /// @param deadLetters is told of each
  /// @param telemetry is told what is measured and done
  WriteBack(
      DatabaseAddress database, Bury bury, CountDeadLetters deadLetters, Telemetry telemetry) {
    this.database = database;
    this.bury = bury;
    this.deadLetters = deadLetters;
    this.tracer = telemetry.tracer();
    var metrics = telemetry.metrics();
    this.hop = telemetry.hop("write_back");
    this.counted =
        Counter.builder("pgoffload.written")
            .description("Messages written to the database: results, pieces, chunks, usage")
            .register(metrics);
    this.faults =
        Counter.builder("pgoffload.write.back.faults")
            .description("Writes that the database refused or that it was away for")
            .register(metrics);
    Gauge.builder("pgoffload.write.back.waiting", this, WriteBack::waiting)
        .description("Messages taken from Kafka and not committed yet")
        .register(metrics);
    this.thread = Thread.ofPlatform().name("pgoffload-write-back").start(this::run);
  }

  /// Takes a message to be written. Waits while too much is queued.
  ///
  /// @param record that it was read from, whose headers may name a trace
  /// @throws WriteBackClosedException if it is closing
  void write(ResultMessage message, TakenRecord record) {
    var parent = TraceHeaders.read(record.headers());
    add(
        Waiting.of(message, record),
        tracer
            .spanBuilder("write back")
            .setParent(parent)
            .setSpanKind(SpanKind.CONSUMER)
            .setAttribute("db.system.name", "postgresql")
            .setAttribute("pgoffload.request.id", message.id())
            .startSpan());
  }

  /// As for a result.
  ///
  /// @throws WriteBackClosedException if it is closing
  void write(LlmPiece piece, TakenRecord record) {
    add(new Waiting.Piece(piece.toString(), utf8(piece.write()), record), Span.getInvalid());
  }

  /// As for a result.
  ///
  /// @throws WriteBackClosedException if it is closing
  void write(LlmUsage usage) {
    add(new Waiting.Usage(usage.recordKey(), utf8(usage.write())), Span.getInvalid());
  }

  private void add(Waiting next, Span span) {
    lock.lock();
    try {
      while (bytesQueued > MOST_BYTES_QUEUED && !isClosing()) {
        changed.awaitUninterruptibly();
      }
      if (isClosing()) {
        throw new WriteBackClosedException();
      }
      queue.add(new Queued(next, System.nanoTime(), span));
      bytesQueued += next.bytes();
      accepted++;
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  /// Waits until everything that was taken before this call is committed.
  ///
  /// @throws WriteBackClosedException if it closes before that
  void flush() {
    lock.lock();
    try {
      long target = accepted;
      while (written < target && !isClosing()) {
        changed.awaitUninterruptibly();
      }
      if (written < target) {
        throw new WriteBackClosedException();
      }
    } finally {
      lock.unlock();
    }
  }

  private void run() {
    try {
      while (true) {
        var group = nextGroup();
        // a group that was given up counts as unwritten: its offsets must not be committed
        if (group.isEmpty()
            || !writeUntilDone(group.stream().map(Queued::message).toList(), true)) {
          group.forEach(each -> each.span.setStatus(StatusCode.ERROR).end());
          return;
        }
        counted.increment(group.size());
        for (var each : group) {
          hop.record(System.nanoTime() - each.since, TimeUnit.NANOSECONDS);
          each.span.end();
        }
        lock.lock();
        try {
          written += group.size();
          changed.signalAll();
        } finally {
          lock.unlock();
        }
      }
    } finally {
      disconnect();
      // whatever ended it: nobody may wait for this thread any more
      signalClosing();
    }
  }

  /// How many were taken and are not committed.
  private long waiting() {
    lock.lock();
    try {
      return accepted - written;
    } finally {
      lock.unlock();
    }
  }

  /// Whether the database does not take what is there.
  boolean waits() {
    return complaint.stands();
  }

  private List<Queued> nextGroup() {
    lock.lock();
    try {
      while (queue.isEmpty() && !isClosing()) {
        changed.awaitUninterruptibly();
      }
      var group = new ArrayList<Queued>();
      long bytes = 0;
      while (!isClosing()
          && !queue.isEmpty()
          && group.size() < MOST_RESULTS
          && bytes < MOST_BYTES) {
        var next = queue.remove();
        group.add(next);
        bytes += next.message.bytes();
      }
      bytesQueued -= bytes;
      changed.signalAll();
      return group;
    } finally {
      lock.unlock();
    }
  }

  /// @param mayReplace whether an LLM result that is refused is replaced by a failed one
  /// @return false if it was given up because of the closing
  private boolean writeUntilDone(List<Waiting> group, boolean mayReplace) {
    boolean wake = true;
    while (!isClosing()) {
      try {
        var unclaimed = record(group, wake);
        complaint.end("Results are written again");
        return buryUntilDone(unclaimed);
      } catch (SQLException e) {
        faults.increment();
        switch (WriteFault.of(e)) {
          case NOTIFICATION_QUEUE_FULL -> wake = false;
          case BAD_DATA -> {
            return writeApart(group, mayReplace, "SQLSTATE " + e.getSQLState());
          }
          case DATABASE_UNAVAILABLE -> waitForDatabase(String.valueOf(e.getMessage()));
        }
      } catch (RuntimeException e) {
        return writeApart(group, mayReplace, e.getClass().getName());
      } catch (Error e) {
        // out of memory, most likely: this thread is the only one that writes, so it must not end
        waitForDatabase(e.toString());
      }
    }
    return false;
  }

  /// @return false if it was given up because of the closing: the records are read again
  private boolean buryUntilDone(List<TakenRecord> unclaimed) {
    var left = new ArrayDeque<>(unclaimed);
    while (!left.isEmpty() && !isClosing()) {
      var record = left.getFirst();
      try {
        bury.bury(
            record,
            DeadLetterReason.UNCLAIMED,
            "no worker had claimed its request for its role when it came");
        left.removeFirst();
        deadLetters.count(DeadLetterReason.UNCLAIMED.code());
        LOG.warn(
            "{} belongs to no claim of its request and role; nothing of it is written, and it goes"
                + " to the dead letters",
            record);
      } catch (KafkaException e) {
        waitAfter("Results wait, because Kafka does not take a dead letter: " + e.getMessage());
      }
    }
    return left.isEmpty();
  }

  /// Halves the group until what the database will not take is alone.
  private boolean writeApart(List<Waiting> group, boolean mayReplace, String fault) {
    if (group.size() > 1) {
      return Halving.halves(group).allMatch(half -> writeUntilDone(half, mayReplace));
    }
    return switch (group.getFirst()) {
      case Waiting.LlmResult refused -> {
        var result = Result.read(refused.json.getBytes(StandardCharsets.UTF_8));
        if (mayReplace) {
          try (var _ = LogRequest.of(result.id())) {
            LOG.error(
                "The result of request {} cannot be stored ({}); the request ends as failed",
                result.id(),
                fault);
          }
          yield writeUntilDone(
              List.of(Waiting.LlmResult.of(replacement(result, fault), refused.record)), false);
        }
        try (var _ = LogRequest.of(result.id())) {
          LOG.error(
              "A result of request {} has no place in the database ({}) and is left out; the results"
                  + " topic has it",
              result.id(),
              fault);
        }
        yield true;
      }
      case Waiting.Piece refused -> {
        LOG.error(
            "{} has no place in the database ({}) and is left out; the answer has it",
            refused.name,
            fault);
        yield true;
      }
      case Waiting.Usage refused -> {
        LOG.error(
            "The usage of {} has no place in the database ({}) and is left out; the usage topic has"
                + " it",
            refused.key,
            fault);
        yield true;
      }
      case Waiting.SqlChunk refused -> {
        LOG.error(
            "{} has no place in the database ({}) and is left out; the results topic has it",
            refused.name,
            fault);
        yield true;
      }
      case Waiting.SqlEnded refused -> {
        try (var _ = LogRequest.of(refused.id)) {
          LOG.error(
              "The end of SQL request {} cannot be told to those who listen or hold an old snapshot"
                  + " ({}); its result is recorded",
              refused.id,
              fault);
        }
        yield true;
      }
    };
  }

  /// A failed result without any text that came from outside: one of them is what was refused.
  private static Result replacement(Result refused, String fault) {
    return Result.withoutCalls(
        new ResultHead(
            Result.VERSION,
            refused.id(),
            refused.kind(),
            Result.FAILED,
            refused.requestedBy(),
            refused.requestedByOid()),
        Result.Outcome.error(
            "result_not_storable",
            "the database refused the result with " + fault + "; the results topic has it"),
        Result.Run.of(refused.attempts(), refused.finishedAt()));
  }

  /// @return what has no claim
  private List<TakenRecord> record(List<Waiting> group, boolean wake) throws SQLException {
    var open = connected();
    var llmResults = new ArrayList<Waiting.LlmResult>();
    var pieces = new ArrayList<Waiting.Piece>();
    var usage = new ArrayList<Waiting.Usage>();
    var sqlChunks = new ArrayList<Waiting.SqlChunk>();
    var sqlEnded = new ArrayList<Waiting.SqlEnded>();
    for (var each : group) {
      switch (each) {
        case Waiting.LlmResult result -> llmResults.add(result);
        case Waiting.Piece piece -> pieces.add(piece);
        case Waiting.Usage total -> usage.add(total);
        case Waiting.SqlChunk chunk -> sqlChunks.add(chunk);
        case Waiting.SqlEnded ended -> sqlEnded.add(ended);
      }
    }
    return Query.row(
        open,
        "select unclaimed_results, unclaimed_pieces, unclaimed_chunks, unclaimed_ended"
            + " from pgoffload.write_back(?, ?, ?, ?, ?, ?)",
        row -> {
          var unclaimed = new ArrayList<TakenRecord>();
          addUnclaimed(row.getArray(1), llmResults, Waiting.LlmResult::record, unclaimed);
          addUnclaimed(row.getArray(2), pieces, Waiting.Piece::record, unclaimed);
          addUnclaimed(row.getArray(3), sqlChunks, Waiting.SqlChunk::record, unclaimed);
          addUnclaimed(row.getArray(4), sqlEnded, Waiting.SqlEnded::record, unclaimed);
          return unclaimed;
        },
        Query.array("text", llmResults, Waiting.LlmResult::json),
        Query.array("text", pieces, Waiting.Piece::json),
        Query.array("text", usage, Waiting.Usage::json),
        Query.array("text", sqlChunks, Waiting.SqlChunk::json),
        Query.array("bigint", sqlEnded, Waiting.SqlEnded::id),
        wake);
  }

  /// @param places from 1, or null for none
  private static <T> void addUnclaimed(
      @Nullable Array places, List<T> of, Function<T, TakenRecord> record, List<TakenRecord> to)
      throws SQLException {
    if (places != null) {
      for (var place : (Integer[]) places.getArray()) {
        to.add(record.apply(of.get(place - 1)));
      }
    }
  }

  private static String utf8(byte[] bytes) {
    return new String(bytes, StandardCharsets.UTF_8);
  }

  private Connection connected() throws SQLException {
    var open = connection;
    if (open == null) {
      // a server that has vanished is not waited for for ever; above the server's own timeout
      open =
          database.connectAsPart(
              "pgoffload results", Duration.ofSeconds(75), Duration.ofSeconds(60));
      connection = open;
    }
    return open;
  }

  private void waitForDatabase(String fault) {
    disconnect();
    waitAfter("Results wait, because the database does not take them: " + fault);
  }

  private void waitAfter(String fault) {
    if (!isClosing()) {
      complaint.of(fault);
    }
    try {
      if (closing.await(PAUSE_AFTER_FAULT.toMillis(), TimeUnit.MILLISECONDS)) {
        LOG.info("What was not written is read again by the next one");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      signalClosing();
    }
  }

  private void disconnect() {
    var open = connection;
    if (open != null) {
      connection = null;
      try {
        open.close();
      } catch (SQLException e) {
        LOG.debug("The connection was broken already", e);
      }
    }
  }

  private boolean isClosing() {
    return closing.getCount() == 0;
  }

  private void signalClosing() {
    lock.lock();
    try {
      closing.countDown();
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  /// Ends the writing. What was not written is read again from Kafka, since its offset was not
  /// committed.
  @Override
  public void close() {
    signalClosing();
    try {
      if (!thread.join(PATIENCE_AT_CLOSE)) {
        abort();
        thread.join(PATIENCE_AT_CLOSE);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /// Ends a statement that waits, for a lock say.
  private void abort() {
    var open = connection;
    if (open != null) {
      try {
        open.abort(Runnable::run);
      } catch (SQLException e) {
        LOG.debug("The connection was broken already", e);
      }
    }
  }
}
