package org.pgoffload.launcher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.net.URI;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.pgoffload.console.ConsoleConfiguration;
import org.pgoffload.console.web.Listen;
import org.pgoffload.operations.deadletters.LetterTopic;
import org.pgoffload.platform.ConfigurationException;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.platform.Settings;
import org.pgoffload.platform.TrustedProxies;

class ReadConsoleConfigurationTest {
  private static final String URL = "PGOFFLOAD_CONSOLE_DATABASE_URL";
  private static final DatabaseAddress DATABASE =
      new DatabaseAddress("db.example", 5433, "d", "nobody", null, Map.of());

  private static ConsoleConfiguration read(Map<String, String> more) {
    var environment = new HashMap<>(Map.of(URL, "postgresql://db.example:5433/d"));
    environment.putAll(more);
    return ReadConsoleConfiguration.from(new Settings(environment));
  }

  @Test
  void hasDefaults() {
    assertThat(read(Map.of()))
        .isEqualTo(
            new ConsoleConfiguration(
                DATABASE, new Listen("127.0.0.1", 7432, null, null), false, false, null));
  }

  @Test
  void takesExplicitValues() {
    assertThat(
            read(
                Map.of(
                    "PGOFFLOAD_CONSOLE_ADDRESS", "[::1]:8000",
                    "PGOFFLOAD_CONSOLE_URL", "https://console.example:444/",
                    "PGOFFLOAD_CONSOLE_SUPERUSERS", "allowed",
                    "PGOFFLOAD_CONSOLE_TEXTS", "hidden",
                    "PGOFFLOAD_TOPIC_PREFIX", "shop",
                    "KAFKA_BOOTSTRAP_SERVERS", "kafka.example:9092")))
        .isEqualTo(
            new ConsoleConfiguration(
                DATABASE,
                new Listen("::1", 8000, null, URI.create("https://console.example:444/")),
                true,
                true,
                new LetterTopic(
                    Map.of(
                        "bootstrap.servers", "kafka.example:9092", "request.timeout.ms", "10000"),
                    "shop.dead-letters")));
  }

  @Test
  void keepsNoLoginOfTheDatabasesAddress() {
    var configuration =
        read(Map.of(URL, "postgresql://owner:secret@db.example:5433/d", "PGPASSWORD", "other"));
    assertThat(configuration.database()).isEqualTo(DATABASE);
  }

  @Test
  void readsLibpqsVariablesToo() {
    var settings =
        new Settings(Map.of("PGHOST", "db.example", "PGPORT", "5433", "PGDATABASE", "d"));
    assertThat(ReadConsoleConfiguration.from(settings).database()).isEqualTo(DATABASE);
  }

  @Test
  void needsADatabaseAndItsName() {
    assertThatThrownBy(() -> ReadConsoleConfiguration.from(new Settings(Map.of())))
        .isInstanceOf(ConfigurationException.class)
        .hasMessageContaining(URL);
    assertThatThrownBy(() -> read(Map.of(URL, "postgresql://db.example")))
        .hasMessageContaining("it must name the database");
  }

  @ParameterizedTest
  @ValueSource(strings = {"0.0.0.0:7432", "192.0.2.1:7432", "[::]:7432"})
  void sendsNoPasswordThroughTheNetworkUnlessItIsToldTo(String address) {
    var environment = Map.of("PGOFFLOAD_CONSOLE_ADDRESS", address);
    assertThatThrownBy(() -> read(environment))
        .hasMessageContaining("passwords would go there unencrypted");
    var told = new HashMap<>(environment);
    told.put("PGOFFLOAD_CONSOLE_PLAIN_HTTP", "anywhere");
    assertThat(read(told).listen().port()).isEqualTo(7432);
  }

  @ParameterizedTest
  @CsvSource({
    "PGOFFLOAD_CONSOLE_ADDRESS, 7432",
    "PGOFFLOAD_CONSOLE_ADDRESS, localhost:70000",
    "PGOFFLOAD_CONSOLE_URL, console.example",
    "PGOFFLOAD_CONSOLE_SUPERUSERS, yes",
    "PGOFFLOAD_CONSOLE_TEXTS, no",
    "PGOFFLOAD_CONSOLE_PLAIN_HTTP, on",
    "PGOFFLOAD_CONSOLE_TLS_KEY, a"
  })
  void saysWhatIsWrong(String name, String value) {
    assertThatThrownBy(() -> read(Map.of(name, value)))
        .isInstanceOf(ConfigurationException.class)
        .hasMessageContaining(name);
  }

  @Test
  void readsTrustedProxies() {
    assertThat(read(Map.of("PGOFFLOAD_CONSOLE_TRUSTED_PROXIES", "10.0.0.0/8,::1")).listen())
        .isEqualTo(
            new Listen("127.0.0.1", 7432, null, null, TrustedProxies.read("10.0.0.0/8, ::1/128")));
    assertThatThrownBy(() -> read(Map.of("PGOFFLOAD_CONSOLE_TRUSTED_PROXIES", "proxy.example")))
        .hasMessageContaining("PGOFFLOAD_CONSOLE_TRUSTED_PROXIES must be addresses or networks");
  }

  @Test
  void refusesAPlainUrlWithACertificate() {
    assertThatThrownBy(() ->
            read(
                Map.of(
                    "PGOFFLOAD_CONSOLE_URL", "http://console.example/",
                    "PGOFFLOAD_CONSOLE_TLS_CERTIFICATE", "x",
                    "PGOFFLOAD_CONSOLE_TLS_KEY", "y")))
        .hasMessageContaining("PGOFFLOAD_CONSOLE_URL is http://");
  }
}
