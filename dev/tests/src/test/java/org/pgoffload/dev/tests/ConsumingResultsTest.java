package org.pgoffload.dev.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.pgoffload.dev.tests.ReadTopics.key;
import static org.pgoffload.dev.tests.ReadTopics.value;
import static org.pgoffload.dev.tests.Sql.execute;

import com.networknt.schema.InputFormat;
import com.networknt.schema.Schema;
import com.networknt.schema.SchemaRegistry;
import com.networknt.schema.SpecificationVersion;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import org.pgoffload.dev.servers.JavaProcess;
import org.pgoffload.platform.TopicOffsets;
import org.pgoffload.protocol.Result;

/// What docs/consuming-results.md promises, on real records, and its example, run as it says.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class ConsumingResultsTest extends OnSharedInstallation {
  @TempDir Path directory;
  private String answered;
  private String failed;
  private String small;
  private String large;
  private String broken;
  private Set<String> asked;

  /// Everything that a consumer may meet, once for all tests.
  @BeforeAll
  void askForEverything(SharedInstallation shared) throws Exception {
    connect(shared);
    beginHere("example", "console");
    answered = ask("Grüße");
    var streamed = insert("llm_request (prompt, options) values ('a b c', '{\"stream\": true}')");
    var embedded = insert("llm_request (kind, inputs) values ('embed', array['x', 'y'])");
    failed = insert("llm_request (prompt, timeout) values ('too late', '1 us')");
    small = insert("sql_request (command) values ('select 1 as n, null as nothing')");
    large =
        insert(
            "sql_request (command) values"
                + " ('select i, repeat(''r'', 100) from generate_series(1, 20000) i')");
    broken = insert("sql_request (command) values ('select 1/0')");
    asked = Set.of(answered, streamed, embedded, failed, small, large, broken);
    execute(app, "select from llm_wait(array[" + String.join(",", asked) + "]::bigint[], '60 s')");
    disconnect();
    // a duplicate, as after a worker's death
    try (var producer =
        new KafkaProducer<>(
            Map.of("bootstrap.servers", installation.kafkaBootstrap()),
            new ByteArraySerializer(),
            new ByteArraySerializer())) {
      var first = only(answered);
      producer
          .send(
              new ProducerRecord<>(
                  first.topic(),
                  first.key(),
                  new String(Result.read(first.value()).write(), StandardCharsets.UTF_8)
                      .replace("Grüße", "another answer")
                      .getBytes(StandardCharsets.UTF_8)))
          .get();
    }
  }

  @Test
  void realRecordsAreWhatTheirSchemasSay() {
    var topics = installation.topics();
    int llm = 0;
    int sql = 0;
    int rows = 0;
    for (var record : ofThisTest(topics.results())) {
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
    assertThat(ofThisTest(topics.pieces()))
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
    assertThat(of)
        .allSatisfy(record ->
            assertThat(record.headers())
                .extracting(Header::key)
                .isSubsetOf("traceparent", "pgoffload-stored"));
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
                      answered + " app \"stub answer to: Grüße\"",
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
      var last = ask("the last one");
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
            "--group",
            "console",
            "--formatter-property",
            "print.key=true");
    try {
      await()
          .atMost(PATIENCE)
          .until(() ->
              hasLine(output, answered, "\"answer\":\"stub answer to: Grüße\"")
                  && hasLine(output, broken, "\"error\":{\"sqlstate\":\"22012\""));
    } finally {
      console.destroyForcibly().onExit().join();
    }
  }

  /// A Java program with the tests' libraries, as a user has those of the release.
  static Process java(Path output, String... arguments) throws IOException {
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

  /// Groups that read nothing of what other tests have asked.
  private void beginHere(String... groups) throws Exception {
    try (var admin = Admin.create(Map.of("bootstrap.servers", installation.kafkaBootstrap()))) {
      var partitions = TopicOffsets.partitions(admin, installation.topics().results());
      var ends = new HashMap<TopicPartition, OffsetAndMetadata>();
      TopicOffsets.of(admin, partitions, OffsetSpec.latest())
          .forEach((partition, end) -> ends.put(partition, new OffsetAndMetadata(end)));
      for (var group : groups) {
        admin.alterConsumerGroupOffsets(group, ends).all().get();
      }
    }
  }

  private ConsumerRecord<byte[], byte[]> only(String id) {
    return read(installation.topics().results()).stream()
        .filter(record -> key(record).equals(id))
        .findFirst()
        .orElseThrow();
  }

  private List<ConsumerRecord<byte[], byte[]>> ofThisTest(String topic) {
    return read(topic).stream().filter(record -> asked.contains(key(record))).toList();
  }

  private List<ConsumerRecord<byte[], byte[]>> read(String topic) {
    return ReadTopics.all(installation.kafkaBootstrap(), topic);
  }
}
