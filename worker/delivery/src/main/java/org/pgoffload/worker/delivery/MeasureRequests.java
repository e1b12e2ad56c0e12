package org.pgoffload.worker.delivery;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.context.Context;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.IntSupplier;
import java.util.function.LongSupplier;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.pgoffload.protocol.DeadLetterReason;
import org.pgoffload.protocol.RequestChannel;
import org.pgoffload.protocol.RequestKind;
import org.pgoffload.telemetry.CountDeadLetters;
import org.pgoffload.telemetry.Telemetry;
import org.pgoffload.telemetry.TraceHeaders;
import org.pgoffload.worker.delivery.lease.Lease;
import org.pgoffload.worker.delivery.waiting.TellWaiting;

/// What a worker tells of the way of its requests: measures of all of them, and a span for each.
///
/// Two of the times are differences between the clocks of database, Kafka and worker, and as good
/// as these agree.
///
/// Safe to share between threads.
public final class MeasureRequests implements Lease.Doing {
  private final MeterRegistry metrics;
  private final Tracer tracer;
  private final CountDeadLetters deadLetters;
  private final List<Watched> watched = new CopyOnWriteArrayList<>();
  private final Map<String, LongSupplier> told = new ConcurrentSkipListMap<>();
  private final TellWaiting waiting = new TellWaiting();
  private final List<IntSupplier> running = new CopyOnWriteArrayList<>();
  private final Timer capture;
  private final Timer queue;
  private final Timer run;
  private final Timer publish;

  /// What a handler has not finished, by the database's clock.
  private record Watched(PendingRequests unfinished, InstantSource clock) {
    double oldestSeconds() {
      return unfinished
          .oldest()
          .map(oldest -> Duration.between(oldest, clock.instant()).toMillis() / 1e3)
          .map(seconds -> Math.max(0, seconds))
          .orElse(0.0);
    }
  }

  public MeasureRequests(Telemetry telemetry) {
    this.metrics = telemetry.metrics();
    this.tracer = telemetry.tracer();
    this.capture = telemetry.hop("capture");
    this.queue = telemetry.hop("queue");
    this.run = telemetry.hop("run");
    this.publish = telemetry.hop("publish");
    this.deadLetters = new CountDeadLetters(metrics);
  }

  /// Shows what a handler has not finished.
  ///
  /// @param clock the database's
  public void watch(String lane, PendingRequests unfinished, InstantSource clock) {
    var queue = new Watched(unfinished, clock);
    watched.add(queue);
    Gauge.builder("pgoffload.requests.unfinished", unfinished, PendingRequests::count)
        .description("Requests received and not finished: waiting, running, or held by another")
        .tag("lane", lane)
        .register(metrics);
    Gauge.builder("pgoffload.requests.held", unfinished, PendingRequests::heldCount)
        .description("Those of them that another worker has, watched in case it dies")
        .tag("lane", lane)
        .register(metrics);
    Gauge.builder("pgoffload.oldest.unfinished", queue, Watched::oldestSeconds)
        .description("How long ago the oldest of them was asked; 0 if there is none")
        .baseUnit("seconds")
        .tag("lane", lane)
        .register(metrics);
  }

  /// Adds a number to what the worker tells of itself in `llm_worker`.
  public void tell(String name, LongSupplier number) {
    told.put(name, number);
  }

  /// What is told of the requests that wait.
  public TellWaiting waiting() {
    return waiting;
  }

  /// Counts these requests among those that run.
  public void watchRunning(IntSupplier count) {
    running.add(count);
  }

  @Override
  public int running() {
    return running.stream().mapToInt(IntSupplier::getAsInt).sum();
  }

