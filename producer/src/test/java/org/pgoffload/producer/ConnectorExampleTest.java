package org.pgoffload.producer;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.pgoffload.connectors.ConnectConfiguration;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.protocol.TopicNames;

final class ConnectorExampleTest {
  /// The example in the archive. To bring it up to date, copy what the failure shows.
  @Test
  void theExampleInTheArchiveIsWhatTheCommandPrints() throws IOException {
    var producer =
        new ProducerConfiguration(
            DatabaseAddress.parse(
                "postgresql://pgoffload_producer:hunter2@db.example/shop?sslmode=verify-full&sslrootcert=/etc/pgoffload/ca.crt"),
            "pgoffload",
            new TopicNames("pgoffload"),
            Map.of(),
            ProducerConfiguration.DEFAULT_PAUSE);
    var body = new LinkedHashMap<String, Object>();
    body.put("name", "pgoffload");
    body.put(
        "config",
        new ConnectConfiguration(
                producer.capture(),
                "${file:/etc/pgoffload/connect.properties:producer.password}",
                16 << 20,
                17 << 20,
                6,
                false)
            .properties());
    var json =
        new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT).writeValueAsString(body);
    assertThat(Files.readString(Path.of("../connectors/src/main/connect/pgoffload-source.json")))
        .isEqualTo(json + "\n");
  }
}
