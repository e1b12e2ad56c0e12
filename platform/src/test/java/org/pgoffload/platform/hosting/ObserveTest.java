package org.pgoffload.platform.hosting;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.pgoffload.platform.ConfigurationException;
import org.pgoffload.platform.Settings;
import org.pgoffload.telemetry.Health;

class ObserveTest {
  private static final String ADDRESS = "PGOFFLOAD_MANAGEMENT_ADDRESS";

  @Test
  void nothingListensWithoutAnAddress() {
    try (var observe = Observe.start(new Settings(Map.of()), "worker")) {
      assertThat(observe.port()).isEqualTo(-1);
    }
  }

  @Test
  void aWrongAddressIsRefused() {
    assertThatThrownBy(() -> Observe.start(new Settings(Map.of(ADDRESS, "here:there")), "worker"))
        .isInstanceOf(ConfigurationException.class)
        .hasMessageContaining(ADDRESS + " must be host:port");
  }

  @Test
  void anAddressInUseIsRefused() {
    try (var first = Observe.start(new Settings(Map.of(ADDRESS, "127.0.0.1:0")), "worker")) {
      assertThatThrownBy(() ->
              Observe.start(new Settings(Map.of(ADDRESS, "127.0.0.1:" + first.port())), "worker"))
          .isInstanceOf(ConfigurationException.class)
          .hasMessageContaining("nobody can listen");
    }
  }

  @Test
  void aWrongExporterIsRefused() {
    assertThatThrownBy(
            () -> Observe.start(new Settings(Map.of("OTEL_TRACES_EXPORTER", "pigeons")), "worker"))
        .isInstanceOf(ConfigurationException.class)
        .hasMessageContaining("OTEL_")
        .hasMessageContaining("pigeons");
  }

  @Test
  void aCollectorThatCannotBeCalledIsRefused() {
    for (var name : List.of("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")) {
      var settings = new Settings(Map.of(name, "http://otel_collector:4318"));

      assertThatThrownBy(() -> Observe.start(settings, "worker"))
          .isInstanceOf(ConfigurationException.class)
          .hasMessageContaining(name + " must be http(s)://host:port");
    }
  }

  @Test
  void measuresAreServedForPrometheus() throws Exception {
    try (var observe = Observe.start(new Settings(Map.of(ADDRESS, "127.0.0.1:0")), "worker")) {
      observe.telemetry().metrics().counter("pgoffload.tried").increment(3);
      var reply = get(observe, "/metrics");
      assertThat(reply.statusCode()).isEqualTo(200);
      assertThat(reply.headers().firstValue("Content-Type"))
          .hasValue("text/plain; version=0.0.4; charset=utf-8");
      assertThat(reply.body())
          .contains(
              "pgoffload_tried_total 3.0", "jvm_memory_used_bytes", "pgoffload_build{version=");
      assertThat(get(observe, "/metrics/more").statusCode()).isEqualTo(404);
      assertThat(get(observe, "/").statusCode()).isEqualTo(404);
    }
  }

  @Test
  void healthIsThatOfTheParts() throws Exception {
    try (var observe = Observe.start(new Settings(Map.of(ADDRESS, "127.0.0.1:0")), "worker")) {
      assertThat(get(observe, "/health/live").statusCode()).isEqualTo(200);
      assertThat(get(observe, "/health/ready").statusCode()).isEqualTo(503);

      var health = new AtomicReference<>(Health.waiting("for a \"database\""));
      observe.tellOf("worker", health::get);
      assertThat(get(observe, "/health/live").statusCode()).isEqualTo(200);
      var waiting = get(observe, "/health/ready");
      assertThat(waiting.statusCode()).isEqualTo(503);
      assertThat(waiting.body())
          .isEqualToIgnoringNewLines(
              "{\"status\":\"down\",\"parts\":{\"worker\":{\"status\":\"down\",\"detail\":\"for a \\\"database\\\"\"}}}");

      health.set(Health.ready("works"));
      assertThat(get(observe, "/health/ready").statusCode()).isEqualTo(200);
      observe.tellOf("results", Health::ended);
      assertThat(get(observe, "/health/ready").statusCode()).isEqualTo(503);
      assertThat(get(observe, "/health/live").statusCode()).isEqualTo(503);
    }
  }

  private static HttpResponse<String> get(Observe observe, String path)
      throws IOException, InterruptedException {
    try (var client = HttpClient.newHttpClient()) {
      return client.send(
          HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + observe.port() + path)).build(),
          HttpResponse.BodyHandlers.ofString());
    }
  }
}
