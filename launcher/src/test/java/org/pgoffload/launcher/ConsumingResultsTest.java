package org.pgoffload.launcher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.pgoffload.launcher.Sql.execute;
import static org.pgoffload.launcher.Sql.query;

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
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
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
      var value = text(record);
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
        .allSatisfy(record -> assertValid("llm-piece.v1.schema.json", text(record)));
    await().atMost(PATIENCE).untilAsserted(() -> assertThat(read(topics.usage())).isNotEmpty());
    assertThat(read(topics.usage()))
        .allSatisfy(record -> assertValid("llm-usage.v1.schema.json", text(record)));
  }

  @Test
  void theKeyIsTheIdAndChunksStandBeforeTheirResult() {
    var of =
        read(installation.topics().results()).stream()
            .filter(record -> key(record).equals(large))
            .toList();
    assertThat(of).extracting(ConsumerRecord::partition).containsOnly(of.getFirst().partition());
    assertThat(of).allSatisfy(record -> assertThat(record.headers()).isEmpty());
    assertThat(text(of.getLast())).contains("\"kind\":\"sql\"");
    assertThat(of.subList(0, of.size() - 1))
        .allSatisfy(record -> assertThat(text(record)).contains("\"kind\":\"sql_rows\""));
  }

  @Test
  void theExampleTakesTheFirstResultOfEachId() throws Exception {
    var output = Files.createTempFile(directory, "example", ".out");
    var builder =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx256m",
                Path.of("../examples/ConsumeResults.java").toString(),
                installation.kafkaBootstrap(),
                "example")
            .redirectOutput(output.toFile())
            .redirectError(ProcessBuilder.Redirect.DISCARD);
    builder
        .environment()
        .put(
            "CLASSPATH",
            System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")));
    var example = builder.start();
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

  private static String key(ConsumerRecord<byte[], byte[]> record) {
    return new String(record.key(), StandardCharsets.UTF_8);
  }

  private static String text(ConsumerRecord<byte[], byte[]> record) {
    return new String(record.value(), StandardCharsets.UTF_8);
  }

  /// From the beginning to what is the end now.
  private static List<ConsumerRecord<byte[], byte[]>> read(String topic) {
    var records = new ArrayList<ConsumerRecord<byte[], byte[]>>();
    try (var consumer =
        new KafkaConsumer<>(
            Map.<String, Object>of(
                "bootstrap.servers",
                installation.kafkaBootstrap(),
                "isolation.level",
                "read_committed"),
            new ByteArrayDeserializer(),
            new ByteArrayDeserializer())) {
      var partitions =
          consumer.partitionsFor(topic).stream()
              .map(partition -> new TopicPartition(partition.topic(), partition.partition()))
              .toList();
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      var ends = consumer.endOffsets(partitions);
      while (partitions.stream()
          .anyMatch(partition ->
              consumer.position(partition) < Objects.requireNonNull(ends.get(partition)))) {
        consumer.poll(Duration.ofMillis(100)).forEach(records::add);
      }
    }
    return records;
  }
}