  /// What there is to do and was done since the start.
  @Override
  public String summary() {
    long unfinished = 0;
    double oldestSeconds = 0;
    for (var each : watched) {
      unfinished += each.unfinished.count();
      oldestSeconds = Math.max(oldestSeconds, each.oldestSeconds());
    }
    var summary =
        JsonNodeFactory.instance
            .objectNode()
            .put("unfinished", unfinished)
            .put("oldest_seconds", oldestSeconds)
            .put("results", total("pgoffload.results"))
            .put("taken_over", total("pgoffload.claims", "outcome", "taken_over"))
            .put("dead_letters", total(CountDeadLetters.NAME));
    told.forEach((name, number) -> summary.put(name, number.getAsLong()));
    summary.set("queues", waiting.tell());
    return summary.toString();
  }

  /// The sum of all counters of this name, with these tags.
  public long total(String counter, String... tags) {
    return (long)
        metrics.find(counter).tags(tags).counters().stream().mapToDouble(Counter::count).sum();
  }

  /// Shows when the lease was renewed.
  public void watch(Lease lease) {
    Gauge.builder("pgoffload.lease.age", () -> lease.age().toMillis() / 1e3)
        .description("How long ago the lease was renewed; after worker_dead_after others take over")
        .baseUnit("seconds")
        .register(metrics);
  }

  /// From the request to its record in Kafka.
  public void arrived(ConsumedRequest request) {
    Telemetry.record(
        capture, Duration.between(request.envelope().createdAt(), publishedAt(request.record())));
  }

  /// From the record in Kafka to the claim.
  void claimed(RequestChannel channel, ConsumedRequest request, Attempt attempt) {
    Telemetry.record(queue, Duration.between(publishedAt(request.record()), attempt.claimedAt()));
    claim(channel, attempt.isTakeover() ? "taken_over" : "claimed");
  }

  /// What else came of a claim.
  ///
  /// @param outcome `answered`, `refused`, `missing` or `unasked`
  public void claim(RequestChannel channel, String outcome) {
    metrics
        .counter(
            "pgoffload.claims", "lane", channel.name().toLowerCase(Locale.ROOT), "outcome", outcome)
        .increment();
  }

  public void deadLetter(DeadLetterReason reason) {
    deadLetters.count(reason.code());
  }

  /// A record of a result is in Kafka.
  ///
  /// @param nanos how long that took
  public void published(EndedRequest ended, long nanos) {
    // the worker's own kinds alone: any text would make a series of its own
    var known = RequestKind.ofWireName(ended.kind()).map(RequestKind::wireName).orElse("unknown");
    metrics.counter("pgoffload.results", "kind", known, "status", ended.status()).increment();
    var ranMs = ended.ranMs();
    if (ranMs != null) {
      run.record(Duration.ofNanos((long) (ranMs * 1e6)));
    }
    var span = Span.current();
    span.setAttribute("pgoffload.status", ended.status());
    span.setAttribute("pgoffload.attempt", ended.attempt());
    var errorCode = ended.errorCode();
    if (errorCode != null) {
      span.setAttribute("error.type", errorCode);
      span.setStatus(StatusCode.ERROR);
    }
    publish.record(Duration.ofNanos(nanos));
  }

  /// Opens the span of a request that runs, a child of what its record names.
  public Context begin(ConsumedRequest request) {
    var record = request.record();
    var parent = TraceHeaders.read(record.headers());
    return parent.with(
        TraceHeaders.span(tracer, "process", record.topic(), parent)
            .setSpanKind(SpanKind.CONSUMER)
            .setAttribute("messaging.kafka.offset", record.offset())
            .setAttribute(
                "messaging.destination.partition.id", Integer.toString(record.partition()))
            .setAttribute("pgoffload.request.id", request.id())
            .setAttribute("pgoffload.request.kind", request.envelope().kind())
            .startSpan());
  }

  /// Lets a record continue the current trace.
  public static void trace(ProducerRecord<?, ?> record) {
    TraceHeaders.write(Context.current(), record.headers());
  }

  private static Instant publishedAt(ConsumerRecord<?, ?> record) {
    return Instant.ofEpochMilli(record.timestamp());
  }
}
