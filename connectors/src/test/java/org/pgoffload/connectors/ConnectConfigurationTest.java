package org.pgoffload.connectors;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.pgoffload.protocol.Secret;
import org.pgoffload.protocol.TopicNames;

final class ConnectConfigurationTest {
  private static final String PASSWORD =
      "${file:/etc/pgoffload/connect.properties:producer.password}";

  /// The example in the archive. To bring it up to date, copy what the failure shows.
  @Test
  void theExampleInTheArchiveIsWhatTheCommandPrints() throws IOException {
    var body = new LinkedHashMap<String, Object>();
    body.put("name", "pgoffload");
    body.put("config", example(false).properties());
    var json =
        new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT).writeValueAsString(body);
    assertThat(Files.readString(Path.of("src/main/connect/pgoffload-source.json")))
        .isEqualTo(json + "\n");
  }

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

  private static ConnectConfiguration example(boolean transactions) {
    return new ConnectConfiguration(
        new CaptureConfiguration(
            "db.example",
            5432,
            "shop",
            "pgoffload_producer",
            Secret.of("hunter2"),
            Map.of("sslmode", "verify-full", "sslrootcert", "/etc/pgoffload/ca.crt"),
            "pgoffload",
            new TopicNames("pgoffload"),
            Duration.ofSeconds(1)),
        PASSWORD,
        16 << 20,
        17 << 20,
        6,
        transactions);
  }
}
