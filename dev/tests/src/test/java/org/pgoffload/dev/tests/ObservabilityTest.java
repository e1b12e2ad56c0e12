package org.pgoffload.dev.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.pgoffload.dev.tests.Sql.awaitRows;
import static org.pgoffload.dev.tests.Sql.execute;
import static org.pgoffload.dev.tests.Sql.query;
import static org.pgoffload.dev.tests.Sql.value;
import static org.pgoffload.dev.tests.TraceCollector.hex;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.opentelemetry.proto.trace.v1.Span;
import io.opentelemetry.proto.trace.v1.Status.StatusCode;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.junit.jupiter.api.Test;
import org.pgoffload.platform.TopicOffsets;

/// What a whole installation tells of itself: measures, health, traces, status.
class ObservabilityTest extends OnSharedInstallation {
  private static final String PARENT = "00f067aa0ba902b7";
  private static final Pattern METRIC = Pattern.compile("\\bpgoffload_[a-z_]+");
  private static final Pattern SUFFIX = Pattern.compile("_(bucket|count|sum|max)$");

  @Test
  void aTraceGoesFromTheSessionThroughAllHops() throws SQLException {
    var trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    execute(app, "set pgoffload.traceparent = '00-" + trace + "-" + PARENT + "-01'");
    query(app, "select llm_ask('Hello')");

    await().atMost(PATIENCE).until(() -> shared.collector().of(trace).size() == 4);
    var publish = span(trace, "publish pgoffload.requests.llm");
    var process = span(trace, "process pgoffload.requests.llm");
    var call = span(trace, "chat " + model());
    var writeBack = span(trace, "write back");
    assertThat(hex(publish.getParentSpanId())).isEqualTo(PARENT);
    assertThat(process.getParentSpanId()).isEqualTo(publish.getSpanId());
    assertThat(call.getParentSpanId()).isEqualTo(process.getSpanId());
    assertThat(writeBack.getParentSpanId()).isEqualTo(process.getSpanId());
    assertThat(attributes(process))
        .containsEntry("pgoffload.request.kind", "ask")
        .containsEntry("pgoffload.status", "succeeded");
    assertThat(shared.collector().of(trace).toString()).doesNotContain("Hello");
  }

  @Test
  void aTraceOfSqlEndsWithItsFailure() throws SQLException {
    var trace = "5bf92f3577b34da6a3ce929d0e0e4736";
    execute(app, "set pgoffload.traceparent = '00-" + trace + "-" + PARENT + "-01'");
    execute(app, "insert into sql_request (command) values ('select 1 / 0')");

    await().atMost(PATIENCE).until(() -> shared.collector().of(trace).size() == 3);
    var process = span(trace, "process pgoffload.requests.sql");
    assertThat(process.getStatus().getCode()).isEqualTo(StatusCode.STATUS_CODE_ERROR);
    assertThat(attributes(process)).containsEntry("error.type", "22012");
    assertThat(span(trace, "write back").getParentSpanId()).isEqualTo(process.getSpanId());
  }

  @Test
  void aTopicByWhichRequestsAreLostIsAnErrorUntilInstallHasSetItAndWhatWasLostIsSentAgain()
      throws Exception {
    query(app, "select llm_ask('Hello')");
    var topic = installation.topics().sqlRequests();
    var fault = "topic " + topic + ": cleanup.policy is compact, and has to be delete";
    try (var admin = Admin.create(Map.of("bootstrap.servers", installation.kafkaBootstrap()))) {
      admin
          .incrementalAlterConfigs(
              Map.of(
                  new ConfigResource(ConfigResource.Type.TOPIC, topic),
                  List.of(
                      new AlterConfigOp(
                          new ConfigEntry("cleanup.policy", "compact"), AlterConfigOp.OpType.SET))))
          .all()
          .get();
    }
    await()
        .atMost(PATIENCE)
        .until(() ->
            value(app, "select detail from llm_health where \"check\" = 'topics'").endsWith(fault));
    assertThat(statusOf(1)).contains("error    topics", fault, "Run pgoffload install");

    var install =
        Command.run(
            "install",
            "--database-url",
            installation.admin().uri(),
            "--kafka",
            installation.kafkaBootstrap());
    assertThat(install.output())
        .contains(
            "set cleanup.policy of topic " + topic + " to delete, which was compact",
            "recorded a break of the capture");
    assertThat(query(app, "select state from llm_health where \"check\" = 'topics'"))
        .containsExactly("ok");
    awaitRows(app, "select state from llm_health where \"check\" = 'sweep'", "ok");
    assertThat(statusOf(0)).contains("ok       topics");
  }

