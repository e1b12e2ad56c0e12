package org.pgoffload.connectors;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.pgoffload.protocol.Secret;
import org.pgoffload.protocol.TopicNames;

final class ConnectConfigurationTest {
  private static final String PASSWORD =
      "${file:/etc/pgoffload/connect.properties:producer.password}";

  @Test
  void changesNothingOfWhatIsCaptured() {
    var connect = example(false).properties();
    var embedded = example(false).capture().properties();
    assertThat(connect).containsKeys(embedded.keySet().toArray(String[]::new));
    embedded
        .keySet()
        .removeAll(java.util.Set.of("connector.class", "database.password", "errors.max.retries"));
    assertThat(connect).containsAllEntriesOf(embedded);
  }

  @Test
  void holdsAReferenceInsteadOfThePassword() {
    assertThat(example(false).properties())
        .containsEntry("database.password", PASSWORD)
        .doesNotContainValue("hunter2");
  }

  @Test
  void asksForExactlyOnceSupportOnlyWhereItIsRequired() {
    assertThat(example(false).properties()).doesNotContainKey("exactly.once.support");
    assertThat(example(true).properties()).containsEntry("exactly.once.support", "required");
  }

  @Test
  void refusesANameThatConnectWouldReplace() {
    assertThatThrownBy(() -> example("${env:HOME}", false))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("${");
  }

  private static ConnectConfiguration example(boolean transactions) {
    return example("shop", transactions);
  }

  private static ConnectConfiguration example(String database, boolean transactions) {
    return new ConnectConfiguration(
        new CaptureConfiguration(
            List.of("db.example"),
            List.of(5432),
            database,
            new CaptureConfiguration.Login("pgoffload_producer", Secret.of("hunter2")),
            new CaptureConfiguration.Session(Map.of("sslmode", "verify-full"), "select 1"),
            "pgoffload",
            new TopicNames("pgoffload"),
            new CaptureConfiguration.Pace(Duration.ofMillis(1), Duration.ofSeconds(1))),
        PASSWORD,
        16 << 20,
        17 << 20,
        6,
        transactions);
  }
}
