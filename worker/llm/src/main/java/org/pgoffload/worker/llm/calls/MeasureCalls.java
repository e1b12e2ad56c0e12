package org.pgoffload.worker.llm.calls;

import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.api.trace.Tracer;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.pgoffload.protocol.Call;
import org.pgoffload.telemetry.Telemetry;
import org.pgoffload.worker.models.ModelTarget;

/// What is told of calls to models: how many, how long, how many tokens, and a span for each, named
/// as OpenTelemetry's conventions for generative AI name them.
///
/// Safe to share between threads.
final class MeasureCalls {
  /// Requests name their models: so many get series of their own, and the rest share one.
  private static final int MOST_MODELS = 100;

  private static final String OTHER = "other";

  private final MeterRegistry metrics;
  private final Tracer tracer;
  private final Set<String> models = ConcurrentHashMap.newKeySet();
  private final AtomicInteger running = new AtomicInteger();

  MeasureCalls(Telemetry telemetry) {
    this.metrics = telemetry.metrics();
    this.tracer = telemetry.tracer();
    metrics.gauge("pgoffload.calls.running", running);
  }

  /// A call begins.
  ///
  /// @param operation `chat`, `embeddings` or `rerank`
  Span begin(String operation, ModelTarget target) {
    running.incrementAndGet();
    return tracer
        .spanBuilder(operation + " " + target.model())
        .setSpanKind(SpanKind.CLIENT)
        .setAttribute("gen_ai.operation.name", operation)
        .setAttribute("gen_ai.provider.name", target.provider().name())
        .setAttribute("gen_ai.request.model", target.model())
        .startSpan();
  }

  /// The call has ended, with an outcome or by an exception.
  void end(Span span) {
    running.decrementAndGet();
    span.end();
  }

  /// Counts a call by its outcome.
  void called(ModelTarget target, Call call, Span span) {
    var tags = tags(target);
    var error = call.errorCode();
    metrics
        .counter("pgoffload.llm.calls", tags.and("outcome", error == null ? "ok" : error))
        .increment();
    Telemetry.timer("pgoffload.llm.call", "How long calls to models took")
        .tags(tags)
        .register(metrics)
        .record(Duration.ofNanos((long) (call.ranMs() * 1e6)));
    // a series is there before it counts anything, so that its first count is seen as one
    metrics.counter("pgoffload.llm.retries", tags).increment(0);
    tokens(tags, "input", call.tokens().input());
    tokens(tags, "cached", call.tokens().cached());
    tokens(tags, "output", call.tokens().output());
    tokens(tags, "reasoning", call.tokens().reasoning());
    span.setAttribute("gen_ai.response.model", call.model());
    span.setAttribute("gen_ai.usage.input_tokens", call.tokens().input());
    span.setAttribute("gen_ai.usage.output_tokens", call.tokens().output());
    var status = call.reply().httpStatus();
    if (status != null) {
      span.setAttribute("http.response.status_code", status.longValue());
    }
    if (error != null) {
      span.setAttribute("error.type", error);
      span.setStatus(StatusCode.ERROR);
    }
  }

  /// Counts that a target is asked again for the same request.
  void retried(ModelTarget target) {
    metrics.counter("pgoffload.llm.retries", tags(target)).increment();
  }

  private void tokens(Tags tags, String type, long number) {
    metrics.counter("pgoffload.llm.tokens", tags.and("type", type)).increment((double) number);
  }

  private Tags tags(ModelTarget target) {
    var model = target.model();
    if (!models.contains(model)) {
      if (models.size() >= MOST_MODELS) {
        model = OTHER;
      } else {
        models.add(model);
      }
    }
    return Tags.of("provider", target.provider().name(), "model", model);
  }
}
