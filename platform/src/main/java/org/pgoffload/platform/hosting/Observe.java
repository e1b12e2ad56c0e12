package org.pgoffload.platform.hosting;

import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.binder.jvm.ClassLoaderMetrics;
import io.micrometer.core.instrument.binder.jvm.JvmGcMetrics;
import io.micrometer.core.instrument.binder.jvm.JvmMemoryMetrics;
import io.micrometer.core.instrument.binder.jvm.JvmThreadMetrics;
import io.micrometer.core.instrument.binder.system.FileDescriptorMetrics;
import io.micrometer.core.instrument.binder.system.ProcessorMetrics;
import io.micrometer.core.instrument.binder.system.UptimeMetrics;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import io.opentelemetry.api.OpenTelemetry;
import io.opentelemetry.sdk.OpenTelemetrySdk;
import io.opentelemetry.sdk.autoconfigure.AutoConfiguredOpenTelemetrySdk;
import io.opentelemetry.sdk.autoconfigure.spi.ConfigurationException;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.URISyntaxException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.Settings;
import org.pgoffload.telemetry.Health;
import org.pgoffload.telemetry.Telemetry;

/// Collects what the parts of this process tell of themselves: measures, which Prometheus reads at
/// the management address, and spans, which go where OpenTelemetry's own variables say. Without
/// these, nothing is traced, and the contexts of others are passed on.
public final class Observe implements AutoCloseable {
  /// Each of these variables turns tracing on.
  private static final List<String> TRACING =
      List.of(
          "OTEL_TRACES_EXPORTER",
          "OTEL_EXPORTER_OTLP_ENDPOINT",
          "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");

  private static final List<String> ENDPOINTS =
      List.of("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");

  private static final List<String> HEADERS =
      List.of("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS");

  private final PrometheusMeterRegistry registry =
      new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
  private final List<AutoCloseable> opened = new ArrayList<>();
  private final Telemetry telemetry;
  private final ServeManagement management;

  private Observe(@Nullable InetSocketAddress address, OpenTelemetry traces) {
    telemetry = new Telemetry(registry, traces);
    if (traces instanceof OpenTelemetrySdk sdk) {
      opened.add(sdk);
    }
    measureProcess();
    management = ServeManagement.start(address, registry::scrape);
  }

  /// Begins to collect.
  ///
  /// @param name of the part, by which traces know it unless `OTEL_SERVICE_NAME` gives another
  /// @throws org.pgoffload.platform.ConfigurationException if the environment says something wrong
  public static Observe start(Settings settings, String name) {
    var address = ServeManagement.address(settings);
    var traces = traces(settings, name);
    settings.check();
    return new Observe(address, traces);
  }

  private static OpenTelemetry traces(Settings settings, String name) {
    if (TRACING.stream().allMatch(variable -> settings.text(variable) == null)) {
      return OpenTelemetry.noop();
    }
    if (!endpointsCanBeCalled(settings)) {
      return OpenTelemetry.noop();
    }
    var defaults = new TreeMap<String, String>();
    defaults.put("otel.service.name", "pgoffload-" + name);
    // the only one that is sent over the JDK's own HTTP client
    defaults.put("otel.exporter.otlp.protocol", "http/protobuf");
    // measures are Prometheus', and logs go to standard error
    defaults.put("otel.metrics.exporter", "none");
    defaults.put("otel.logs.exporter", "none");
    try {
      return AutoConfiguredOpenTelemetrySdk.builder()
          .addPropertiesSupplier(() -> defaults)
          .addPropertiesCustomizer(properties -> fromEnvironment(settings))
          .disableShutdownHook()
          .build()
          .getOpenTelemetrySdk();
    } catch (ConfigurationException | IllegalArgumentException | IllegalStateException e) {
      var words = String.valueOf(e.getMessage());
      // the SDK repeats what is wrong, and headers hold tokens
      settings.problem(
          "OTEL_…: "
              + (words.contains("headers")
                  ? "the headers of the exporter must be name=value, several separated by commas"
                  : words));
      return OpenTelemetry.noop();
    }
  }

  /// The JDK's HTTP client calls no host for which `java.net.URI` has no name, such as one with an
  /// underscore, and the exporter would lose every span without a word at the start.
  private static boolean endpointsCanBeCalled(Settings settings) {
    var callable = true;
    for (var name : ENDPOINTS) {
      var endpoint = settings.text(name);
      try {
        if (endpoint != null && new URI(endpoint).getHost() == null) {
          settings.problem(
              name
                  + " must be http(s)://host:port, the host a name of letters, digits, hyphens and"
                  + " dots, or an address");
          callable = false;
        }
      } catch (URISyntaxException noUri) {
        // The SDK says so.
      }
    }
    return callable;
  }

  /// The SDK reads the process's environment by itself; this is for one that was given otherwise,
  /// and for headers, which may hold a token, in a file.
  private static Map<String, String> fromEnvironment(Settings settings) {
    var properties = new TreeMap<String, String>();
    for (var name : HEADERS) {
      var headers = settings.secret(name);
      if (headers != null) {
        properties.put(name.toLowerCase(java.util.Locale.ROOT).replace('_', '.'), headers.reveal());
      }
    }
    settings
        .variables()
        .forEach((name, value) -> {
          if (name.startsWith("OTEL_") && !value.isBlank()) {
            properties.put(name.toLowerCase(java.util.Locale.ROOT).replace('_', '.'), value);
          }
        });
    return properties;
  }

  private void measureProcess() {
    var collector = new JvmGcMetrics();
    opened.add(collector);
    for (var binder :
        List.of(
            new JvmMemoryMetrics(),
            collector,
            new JvmThreadMetrics(),
            new ClassLoaderMetrics(),
            new ProcessorMetrics(),
            new FileDescriptorMetrics(),
            new UptimeMetrics())) {
      binder.bindTo(registry);
    }
    registry.gauge("pgoffload.build", Tags.of("version", Version.text()), 1);
  }

  public Telemetry telemetry() {
    return telemetry;
  }

  /// Tells of a part's health from now on.
  public void tellOf(String part, Supplier<Health> health) {
    management.tellOf(part, health);
  }

  /// Where the management address listens; -1 if nothing does.
  public int port() {
    return management.port();
  }

  /// Spans that were not sent yet have some seconds.
  @Override
  public void close() {
    management.close();
    for (var each : opened) {
      try {
        each.close();
      } catch (Exception e) {
        org.slf4j.LoggerFactory.getLogger(Observe.class).debug("{} could not be closed", each, e);
      }
    }
    registry.close();
  }
}
