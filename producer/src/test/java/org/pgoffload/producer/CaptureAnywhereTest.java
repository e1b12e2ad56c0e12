package org.pgoffload.producer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assumptions.assumeThat;
import static org.awaitility.Awaitility.await;

import io.debezium.jdbc.JdbcConfiguration;
import java.net.InetAddress;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.pgoffload.connectors.OpenSession;
import org.pgoffload.dev.servers.PostgresVersion;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.platform.DatabaseServer;
import org.pgoffload.platform.PinnedSettings;
import org.pgoffload.protocol.Secret;
import org.pgoffload.schema.AnsweringProxy;
import org.pgoffload.telemetry.Telemetry;

/// The capture finds its database whatever the database, its login and its servers are called.
final class CaptureAnywhereTest {
  private static final Duration PATIENCE = Duration.ofMinutes(2);

  private static final String PASSWORD = "p@:/ %+?&=ü\\'$1${a}";

  @RegisterExtension
  static final TestInstallation installation = TestInstallation.start(PostgresVersion.V18);

  @ParameterizedTest
  @ValueSource(
      strings = {"My-Db 1'%ü", "aaa/bbb", "a+b?c", "a&b=c#d", "${user}$1\\", "%41", " x:@[1] "})
  void capturesFromADatabaseOfAnyName(String name) throws Exception {
    installation.useNewDatabase(name);
    captures(installation.producer());
    // as the person wrote it who had to write it in a URI
    assertThat(DatabaseAddress.parse(installation.producer().uri()))
        .isEqualTo(installation.producer());
  }

  @ParameterizedTest
  @ValueSource(strings = {"My Role", "ü", "a\"b%c/d", "${password}"})
  void capturesAsALoginOfAnyNameAndPassword(String role) throws Exception {
    var quoted = '"' + role.replace("\"", "\"\"") + '"';
    installation.createRole(
        quoted,
        "login replication in role pgoffload_producer password '"
            + PASSWORD.replace("'", "''")
            + "'");
    captures(installation.admin().as(role, Secret.of(PASSWORD)));
  }

  @Test
  void capturesFromAnAddressOfVersionSix() throws Exception {
    assumeThat(InetAddress.ofLiteral("::1").isReachable(1000)).isTrue();
    captures(at(List.of(new DatabaseServer("::1", installation.admin().port())), Map.of()));
  }

  /// Also in Kafka Connect, where nothing else has looked at the server before.
  @Test
  void noSessionOfDebeziumsIsAPoolers() throws Exception {
    try (var pooler = AnsweringProxy.poolerThatTellsTheProcess(installation.admin())) {
      var address = pooler.address();
      var login =
          JdbcConfiguration.create()
              .withHostname(address.host())
              .withPort(address.port())
              .withDatabase(address.database())
              .withUser(address.user())
              .withPassword(Objects.requireNonNull(address.password()).reveal())
              .with("first.statement", PinnedSettings.FIRST_STATEMENT)
              .with("options", "-c default_transaction_deferrable=off")
              .build();
      assertThatThrownBy(() -> new OpenSession().connect(login))
          .hasMessageStartingWith("pooled_connection: ");
    }
  }

  /// A standby answers before the primary does, and a port where nobody listens before both.
  @Test
  void capturesFromTheServerOfSeveralThatTakesWrites() throws Exception {
    try (var standby = installation.startStandby()) {
      var servers =
          List.of(
              new DatabaseServer("127.0.0.1", 1),
              new DatabaseServer("127.0.0.1", standby.port()),
              new DatabaseServer("localhost", installation.admin().port()));
      captures(at(servers, Map.of("target_session_attrs", "read-write")));
      captures(at(servers, Map.of()));
    }
  }

  private static DatabaseAddress at(List<DatabaseServer> servers, Map<String, String> parameters) {
    var address = installation.producer();
    return new DatabaseAddress(
        servers, address.database(), address.user(), address.password(), parameters);
  }

  private static void captures(DatabaseAddress address) throws Exception {
    int before = installation.published().size();
    try (var producer =
        ProducerApp.start(
            new ProducerConfiguration(
                address,
                TestInstallation.SLOT,
                installation.topics(),
                installation.kafka(),
                ProducerConfiguration.DEFAULT_PAUSE),
            Telemetry.none())) {
      producer.awaitCapturing(PATIENCE);
      var id = installation.insert("from anywhere");
      await().atMost(PATIENCE).until(() -> installation.published().size() > before);
      assertThat(installation.publishedIds()).contains(id);
    }
  }
}
