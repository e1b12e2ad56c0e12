package org.pgoffload.dev.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.pgoffload.dev.tests.ReadTopics.key;
import static org.pgoffload.dev.tests.ReadTopics.value;
import static org.pgoffload.dev.tests.Sql.execute;
import static org.pgoffload.dev.tests.Sql.query;

import com.networknt.schema.InputFormat;
import com.networknt.schema.Schema;
import com.networknt.schema.SchemaRegistry;
import com.networknt.schema.SpecificationVersion;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.pgoffload.dev.launcher.LocalInstallation;
import org.pgoffload.dev.launcher.LocalOptions;
import org.pgoffload.dev.launcher.Part;
import org.pgoffload.dev.servers.JavaProcess;
import org.pgoffload.protocol.Result;

/// What docs/consuming-results.md promises, on the records of a whole local installation, and its
/// example, run as it says.
class ConsumingResultsTest {
  private static final Duration PATIENCE = Duration.ofMinutes(1);

  @TempDir static Path directory;
  private static LocalInstallation installation;
  private static Connection app;
  private static String answered;
  private static String failed;
  private static String small;
  private static String large;
  private static String broken;

  /// Everything that a consumer may meet, once for all tests.
  @BeforeAll
  static void ask() throws Exception {
    installation =
        LocalInstallation.start(
            new LocalOptions(
                directory,
                true,
                0,
                0,
                EnumSet.complementOf(EnumSet.of(Part.MAINTENANCE)),
                Map.of("LLM_PROVIDER", "echo")),
            step -> {});
    app = installation.application().connect("test");
    answered = insert("llm_request (prompt) values ('Grüße')");
    insert("llm_request (prompt, options) values ('a b c', '{\"stream\": true}')");
    insert("llm_request (kind, inputs) values ('embed', array['x', 'y'])");
    failed = insert("llm_request (prompt, timeout) values ('too late', '1 us')");
    small = insert("sql_request (command) values ('select 1 as n, null as nothing')");
    large =
        insert(
            "sql_request (command) values"
                + " ('select i, repeat(''r'', 100) from generate_series(1, 20000) i')");
    broken = insert("sql_request (command) values ('select 1/0')");
    execute(
        app,
        "select count(*) from llm_wait(array(select id from llm_request union all select id from sql_request), '60 s')");
    // a duplicate, as after a worker's death
    try (var producer =
        new KafkaProducer<>(
            Map.of("bootstrap.servers", installation.kafkaBootstrap()),
            new ByteArraySerializer(),
            new ByteArraySerializer())) {
      var first = only(answered);
      var second = Result.read(first.value());
      producer
          .send(
              new ProducerRecord<>(
                  first.topic(),
                  first.key(),
                  new String(second.write(), StandardCharsets.UTF_8)
                      .replace("Grüße", "another answer")
                      .getBytes(StandardCharsets.UTF_8)))
          .get();
    }
  }

  @AfterAll
  static void stop() throws SQLException {
    app.close();
    installation.close();
  }

  @Test
  void realRecordsAreWhatTheirSchemasSay() {
    var topics = installation.topics();
    int llm = 0;
    int sql = 0;
    int rows = 0;
    for (var record : read(topics.results())) {
      var value = value(record);
      if (value.contains("\"kind\":\"sql_rows\"")) {
        assertValid("sql-rows.v1.schema.json", value);
        rows++;
      } else if (value.contains("\"kind\":\"sql\"")) {
        assertValid("sql-result.v1.schema.json", value);
        sql++;
      } else {
        assertValid("result.v1.schema.json", value);
        llm++;
      }
    }
    assertThat(List.of(llm, sql)).containsExactly(5, 3);
    assertThat(rows).isGreaterThan(1);
    assertThat(read(topics.pieces()))
        .isNotEmpty()
        .allSatisfy(record -> assertValid("llm-piece.v1.schema.json", value(record)));
    await().atMost(PATIENCE).untilAsserted(() -> assertThat(read(topics.usage())).isNotEmpty());
    assertThat(read(topics.usage()))
        .allSatisfy(record -> assertValid("llm-usage.v1.schema.json", value(record)));
  }

