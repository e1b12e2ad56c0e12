package org.pgoffload.connectors;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.pgoffload.protocol.Secret;
import org.pgoffload.protocol.TopicNames;

final class CaptureConfigurationTest {
  @Test
  void isTheWholeOfWhatTheConnectorIsGiven() {
    var properties = new TreeMap<>(configuration(Secret.of("hunter2"), Map.of()).properties());

    assertThat(properties.entrySet().stream().map(each -> each.getKey() + " = " + each.getValue()))
        .containsExactlyElementsOf(
            """
            binary.handling.mode = bytes
            connector.class = org.pgoffload.connectors.CaptureConnector
            database.connection.factory.class = org.pgoffload.connectors.OpenSession
            database.dbname = orders
            database.first.statement = select 1
            database.hostname = db.example
            database.password = hunter2
            database.port = 5433
            database.user = capture
            errors.max.retries = 0
            heartbeat.action.query = select pg_catalog.pg_logical_emit_message(true, 'pgoffload.heartbeat', '')
            heartbeat.interval.ms = 1500
            max.batch.size = 1
            max.queue.size = 8192
            max.queue.size.in.bytes = 67108864
            message.prefix.include.list = pgoffload\\.request
            plugin.name = pgoutput
            poll.interval.ms = 7
            publication.autocreate.mode = disabled
            publication.name = pgoffload
            slot.drop.on.stop = false
            slot.max.retries = 1
            slot.name = shop_slot
            slot.retry.delay.ms = 200
            snapshot.mode = no_data
            status.update.interval.ms = 500
            table.include.list = pgoffload\\.none
            tasks.max = 1
            tombstones.on.delete = false
            topic.prefix = shop
            transforms = request
            transforms.request.topic.prefix = shop
            transforms.request.type = org.pgoffload.connectors.RequestTransform
            """
                .lines()
                .toList());
  }

  @Test
  void hasNoPasswordWhereACertificateServes() {
    var tls = Map.of("sslmode", "verify-full", "sslcert", "/c.pem", "sslkey", "/k.pk8");
    assertThat(configuration(null, tls).properties())
        .doesNotContainKey("database.password")
        .containsEntry("database.sslmode", "verify-full")
        .containsEntry("database.sslcert", "/c.pem")
        .containsEntry("database.sslkey", "/k.pk8");
  }

  @Test
  void givesTheDriverWhatDebeziumTakesForNoHost() {
    assertThat(configuration(List.of("::1"), List.of(5433), null, Map.of()).properties())
        .containsEntry("database.hostname", "__1")
        .containsEntry("database.port", "5433")
        .containsEntry("database.PGHOST", "::1")
        .containsEntry("database.PGPORT", "5433");
    assertThat(
            configuration(List.of("h_1", "h2"), List.of(5432, 5433), null, Map.of()).properties())
        .containsEntry("database.hostname", "h_1")
        .containsEntry("database.PGHOST", "h_1,h2")
        .containsEntry("database.PGPORT", "5432,5433");
    assertThat(configuration(List.of("h_1"), List.of(1), null, Map.of()).properties())
        .doesNotContainKey("database.PGHOST");
  }

  @Test
  void refusesALoginThatDebeziumCannotAskFor() {
    assertThatThrownBy(() -> new CaptureConfiguration.Login("o'brien", null))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("o'brien")
        .hasMessageContaining("apostrophe");
  }

  @Test
  void showsNoPassword() {
    assertThat(configuration(Secret.of("hunter2"), Map.of()))
        .hasToString("CaptureConfiguration[capture@db.example/orders, slot=shop_slot]");
  }

  private static CaptureConfiguration configuration(
      @Nullable Secret password, Map<String, String> tls) {
    return configuration(List.of("db.example"), List.of(5433), password, tls);
  }

  private static CaptureConfiguration configuration(
      List<String> hosts,
      List<Integer> ports,
      @Nullable Secret password,
      Map<String, String> properties) {
    return new CaptureConfiguration(
        hosts,
        ports,
        "orders",
        new CaptureConfiguration.Login("capture", password),
        new CaptureConfiguration.Session(properties, "select 1"),
        "shop_slot",
        new TopicNames("shop"),
        new CaptureConfiguration.Pace(Duration.ofMillis(7), Duration.ofMillis(1500)));
  }
}
