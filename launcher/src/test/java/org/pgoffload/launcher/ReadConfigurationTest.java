package org.pgoffload.launcher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.pgoffload.operations.MaintenanceConfiguration;
import org.pgoffload.platform.ConfigurationException;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.platform.DatabaseServer;
import org.pgoffload.platform.Settings;
import org.pgoffload.platform.TaskDatabase;
import org.pgoffload.platform.hosting.Version;
import org.pgoffload.producer.ProducerConfiguration;
import org.pgoffload.protocol.Secret;
import org.pgoffload.protocol.TopicNames;
import org.pgoffload.results.ResultsConfiguration;
import org.pgoffload.worker.WorkerConfiguration;
import org.pgoffload.worker.delivery.DeliverySettings;
import org.pgoffload.worker.llm.LlmSettings;
import org.pgoffload.worker.llm.calls.CallSettings;
import org.pgoffload.worker.sql.SqlSettings;
import org.pgoffload.worker.sql.sessions.SqlLimits;

class ReadConfigurationTest {
  private static final Map<String, String> LEAST =
      Map.of(
          "DATABASE_URL", "postgresql://u:p@db.example:5433/d",
          "KAFKA_BOOTSTRAP_SERVERS", "k:9092",
          "LLM_PROVIDER", "echo");
  private static final DatabaseAddress DATABASE =
      new DatabaseAddress("db.example", 5433, "d", "u", Secret.of("p"), Map.of());
  private static final Map<String, Object> KAFKA =
      Map.of("bootstrap.servers", "k:9092", "request.timeout.ms", "10000");

  @Test
  void theProducerHasDefaults() {
    assertThat(ReadConfiguration.producer(new Settings(LEAST)))
        .isEqualTo(
            new ProducerConfiguration(
                DATABASE, "pgoffload", new TopicNames("pgoffload"), KAFKA, Duration.ofMillis(1)));
  }

  @Test
  void theProducerTakesExplicitValues() {
    var environment =
        Map.of(
            "PGOFFLOAD_PRODUCER_DATABASE_URL", "postgresql://u:p@db.example:5433/d",
            "DATABASE_URL", "postgresql://somebody@else/where",
            "KAFKA_BOOTSTRAP_SERVERS", "k:9092",
            "KAFKA_SECURITY_PROTOCOL", "SSL",
            "KAFKA_REQUEST_TIMEOUT_MS", "20000",
            "PGOFFLOAD_SLOT", "s",
            "PGOFFLOAD_CAPTURE_PAUSE", "20ms",
            "PGOFFLOAD_TOPIC_PREFIX", "t");
    assertThat(ReadConfiguration.producer(new Settings(environment)))
        .isEqualTo(
            new ProducerConfiguration(
                DATABASE,
                "s",
                new TopicNames("t"),
                Map.of(
                    "bootstrap.servers",
                    "k:9092",
                    "request.timeout.ms",
                    "20000",
                    "security.protocol",
                    "SSL"),
                Duration.ofMillis(20)));
  }

  @Test
  void aTimeoutOfWholeCallsToKafkaIsNotCutShortByThatOfOneRequest() {
    var environment = new HashMap<>(LEAST);
    environment.put("KAFKA_DEFAULT_API_TIMEOUT_MS", "5000");
    assertThat(ReadConfiguration.producer(new Settings(environment)).kafka())
        .doesNotContainKey("request.timeout.ms");
  }

  @ParameterizedTest
  @ValueSource(strings = {"0ms", "2s", "PT9223372036854776S"})
  void theCaptureNeitherReadsWithoutAPauseNorSleepsForASecond(String pause) {
    var environment = new HashMap<>(LEAST);
    environment.put("PGOFFLOAD_CAPTURE_PAUSE", pause);
    assertThatThrownBy(() -> ReadConfiguration.producer(new Settings(environment)))
        .isInstanceOf(ConfigurationException.class)
        .hasMessageContaining("PGOFFLOAD_CAPTURE_PAUSE must be 1ms to 1s");
  }

  @Test
  void theWorkerHasDefaults() {
    try (var providers = ReadConfiguration.worker(new Settings(LEAST)).providers()) {
      assertThat(providers.primary().name()).isEqualTo("echo");
    }
    var worker = ReadConfiguration.worker(new Settings(LEAST)).worker();
    assertThat(worker)
        .isEqualTo(
            new WorkerConfiguration(
                DATABASE,
                new DeliverySettings(
                    worker.delivery().name(),
                    Version.text(),
                    new TopicNames("pgoffload"),
                    KAFKA,
                    2000,
                    256L << 20,
                    Duration.ofSeconds(5)),
                new LlmSettings(50_000, Duration.ofSeconds(5), CallSettings.DEFAULTS),
                null));
  }

