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
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.common.KafkaException;
import org.pgoffload.platform.Complaint;
import org.pgoffload.platform.Halving;
import org.pgoffload.protocol.DeadLetterReason;
import org.pgoffload.telemetry.CountDeadLetters;
import org.pgoffload.telemetry.Telemetry;
import org.pgoffload.telemetry.TraceHeaders;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Writes messages to the database, as many as were polled together in one statement and one
/// commit, so that a lone result does not wait and a flood shares its commits. Messages of one key
/// are written in the order in which they were taken.
///
/// Idempotent: of the results of a request, and of the pieces of a number, the first that the
/// database sees stays; of totals of usage the largest. A fault of the database is waited out,
/// however long. A message that the database does not take stops no other: see [RefusedMessage]. A
/// message without a claim goes to the dead letters, because no worker can have worked on its
/// request.
///
/// For one thread; only [#waits()] may be called by another.
final class WriteBack {
  private static final Logger LOG = LoggerFactory.getLogger(WriteBack.class);

  /// Messages of one statement.
  static final int MOST_MESSAGES = 1000;

  private static final long MOST_BYTES = 32L << 20;
  private static final Duration PAUSE_AFTER_FAULT = Duration.ofMillis(200);

  /// Sends records to the dead letters.
  @FunctionalInterface
  interface Bury {
    /// Returns once every in-sync replica has letters, and takes those out. What is left is to be
    /// sent again.
    ///
    /// @throws KafkaException if Kafka does not take one now
    void bury(Deque<Letter> letters);
  }

  /// The time between two tries.
  interface Pause {
    /// Returns after it. If it is zero, the consumer alone has polled.
    void pause(Duration duration);

    /// Whether nothing is to be tried any more.
    boolean isClosing();
  }

  private final WriteGroup groups;
  private final Bury bury;
  private final Complaint complaint = new Complaint(LOG);
  private final Tracer tracer;
  private final Timer hop;
  private final Counter counted;
  private final Counter faults;
  private final CountDeadLetters deadLetters;
  private final AtomicInteger unwritten = new AtomicInteger();

  /// @param bury takes the records without a claim
  /// @param deadLetters counts them
  WriteBack(WriteGroup groups, Bury bury, CountDeadLetters deadLetters, Telemetry telemetry) {
    this.groups = groups;
    this.bury = bury;
    this.deadLetters = deadLetters;
    this.tracer = telemetry.tracer();
    var metrics = telemetry.metrics();
    this.hop = telemetry.hop("write_back");
    this.counted =
        Counter.builder("pgoffload.written")
            .description("Messages written to the database: results, pieces and usage")
            .register(metrics);
    this.faults =
        Counter.builder("pgoffload.write.back.faults")
            .description("Writes that the database refused or that it was away for")
            .register(metrics);
    Gauge.builder("pgoffload.write.back.waiting", unwritten, AtomicInteger::get)
        .description("Messages taken from Kafka and not committed yet")
        .register(metrics);
  }

  /// Returns once all are committed.
  ///
  /// @return false if some were given up because of the closing: their offsets must not be
  ///   committed
  boolean write(List<WaitingMessage> messages, Pause pause) {
    unwritten.set(messages.size());
    for (int from = 0; from < messages.size(); ) {
      int to = endOfGroup(messages, from);
      if (!writeMeasured(messages.subList(from, to), pause)) {
        return false;
      }
      unwritten.addAndGet(from - to);
      from = to;
    }
    return true;
  }

  private static int endOfGroup(List<WaitingMessage> messages, int from) {
    long bytes = 0;
    int to = from;
    while (to < messages.size() && to - from < MOST_MESSAGES && bytes < MOST_BYTES) {
      bytes += Math.max(0, messages.get(to).record().serializedValueSize());
      to++;
    }
    return to;
  }

  private boolean writeMeasured(List<WaitingMessage> group, Pause pause) {
    long begun = System.nanoTime();
    var spans = group.stream().flatMap(message -> span(message).stream()).toList();
    if (!writeUntilDone(group, pause)) {
      spans.forEach(span -> span.setStatus(StatusCode.ERROR).end());
      return false;
    }
    long took = System.nanoTime() - begun;
    group.forEach(_ -> hop.record(took, TimeUnit.NANOSECONDS));
    spans.forEach(Span::end);
    counted.increment(group.size());
    return true;
  }

