package org.pgoffload.telemetry;

import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.opentelemetry.api.OpenTelemetry;
import io.opentelemetry.api.trace.Tracer;
import java.time.Duration;

/// Where a part tells what it measures and does.
///
/// Safe to share between threads.
///
/// @param metrics takes the measures
/// @param traces takes the spans
public record Telemetry(MeterRegistry metrics, OpenTelemetry traces) {
  private static final String SCOPE = "org.pgoffload";

  /// From a millisecond to five minutes: a hop takes milliseconds, a model or a backlog minutes.
  private static final Duration[] BOUNDS = {
    Duration.ofMillis(1),
    Duration.ofMillis(2),
    Duration.ofMillis(5),
    Duration.ofMillis(10),
    Duration.ofMillis(25),
    Duration.ofMillis(50),
    Duration.ofMillis(100),
    Duration.ofMillis(250),
    Duration.ofMillis(500),
    Duration.ofSeconds(1),
    Duration.ofMillis(2500),
    Duration.ofSeconds(5),
    Duration.ofSeconds(10),
    Duration.ofSeconds(30),
    Duration.ofMinutes(1),
    Duration.ofMinutes(5)
  };

  /// Measures without a reader, and no traces.
  public static Telemetry none() {
    return new Telemetry(new SimpleMeterRegistry(), OpenTelemetry.noop());
  }

  public Tracer tracer() {
    return traces.getTracer(SCOPE);
  }

  /// How long one of the steps takes that every request goes through.
  public Timer hop(String hop) {
    return timer("pgoffload.hop", "How long a step of the way of a request took")
        .tag("hop", hop)
        .register(metrics);
  }

  /// A timer as a histogram, to which tags can be added.
  public static Timer.Builder timer(String name, String description) {
    return Timer.builder(name).description(description).serviceLevelObjectives(BOUNDS);
  }

  /// Measures a step that two clocks have timed: they may differ, and nothing takes less than no
  /// time.
  public static void record(Timer hop, Duration taken) {
    hop.record(taken.isNegative() ? Duration.ZERO : taken);
  }
}
