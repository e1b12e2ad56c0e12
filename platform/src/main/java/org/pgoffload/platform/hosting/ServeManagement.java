package org.pgoffload.platform.hosting;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.ConfigurationException;
import org.pgoffload.platform.Settings;
import org.pgoffload.telemetry.Health;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Serves measures and health of this process at the address that `PGOFFLOAD_MANAGEMENT_ADDRESS`
/// names: `GET /metrics` for Prometheus, `GET /health/live` and `GET /health/ready`, which answer
/// 200 or 503. Without an address nothing listens.
///
/// The replies have no secrets, so no password is asked for.
final class ServeManagement implements AutoCloseable {
  /// The variable that [#address(Settings)] reads.
  static final String ADDRESS = "PGOFFLOAD_MANAGEMENT_ADDRESS";

  private static final Logger LOG = LoggerFactory.getLogger(ServeManagement.class);
  private static final int BACKLOG = 16;
  private static final ObjectMapper JSON = new ObjectMapper();

  private final Map<String, Supplier<Health>> parts = new ConcurrentHashMap<>();
  private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
  private final Supplier<String> metrics;
  private final @Nullable HttpServer server;

  private ServeManagement(@Nullable HttpServer server, Supplier<String> metrics) {
    this.server = server;
    this.metrics = metrics;
    if (server != null) {
      server.createContext("/metrics", exchange -> answer(exchange, "/metrics", this::scrape));
      server.createContext(
          "/health/live", exchange -> answer(exchange, "/health/live", () -> health(Health::live)));
      server.createContext(
          "/health/ready",
          exchange -> answer(exchange, "/health/ready", () -> health(Health::ready)));
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
  /// @param metrics as Prometheus reads them
  /// @throws ConfigurationException if the address cannot be listened on
  static ServeManagement start(@Nullable InetSocketAddress address, Supplier<String> metrics) {
    try {
      return new ServeManagement(
          address == null ? null : HttpServer.create(address, BACKLOG), metrics);
    } catch (IOException e) {
      throw new ConfigurationException(
          List.of(ADDRESS + ": nobody can listen at " + address + ": " + e.getMessage()));
    }
  }

  /// Tells of a part from now on. Until the first one is told of, the process is not ready.
  void tellOf(String part, Supplier<Health> health) {
    parts.put(part, health);
  }

  /// The port that is listened at; -1 if none is.
  int port() {
    return server == null ? -1 : server.getAddress().getPort();
  }

  private record Answer(int status, String type, String body) {}

  /// The fields of a part's health, in this order.
  private record Told(String status, String detail) {}

  private Answer scrape() {
    return new Answer(200, "text/plain; version=0.0.4; charset=utf-8", metrics.get());
  }

  private Answer health(Predicate<Health> isWell) {
    var told = new TreeMap<String, Told>();
    // it lives while it starts, and is ready only with a part
    boolean well = !parts.isEmpty() || isWell.test(Health.waiting(""));
    for (var part : parts.entrySet()) {
      var health = part.getValue().get();
      boolean partIsWell = isWell.test(health);
      well &= partIsWell;
      told.put(part.getKey(), new Told(word(partIsWell), health.detail()));
    }
    var body = JSON.createObjectNode().put("status", word(well));
    body.set("parts", JSON.valueToTree(told));
    return new Answer(well ? 200 : 503, "application/json", body + "\n");
  }

  private static String word(boolean isWell) {
    return isWell ? "up" : "down";
  }

  private static void answer(HttpExchange exchange, String path, Supplier<Answer> make)
      throws IOException {
    try (exchange) {
      if (!exchange.getRequestURI().getPath().equals(path)) {
        exchange.sendResponseHeaders(404, -1);
        return;
      }
      boolean head = exchange.getRequestMethod().equals("HEAD");
      if (!head && !exchange.getRequestMethod().equals("GET")) {
        exchange.getResponseHeaders().set("Allow", "GET, HEAD");
        exchange.sendResponseHeaders(405, -1);
        return;
      }
      Answer answer;
      try {
        answer = make.get();
      } catch (RuntimeException e) {
        LOG.error("{} cannot be answered", path, e);
        answer = new Answer(500, "text/plain; charset=utf-8", "the log says why\n");
      }
      byte[] body = answer.body.getBytes(StandardCharsets.UTF_8);
      exchange.getResponseHeaders().set("Content-Type", answer.type);
      if (head) {
        exchange.sendResponseHeaders(answer.status, -1);
        return;
      }
      exchange.sendResponseHeaders(answer.status, body.length);
      exchange.getResponseBody().write(body);
    }
  }

  @Override
  public void close() {
    if (server != null) {
      server.stop(0);
    }
    threads.shutdownNow();
  }
}