  @Test
  void theWorkerTakesExplicitValues() {
    var environment = new java.util.TreeMap<>(LEAST);
    environment.put("PGOFFLOAD_WORKER_NAME", "w1");
    environment.put(
        "PGOFFLOAD_SQL_DATABASE_URL", "postgresql://db.example:5433/d?sslcert=%2Fw.crt");
    environment.put("PGOFFLOAD_SQL_MAX_CONNECTIONS", "9");
    environment.put("PGOFFLOAD_SQL_MAX_CONNECTIONS_PER_ROLE", "3");
    environment.put("PGOFFLOAD_SQL_IDLE", "2s");
    environment.put("PGOFFLOAD_MAX_IN_FLIGHT", "7");
    environment.put("PGOFFLOAD_MAX_BYTES_IN_FLIGHT", "1000");
    environment.put("PGOFFLOAD_DRAIN_TIMEOUT", "250ms");
    assertThat(ReadConfiguration.worker(new Settings(environment)).worker())
        .isEqualTo(
            new WorkerConfiguration(
                DATABASE,
                new DeliverySettings(
                    "w1",
                    Version.text(),
                    new TopicNames("pgoffload"),
                    KAFKA,
                    7,
                    1000,
                    Duration.ofMillis(250)),
                new LlmSettings(50_000, Duration.ofSeconds(5), CallSettings.DEFAULTS),
                new SqlSettings(
                    new TaskDatabase("db.example", 5433, "d", Map.of("sslcert", "/w.crt")),
                    new SqlLimits(9, 3, Duration.ofSeconds(2)))));
  }

  @Test
  void theResultsApplicationHasDefaultsAndTakesExplicitValues() {
    var environment = new java.util.TreeMap<>(LEAST);
    environment.put("PGOFFLOAD_STATE_DIR", "/somewhere");
    assertThat(ReadConfiguration.results(new Settings(environment)))
        .isEqualTo(
            new ResultsConfiguration(
                DATABASE, new TopicNames("pgoffload"), KAFKA, Path.of("/somewhere")));
    assertThat(ReadConfiguration.results(new Settings(LEAST)).stateDirectory().toString())
        .endsWith("pgoffload-results");
  }

  @Test
  void theMaintenanceHasDefaultsAndTakesExplicitValues() {
    assertThat(ReadConfiguration.maintenance(new Settings(LEAST)))
        .isEqualTo(
            new MaintenanceConfiguration(
                DATABASE, new TopicNames("pgoffload"), KAFKA, Duration.ofMinutes(10)));
    var environment = new java.util.TreeMap<>(LEAST);
    environment.put("PGOFFLOAD_MAINTENANCE_INTERVAL", "1h");
    environment.put("PGOFFLOAD_RESULTS_DATABASE_URL", "postgresql://not@me/d");
    assertThat(ReadConfiguration.maintenance(new Settings(environment)))
        .isEqualTo(
            new MaintenanceConfiguration(
                DATABASE, new TopicNames("pgoffload"), KAFKA, Duration.ofHours(1)));
    environment.put("PGOFFLOAD_MAINTENANCE_INTERVAL", "0s");
    assertThatThrownBy(() -> ReadConfiguration.maintenance(new Settings(environment)))
        .hasMessageContaining("PGOFFLOAD_MAINTENANCE_INTERVAL must be longer than zero");
  }

  @Test
  void libpqsOwnVariablesNameTheDatabase() {
    var settings =
        new Settings(
            Map.of(
                "PGHOST", "h",
                "PGPORT", "6000",
                "PGUSER", "me",
                "PGPASSWORD", "secret",
                "PGDATABASE", "db",
                "PGSSLMODE", "verify-full",
                "PGSSLROOTCERT", "/ca.pem"));
    assertThat(settings.database(null))
        .isEqualTo(
            new DatabaseAddress(
                "h",
                6000,
                "db",
                "me",
                Secret.of("secret"),
                Map.of("sslmode", "verify-full", "sslrootcert", "/ca.pem")));
  }