  @Test
  void theKeyIsTheIdAndChunksStandBeforeTheirResult() {
    var of =
        read(installation.topics().results()).stream()
            .filter(record -> key(record).equals(large))
            .toList();
    assertThat(of).extracting(ConsumerRecord::partition).containsOnly(of.getFirst().partition());
    assertThat(of).allSatisfy(record -> assertThat(record.headers()).isEmpty());
    assertThat(value(of.getLast())).contains("\"kind\":\"sql\"");
    assertThat(of.subList(0, of.size() - 1))
        .allSatisfy(record -> assertThat(value(record)).contains("\"kind\":\"sql_rows\""));
  }

  @Test
  void theExampleTakesTheFirstResultOfEachId() throws Exception {
    var output = Files.createTempFile(directory, "example", ".out");
    var example =
        java(
            output,
            Path.of("../../examples/ConsumeResults.java").toString(),
            installation.kafkaBootstrap(),
            "example");
    try {
      await()
          .atMost(PATIENCE)
          .untilAsserted(() ->
              assertThat(lines(output))
                  .contains(
                      answered + " app \"[echo, no model] Grüße\"",
                      failed + " expired deadline_passed",
                      small + " [\"SELECT 1\"] 1",
                      small + " [\"1\",null]",
                      large + " [\"SELECT 20000\"] 20000",
                      broken + " failed 22012"));
      await()
          .atMost(PATIENCE)
          .until(() ->
              lines(output).stream().filter(line -> line.startsWith(large + " [\"")).count()
                  == 20_001);
      var last = insert("llm_request (prompt) values ('the last one')");
      await()
          .atMost(PATIENCE)
          .until(() -> lines(output).stream().anyMatch(line -> line.startsWith(last + " app")));
      assertThat(lines(output)).noneMatch(line -> line.contains("another answer"));
    } finally {
      example.destroyForcibly().onExit().join();
    }
  }

  @Test
  void kafkasConsoleConsumerReadsThem() throws Exception {
    var output = Files.createTempFile(directory, "console", ".out");
    var console =
        java(
            output,
            "org.apache.kafka.tools.consumer.ConsoleConsumer",
            "--bootstrap-server",
            installation.kafkaBootstrap(),
            "--topic",
            installation.topics().results(),
            "--from-beginning",
            "--formatter-property",
            "print.key=true");
    try {
      await()
          .atMost(PATIENCE)
          .until(() ->
              hasLine(output, answered, "\"answer\":\"[echo, no model] Grüße\"")
                  && hasLine(output, broken, "\"error\":{\"sqlstate\":\"22012\""));
    } finally {
      console.destroyForcibly().onExit().join();
    }
  }

  /// A Java program with the tests' libraries, as a user has those of the release.
  private static Process java(Path output, String... arguments) throws IOException {
    var command = new ArrayList<String>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.add("-Xmx256m");
    command.addAll(List.of(arguments));
    var builder =
        new ProcessBuilder(command)
            .redirectOutput(output.toFile())
            .redirectError(ProcessBuilder.Redirect.DISCARD);
    builder.environment().put("CLASSPATH", JavaProcess.classPath());
    return builder.start();
  }

  private static String insert(String what) throws SQLException {
    return query(app, "insert into " + what + " returning id").getFirst();
  }

  private static List<String> lines(Path output) {
    try {
      return Files.readAllLines(output, StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static boolean hasLine(Path output, String key, String words) {
    return lines(output).stream()
        .anyMatch(line -> line.startsWith(key + "\t{") && line.contains(words));
  }

  private static void assertValid(String schema, String json) {
    assertThat(schema(schema).validate(json, InputFormat.JSON)).as(json).isEmpty();
  }

  private static Schema schema(String name) {
    try (var stream = Result.class.getResourceAsStream(name)) {
      return SchemaRegistry.withDefaultDialect(SpecificationVersion.DRAFT_2020_12)
          .getSchema(
              new String(
                  Objects.requireNonNull(stream, name).readAllBytes(), StandardCharsets.UTF_8),
              InputFormat.JSON);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static ConsumerRecord<byte[], byte[]> only(String id) {
    return read(installation.topics().results()).stream()
        .filter(record -> key(record).equals(id))
        .findFirst()
        .orElseThrow();
  }

  private static List<ConsumerRecord<byte[], byte[]>> read(String topic) {
    return ReadTopics.all(installation.kafkaBootstrap(), topic);
  }
}
