package org.pgoffload.telemetry;

import io.opentelemetry.api.trace.SpanBuilder;
import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.api.trace.propagation.W3CTraceContextPropagator;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.propagation.TextMapGetter;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import org.apache.kafka.common.header.Headers;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.RecordHeaders;

/// The trace that a record belongs to, in its headers `traceparent` and `tracestate`, as W3C Trace
/// Context has them.
public final class TraceHeaders {
  private static final W3CTraceContextPropagator W3C = W3CTraceContextPropagator.getInstance();

  private TraceHeaders() {}

  /// The context that the headers name; the root if they name none, or one that is not valid.
  public static Context read(Headers headers) {
    return W3C.extract(Context.root(), headers, FromHeaders.INSTANCE);
  }

  /// The context that a text names, as a header `traceparent` would.
  public static Context read(@Nullable String traceparent) {
    return traceparent == null
        ? Context.root()
        : W3C.extract(Context.root(), traceparent, FromText.INSTANCE);
  }

  /// Puts a context into headers, in place of what was there; leaves them alone if it is none.
  public static void write(Context context, Headers headers) {
    W3C.inject(
        context,
        headers,
        (carrier, name, value) -> {
          if (carrier != null) {
            carrier.remove(name).add(name, value.getBytes(StandardCharsets.UTF_8));
          }
        });
  }

  /// A span of what is done with a record of a topic, not started yet.
  ///
  /// @param parent to which the record belongs
  public static SpanBuilder span(Tracer tracer, String operation, String topic, Context parent) {
    return tracer
        .spanBuilder(operation + " " + topic)
        .setParent(parent)
        .setAttribute("messaging.system", "kafka")
        .setAttribute("messaging.destination.name", topic);
  }

  private enum FromHeaders implements TextMapGetter<Headers> {
    INSTANCE;

    @Override
    public Iterable<String> keys(Headers headers) {
      var names = new ArrayList<String>();
      headers.forEach(header -> names.add(header.key()));
      return names;
    }

    @Override
    public @Nullable String get(@Nullable Headers headers, String name) {
      var header = headers == null ? null : headers.lastHeader(name);
      return header == null || header.value() == null
          ? null
          : new String(header.value(), StandardCharsets.UTF_8);
    }
  }

  private enum FromText implements TextMapGetter<String> {
    INSTANCE;

    @Override
    public Iterable<String> keys(String traceparent) {
      return W3C.fields();
    }

    @Override
    public @Nullable String get(@Nullable String traceparent, String name) {
      return name.equals(RecordHeaders.TRACEPARENT) ? traceparent : null;
    }
  }
}