  /// The span of a message, as a child of the trace that its record names.
  private Optional<Span> span(WaitingMessage message) {
    return switch (message) {
      case WaitingMessage.LlmResult result -> Optional.of(span(result.id(), message));
      case WaitingMessage.SqlChunk chunk -> Optional.of(span(chunk.id(), message));
      case WaitingMessage.SqlEnded ended -> Optional.of(span(ended.id(), message));
      case WaitingMessage.ReplacedResult _, WaitingMessage.Piece _, WaitingMessage.Usage _ ->
          Optional.empty();
    };
  }

  private Span span(long id, WaitingMessage message) {
    return tracer
        .spanBuilder("write back")
        .setParent(TraceHeaders.read(message.record().headers()))
        .setSpanKind(SpanKind.CONSUMER)
        .setAttribute("db.system.name", "postgresql")
        .setAttribute("pgoffload.request.id", id)
        .startSpan();
  }

  /// Whether messages wait because of a fault.
  boolean waits() {
    return complaint.stands();
  }

  /// @return false if it was given up because of the closing
  private boolean writeUntilDone(List<WaitingMessage> group, Pause pause) {
    boolean wake = true;
    while (!pause.isClosing()) {
      List<WaitingMessage> unclaimed;
      try {
        unclaimed = groups.write(group, wake);
      } catch (SQLException e) {
        faults.increment();
        switch (WriteFault.of(e)) {
          case NOTIFICATION_QUEUE_FULL -> wake = false;
          case BAD_DATA -> {
            return writeApart(group, "SQLSTATE " + e.getSQLState(), pause);
          }
          case DATABASE_UNAVAILABLE -> waitForDatabase(String.valueOf(e.getMessage()), pause);
        }
        continue;
      } catch (RuntimeException e) {
        return writeApart(group, e.getClass().getName(), pause);
      } catch (Error e) {
        // out of memory, most likely: this thread is the only one that writes, so it must not end
        waitForDatabase(e.toString(), pause);
        continue;
      }
      complaint.end("Results are written again");
      return buryUnclaimed(unclaimed, pause);
    }
    return false;
  }

  /// Halves the group until the refused message is alone. Where every message is refused this takes
  /// thousands of statements, longer than the consumer may go without a poll.
  private boolean writeApart(List<WaitingMessage> group, String fault, Pause pause) {
    pause.pause(Duration.ZERO);
    if (group.size() > 1) {
      return Halving.halves(group).allMatch(half -> writeUntilDone(half, pause));
    }
    return RefusedMessage.replacement(group.getFirst(), fault)
        .map(replacement -> writeUntilDone(List.of(replacement), pause))
        .orElse(true);
  }

  private boolean buryUnclaimed(List<WaitingMessage> unclaimed, Pause pause) {
    var letters = new ArrayDeque<Letter>();
    for (var message : unclaimed) {
      var letter =
          new Letter(
              message.record(),
              DeadLetterReason.UNCLAIMED,
              "no worker had claimed its request for its role when it came");
      LOG.warn(
          "{} belongs to no claim of its request and role; nothing of it is written, and it goes to"
              + " the dead letters",
          letter);
      letters.add(letter);
    }
    return bury(letters, pause);
  }

  /// Returns once the dead letters are safe.
  ///
  /// @return false if some were given up because of the closing: their offsets must not be
  ///   committed
  boolean bury(Deque<Letter> letters, Pause pause) {
    var all = List.copyOf(letters);
    while (!letters.isEmpty() && !pause.isClosing()) {
      try {
        bury.bury(letters);
        complaint.end("Results are written again");
      } catch (KafkaException e) {
        waitAfter(
            "Results wait, because Kafka does not take a dead letter: " + e.getMessage(), pause);
      }
    }
    if (!letters.isEmpty()) {
      return false;
    }
    all.forEach(letter -> deadLetters.count(letter.reason().code()));
    return true;
  }

  private void waitForDatabase(String fault, Pause pause) {
    groups.disconnect();
    waitAfter("Results wait, because the database does not take them: " + fault, pause);
  }

  private void waitAfter(String fault, Pause pause) {
    if (pause.isClosing()) {
      LOG.info("What was not written is read again by the next one");
    } else {
      complaint.of(fault);
      pause.pause(PAUSE_AFTER_FAULT);
    }
  }
}