  @Test
  void libpqsVariablesSayWhatAUrlLeavesOut() {
    var variables =
        Map.of(
            "DATABASE_URL", "postgresql://u@my_db,h2:6000/d",
            "PGPASSWORD", "secret",
            "PGSSLMODE", "verify-full",
            "PGCHANNELBINDING", "require",
            "PGTARGETSESSIONATTRS", "read-write",
            "PGOFFLOAD_SQL_DATABASE_URL", "postgresql://my_db/d");
    assertThat(new Settings(variables).database("WORKER"))
        .isEqualTo(
            new DatabaseAddress(
                List.of(new DatabaseServer("my_db", 5432), new DatabaseServer("h2", 6000)),
                "d",
                "u",
                Secret.of("secret"),
                Map.of(
                    "sslmode", "verify-full",
                    "channel_binding", "require",
                    "target_session_attrs", "read-write")));
    assertThat(new Settings(variables).taskDatabase())
        .isEqualTo(
            new TaskDatabase(
                "my_db",
                5432,
                "d",
                Map.of(
                    "sslmode", "verify-full",
                    "channel_binding", "require",
                    "target_session_attrs", "read-write")));
  }

  @Test
  void aParameterThatWouldBeDroppedIsRefusedByItsName() {
    for (var environment :
        List.of(
            Map.of("PGHOST", "h", "PGSSLCRL", "/crl"),
            Map.of("DATABASE_URL", "postgresql://u@h/d", "PGSSLCRL", "/crl"),
            Map.of("DATABASE_URL", "postgresql://u@h/d?sslcrl=/crl"))) {
      var settings = new Settings(environment);
      assertThat(settings.database(null)).isNull();
      assertThatThrownBy(settings::check).hasMessageContaining("sslcrl cannot be honoured");
    }
  }

  @Test
  void aLoginThatDebeziumCannotAskForIsRefusedAtTheStart() {
    var environment = new java.util.TreeMap<>(LEAST);
    environment.put("PGOFFLOAD_PRODUCER_DATABASE_URL", "postgresql://o'brien:p@h/d");
    assertThatThrownBy(() -> ReadConfiguration.producer(new Settings(environment)))
        .isInstanceOf(ConfigurationException.class)
        .hasMessageContaining("o'brien")
        .hasMessageContaining("apostrophe");
  }

  @Test
  void secretsMayStandInFiles(@TempDir Path directory) throws IOException {
    var file = Files.writeString(directory.resolve("url"), "postgresql://u:p@db.example:5433/d\n");
    assertThat(new Settings(Map.of("DATABASE_URL_FILE", file.toString())).database(null))
        .isEqualTo(DATABASE);
  }

  @Test
  void everyProblemIsReportedAtOnce() {
    assertThatThrownBy(() ->
            ReadConfiguration.worker(
                new Settings(
                    Map.of(
                        "PGOFFLOAD_MAX_IN_FLIGHT", "many",
                        "PGOFFLOAD_DRAIN_TIMEOUT", "soon",
                        "PGOFFLOAD_TOPIC_PREFIX", "no spaces",
                        "PGOFFLOAD_SQL_DATABASE_URL", "postgresql://u@db.example/d",
                        "LLM_PROVIDER", "oracle"))))
        .isInstanceOf(ConfigurationException.class)
        .hasMessageContaining("DATABASE_URL")
        .hasMessageContaining("KAFKA_BOOTSTRAP_SERVERS")
        .hasMessageContaining("PGOFFLOAD_MAX_IN_FLIGHT")
        .hasMessageContaining("PGOFFLOAD_DRAIN_TIMEOUT")
        .hasMessageContaining("PGOFFLOAD_TOPIC_PREFIX")
        .hasMessageContaining("PGOFFLOAD_SQL_DATABASE_URL: it must name no user")
        .hasMessageContaining("LLM_PROVIDER");
  }

  @Test
  void withoutAnyProviderTheWorkerFailsFastAndNamesTheVariable() {
    var environment = new java.util.TreeMap<>(LEAST);
    environment.remove("LLM_PROVIDER");
    assertThatThrownBy(() -> ReadConfiguration.worker(new Settings(environment)))
        .hasMessageContaining("OPENAI_API_KEY");
  }

  @Test
  void aMalformedUrlIsReportedWithoutItsPassword() {
    assertThatThrownBy(() ->
            ReadConfiguration.producer(
                new Settings(
                    Map.of(
                        "DATABASE_URL", "mysql://u:hush@h/d",
                        "KAFKA_BOOTSTRAP_SERVERS", "k:9092"))))
        .hasMessageContaining("DATABASE_URL")
        .hasMessageContaining("postgresql://")
        .hasMessageNotContaining("hush");
  }
}
