package org.pgoffload.results;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.Timer;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.api.trace.Tracer;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.common.KafkaException;
import org.pgoffload.platform.Complaint;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.platform.Halving;
import org.pgoffload.protocol.DeadLetterReason;
import org.pgoffload.protocol.LlmPiece;
import org.pgoffload.protocol.LlmUsage;
import org.pgoffload.protocol.ResultMessage;
import org.pgoffload.telemetry.CountDeadLetters;
import org.pgoffload.telemetry.Telemetry;
import org.pgoffload.telemetry.TraceHeaders;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Writes messages to the database in groups. The next group is all that has come in while the last
/// group was written, so that a lone result does not wait and a flood shares its commits. Messages
/// of one key are written in the order in which they were taken.
///
/// Idempotent: of the results of a request, and of the pieces of a number, the first that the
/// database sees stays; of totals of usage the largest. A fault of the database is waited out,
/// however long. A message that the database does not take stops no other: see [RefusedMessage]. A
/// message without a claim goes to the dead letters, because no worker can have worked on its
/// request.
///
/// Safe to share between threads.
final class WriteBack implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(WriteBack.class);

  private static final Duration PAUSE_AFTER_FAULT = Duration.ofMillis(200);
  private static final Duration PATIENCE_AT_CLOSE = Duration.ofSeconds(1);

  /// Sends records without a claim to the dead letters.
  @FunctionalInterface
  interface Bury {
    /// Returns once every in-sync replica has the letter.
    ///
    /// @throws KafkaException if Kafka does not take it now
    void bury(TakenRecord record, DeadLetterReason reason, String detail);
  }

  private final WriteGroup groups;
  private final Bury bury;
  private final MessageQueue queue = new MessageQueue();
  private final Complaint complaint = new Complaint(LOG);
  private final Tracer tracer;
  private final Timer hop;
  private final Counter counted;
  private final Counter faults;
  private final CountDeadLetters deadLetters;
  private final Thread thread;

  /// @param bury takes the records without a claim
  /// @param deadLetters counts them
  WriteBack(
      DatabaseAddress database, Bury bury, CountDeadLetters deadLetters, Telemetry telemetry) {
    this.groups = new WriteGroup(database);
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
    Gauge.builder("pgoffload.write.back.waiting", queue, MessageQueue::unwritten)
        .description("Messages taken from Kafka and not committed yet")
        .register(metrics);
    this.thread = Thread.ofPlatform().name("pgoffload-write-back").start(this::run);
  }

  /// Takes a message to be written. Waits while too much is queued.
  ///
  /// @param record the Kafka record of the message, whose headers may name a trace
  /// @throws WriteBackClosedException if it is closing
  void write(ResultMessage message, TakenRecord record) {
    var parent = TraceHeaders.read(record.headers());
    queue.add(
        WaitingMessage.of(message, record),
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
    queue.add(WaitingMessage.of(piece, record), Span.getInvalid());
  }

  /// As for a result.
  ///
  /// @throws WriteBackClosedException if it is closing
  void write(LlmUsage usage) {
    queue.add(WaitingMessage.of(usage), Span.getInvalid());
  }

  /// Waits until everything that was taken before this call is committed.
  ///
  /// @throws WriteBackClosedException if it closes before that
  void flush() {
    queue.flush();
  }

  private void run() {
    try {
      while (true) {
        var group = queue.next();
        // a group that was given up counts as unwritten: its offsets must not be committed
        if (group.isEmpty()
            || !writeUntilDone(group.stream().map(MessageQueue.Queued::message).toList(), true)) {
          group.forEach(each -> each.span().setStatus(StatusCode.ERROR).end());
          return;
        }
        counted.increment(group.size());
        for (var each : group) {
          hop.record(System.nanoTime() - each.since(), TimeUnit.NANOSECONDS);
          each.span().end();
        }
        queue.written(group.size());
      }
    } finally {
      groups.disconnect();
      // also after a fault of our own: no thread may wait for this one any more
      queue.close();
    }
  }

  /// Whether messages wait because of a fault.
  boolean waits() {
    return complaint.stands();
  }

  /// @param mayReplace whether a refused LLM result is replaced by a failed one
  /// @return false if it was given up because of the closing
  private boolean writeUntilDone(List<WaitingMessage> group, boolean mayReplace) {
    boolean wake = true;
    while (!queue.isClosing()) {
      try {
        var unclaimed = groups.write(group, wake);
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

  /// Halves the group until the refused message is alone.
  private boolean writeApart(List<WaitingMessage> group, boolean mayReplace, String fault) {
    if (group.size() > 1) {
      return Halving.halves(group).allMatch(half -> writeUntilDone(half, mayReplace));
    }
    return RefusedMessage.replacement(group.getFirst(), mayReplace, fault)
        .map(replacement -> writeUntilDone(List.of(replacement), false))
        .orElse(true);
  }

  /// @return false if it was given up because of the closing: the records are read again
  private boolean buryUntilDone(List<TakenRecord> unclaimed) {
    var left = new ArrayDeque<>(unclaimed);
    while (!left.isEmpty() && !queue.isClosing()) {
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

  private void waitForDatabase(String fault) {
    groups.disconnect();
    waitAfter("Results wait, because the database does not take them: " + fault);
  }

  private void waitAfter(String fault) {
    if (!queue.isClosing()) {
      complaint.of(fault);
    }
    try {
      if (queue.awaitClosing(PAUSE_AFTER_FAULT)) {
        LOG.info("What was not written is read again by the next one");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      queue.close();
    }
  }

  /// Ends the writing. Unwritten messages are read again from Kafka, since their offsets are not
  /// committed.
  @Override
  public void close() {
    queue.close();
    try {
      if (!thread.join(PATIENCE_AT_CLOSE)) {
        groups.abort();
        thread.join(PATIENCE_AT_CLOSE);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
