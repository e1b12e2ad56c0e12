package org.pgoffload.launcher;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.jspecify.annotations.Nullable;

/// What the parts of this process measure, and where Prometheus reads it: `GET /metrics` at the
/// address that `PGOFFLOAD_METRICS_ADDRESS` names; without one nothing listens.
final class ServeMetrics implements AutoCloseable {
  /// The variable that [#address(Settings)] reads.
  static final String ADDRESS = "PGOFFLOAD_METRICS_ADDRESS";

  private static final int BACKLOG = 16;

  private final PrometheusMeterRegistry registry =
      new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
  private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
  private final @Nullable HttpServer server;

  private ServeMetrics(@Nullable HttpServer server) {
    this.server = server;
    if (server != null) {
      server.createContext("/metrics", this::answer);
      server.setExecutor(threads);
      server.start();
    }
  }

  /// Where to listen, or null.
  static @Nullable InetSocketAddress address(Settings settings) {
    var text = settings.text(ADDRESS);
    if (text == null) {
      return null;
    }
    int colon = text.lastIndexOf(':');
    try {
      int port = Integer.parseInt(text.substring(colon + 1).strip());
      return new InetSocketAddress(text.substring(0, Math.max(colon, 0)).strip(), port);
    } catch (IllegalArgumentException e) {
      settings.problem(ADDRESS + " must be host:port, such as 127.0.0.1:9464, not '" + text + "'");
      return null;
    }
  }

  /// @param address where to listen, or null not to
  /// @throws ConfigurationException if nobody can listen there
  static ServeMetrics start(@Nullable InetSocketAddress address) {
    try {
      return new ServeMetrics(address == null ? null : HttpServer.create(address, BACKLOG));
    } catch (IOException e) {
      throw new ConfigurationException(
          List.of(ADDRESS + ": nobody can listen at " + address + ": " + e.getMessage()));
    }
  }

  MeterRegistry registry() {
    return registry;
  }

  private void answer(HttpExchange exchange) throws IOException {
    try (exchange) {
      if (!exchange.getRequestMethod().equals("GET")) {
        exchange.sendResponseHeaders(405, -1);
        return;
      }
      byte[] body = registry.scrape().getBytes(StandardCharsets.UTF_8);
      exchange.getResponseHeaders().set("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
      exchange.sendResponseHeaders(200, body.length);
      exchange.getResponseBody().write(body);
    }
  }

  @Override
  public void close() {
    if (server != null) {
      server.stop(0);
    }
    threads.shutdownNow();
    registry.close();
  }
}