  @Test
  void everyDocumentedMeasureIsThereAndEveryMeasureIsDocumented() throws Exception {
    query(app, "select llm_ask('Hello'), pg_background_launch('select 1')");
    var documented = metrics(root().resolve("docs/observability.md"));
    await()
        .atMost(PATIENCE)
        .untilAsserted(() -> assertThat(scraped()).containsExactlyInAnyOrderElementsOf(documented));

    // what the dashboard and the alerts ask for
    try (var files = Files.walk(root().resolve("deploy"))) {
      var asking =
          files
              .filter(Files::isRegularFile)
              .filter(file -> file.toString().matches(".*(grafana|prometheus).*"))
              .toList();
      assertThat(asking).isNotEmpty();
      for (var file : asking) {
        assertThat(documented).as(file.toString()).containsAll(metrics(file));
      }
    }
  }

  @Test
  void everyPartIsLiveAndReady() throws Exception {
    await().atMost(PATIENCE).until(() -> get("/health/ready").statusCode() == 200);
    assertThat(get("/health/live").statusCode()).isEqualTo(200);
    var parts = new ObjectMapper().readTree(get("/health/ready").body()).get("parts");
    assertThat(parts.propertyStream().map(Map.Entry::getKey))
        .containsExactlyInAnyOrder("producer", "worker", "results", "maintenance", "console");
  }

  @Test
  void statusSaysTheSameForPeopleAndForPrograms() throws Exception {
    removeDeadLetters();
    query(app, "select llm_ask('Hello')");
    await()
        .atMost(PATIENCE)
        .untilAsserted(() -> {
          var status = new ObjectMapper().readTree(status("--json"));
          assertThat(status.get("state").asText()).isEqualTo("ok");
          assertThat(status.get("workers").get(0).get("provider").asText()).isEqualTo("openai");
          assertThat(status.get("topics").findValuesAsText("group"))
              .containsExactlyInAnyOrder(
                  "pgoffload.worker.llm",
                  "pgoffload.worker.sql",
                  "pgoffload.worker.deferred",
                  "pgoffload.results-writer",
                  "pgoffload.usage");
          assertThat(status.get("workers").get(0).get("doing").get("calls").asInt()).isPositive();
        });
    assertThat(status())
        .contains(": ok", "capture", "workers       1 worker is alive", "alive", model())
        .doesNotContain(Objects.requireNonNull(installation.application().password()).reveal());
  }

  @Test
  void llmWorkerSaysWhatAWorkerHasDone() throws SQLException {
    query(app, "select llm_ask('Hello')");
    awaitRows(
        app,
        "select calls > 0 and results > 0 and unfinished >= 0 and rate_limited = 0 from llm_worker where alive",
        "t");
  }

  /// Those of other tests, which status warns of.
  private void removeDeadLetters() throws Exception {
    var topic = installation.topics().deadLetters();
    try (var admin = Admin.create(Map.of("bootstrap.servers", installation.kafkaBootstrap()))) {
      var removed = new HashMap<TopicPartition, RecordsToDelete>();
      TopicOffsets.of(admin, TopicOffsets.partitions(admin, topic), OffsetSpec.latest())
          .forEach((partition, end) -> removed.put(partition, RecordsToDelete.beforeOffset(end)));
      admin.deleteRecords(removed).all().get();
    }
  }

  private String model() throws SQLException {
    return value(app, "select model from llm_worker where alive");
  }

  private Span span(String trace, String name) {
    return shared.collector().of(trace).stream()
        .filter(span -> span.getName().equals(name))
        .findFirst()
        .orElseThrow();
  }

  private static Map<String, String> attributes(Span span) {
    return span.getAttributesList().stream()
        .collect(Collectors.toMap(each -> each.getKey(), each -> each.getValue().getStringValue()));
  }

  /// Their names without what Prometheus adds to histograms.
  private Set<String> scraped() throws IOException, InterruptedException {
    return get("/metrics")
        .body()
        .lines()
        .filter(line -> line.startsWith("# TYPE pgoffload_"))
        .map(line -> line.split(" ", 4)[2])
        .map(name -> SUFFIX.matcher(name).replaceFirst(""))
        .collect(Collectors.toCollection(TreeSet::new));
  }

  private static Set<String> metrics(Path file) throws IOException {
    return METRIC
        .matcher(Files.readString(file))
        .results()
        .map(found -> SUFFIX.matcher(found.group()).replaceFirst(""))
        .collect(Collectors.toCollection(TreeSet::new));
  }

  private static Path root() {
    return Path.of("../..");
  }

  private HttpResponse<String> get(String path) throws IOException, InterruptedException {
    try (var client = HttpClient.newHttpClient()) {
      return client.send(
          HttpRequest.newBuilder(
                  URI.create("http://127.0.0.1:" + installation.managementPort() + path))
              .build(),
          HttpResponse.BodyHandlers.ofString());
    }
  }

  private String status(String... more) {
    return statusOf(0, more);
  }

  private String statusOf(int exit, String... more) {
    var arguments =
        new ArrayList<>(
            List.of(
                "status",
                "--database-url",
                installation.application().uri(),
                "--kafka",
                installation.kafkaBootstrap()));
    arguments.addAll(List.of(more));
    var ran = Command.run(arguments.toArray(String[]::new));
    assertThat(ran.status()).as(ran.output() + ran.errors()).isEqualTo(exit);
    return ran.output();
  }
}
