package org.pgoffload.connectors;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.util.Map;
import java.util.TreeMap;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.source.SourceRecord;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// The records have the shapes that Debezium 3.6 gives logical decoding messages and heartbeats.
final class RequestTransformTest {
  private static final String SIGNATURE = "7:" + "0123456789abcdef".repeat(4);

  private static final Schema SOURCE =
      SchemaBuilder.struct()
          .name("io.debezium.connector.postgresql.Source")
          .field("db", Schema.STRING_SCHEMA)
          .field("lsn", Schema.OPTIONAL_INT64_SCHEMA)
          .build();
  private static final Schema BLOCK =
      SchemaBuilder.struct()
          .name("io.debezium.connector.postgresql.Message")
          .field("prefix", Schema.OPTIONAL_STRING_SCHEMA)
          .field("content", Schema.OPTIONAL_BYTES_SCHEMA)
          .build();
  private static final Schema VALUE =
      SchemaBuilder.struct()
          .name("io.debezium.connector.postgresql.MessageValue")
          .field("op", Schema.STRING_SCHEMA)
          .field("ts_ms", Schema.OPTIONAL_INT64_SCHEMA)
          .field("source", SOURCE)
          .field("message", BLOCK)
          .build();
  private static final Schema KEY =
      SchemaBuilder.struct()
          .name("io.debezium.connector.postgresql.MessageKey")
          .field("prefix", Schema.OPTIONAL_STRING_SCHEMA)
          .build();

  private final RequestTransform<SourceRecord> transform = new RequestTransform<>();

  @BeforeEach
  void configure() {
    transform.configure(Map.of("topic.prefix", "shop"));
  }

  @AfterEach
  void close() {
    transform.close();
  }

  @Test
  void makesARequestRecordOfAMessage() {
    var envelope = envelope("ask", "null", "Grüße, 世界 \\ud83d\\ude00");
    var request = transform.apply(message(SIGNATURE + "\n" + envelope));
    assertThat(Published.of(request))
        .isEqualTo(
            new Published(
                "shop.requests.llm", "42", envelope, Map.of("pgoffload-signature", SIGNATURE)));
    assertThat(request.keySchema()).isEqualTo(Schema.STRING_SCHEMA);
    assertThat(request.valueSchema()).isEqualTo(Schema.BYTES_SCHEMA);
  }

  @Test
  void passesTheSignedBytesOnVerbatim() {
    var envelope =
        "{ \"version\":1,\"id\":42, \"kind\":\"ask\",\"ordering_key\" :null,\n\"payload\": 1.0e0 }\n";
    var request = transform.apply(message(SIGNATURE + "\n" + envelope));
    assertThat((byte[]) request.value()).isEqualTo(envelope.getBytes(UTF_8));
  }

  @Test
  void readsContentThatArrivesAsAByteBufferWithoutMovingIt() {
    var buffer = ByteBuffer.wrap((SIGNATURE + "\n" + envelope("ask", "null", "p")).getBytes(UTF_8));
    var record = message(buffer);
    assertThat(Published.of(transform.apply(record)))
        .isEqualTo(Published.of(transform.apply(record)));
    assertThat(buffer.position()).isZero();
  }

  @Test
  void keysByTheOrderingKey() {
    var request =
        transform.apply(message(SIGNATURE + "\n" + envelope("ask", "\"customer 7\"", "p")));
    assertThat(request.key()).isEqualTo("customer 7");
  }

  @Test
  void keepsTheOffsetOfTheCaptureAndLeavesPartitionAndTimeToKafka() {
    var captured = message(SIGNATURE + "\n" + envelope("ask", "null", "p"));
    var request = transform.apply(captured);
    assertThat(request.sourcePartition()).isEqualTo(captured.sourcePartition());
    assertThat(request.sourceOffset()).isEqualTo(captured.sourceOffset());
    assertThat(request.kafkaPartition()).isNull();
    assertThat(request.timestamp()).isNull();
  }

  @Test
  void sendsSqlToItsOwnChannel() {
    var request = transform.apply(message(SIGNATURE + "\n" + envelope("sql", "null", "select 1")));
    assertThat(request.topic()).isEqualTo("shop.requests.sql");
  }

  @Test
  void keysSqlByItsGroupSoThatItsTasksMeetInOneWorker() {
    var envelope =
        envelope("sql", "null", "select 1")
            .replace("\"ordering_key\"", "\"group\" : \"s 1\", \"ordering_key\"");
    var request = transform.apply(message(SIGNATURE + "\n" + envelope));
    assertThat(Published.of(request))
        .isEqualTo(
            new Published(
                "shop.requests.sql", "s 1", envelope, Map.of("pgoffload-signature", SIGNATURE)));
  }

  @ParameterizedTest
  @ValueSource(strings = {"cancel", "progress"})
  void sendsCommandsToEveryWorker(String kind) {
    var envelope = envelope(kind, "null", "p");
    var command = transform.apply(message(SIGNATURE + "\n" + envelope));
    assertThat(Published.of(command))
        .isEqualTo(
            new Published(
                "shop.commands", "42", envelope, Map.of("pgoffload-signature", SIGNATURE)));
  }

  @Test
  void leavesAnUnknownKindToTheLlmWorkerWhichAnswersItsCaller() {
    var request = transform.apply(message(SIGNATURE + "\n" + envelope("translate", "null", "p")));
    assertThat(request.topic()).isEqualTo("shop.requests.llm");
    assertThat(request.key()).isEqualTo("42");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "garbage",
        "garbage\n{}",
        "7:abc\n{\"id\":1,\"kind\":\"ask\",\"ordering_key\":null}",
        "7:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "7:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n",
        "7:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\ngarbage",
        "7:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n{\"id\":\"1\"}"
      })
  void putsWhatItCannotReadWithTheDeadLetters(String content) {
    var letter = Published.of(transform.apply(message(content)));
    assertThat(letter.headers().get("pgoffload-reason-detail"))
        .isNotBlank()
        .doesNotContain("garbage");
    assertThat(letter)
        .isEqualTo(
            new Published(
                "shop.dead-letters",
                null,
                content,
                Map.of(
                    "pgoffload-reason", "malformed",
                    "pgoffload-reason-detail", letter.headers().get("pgoffload-reason-detail"),
                    "pgoffload-origin", "lsn 24063552")));
  }

  @Test
  void putsAMessageWithoutContentWithTheDeadLetters() {
    var letter = Published.of(transform.apply(message((Object) null)));
    assertThat(letter.topic()).isEqualTo("shop.dead-letters");
    assertThat(letter.value()).isEmpty();
  }

  @Test
  void makesAnEmptyRecordOfAHeartbeatWithItsPosition() {
    var schema =
        SchemaBuilder.struct()
            .name("io.debezium.connector.common.Heartbeat")
            .field("ts_ms", Schema.INT64_SCHEMA)
            .build();
    var heartbeat =
        transform.apply(
            new SourceRecord(
                Map.of("server", "shop"),
                Map.of("lsn", 1L),
                "__debezium-heartbeat.shop",
                0,
                null,
                null,
                schema,
                new Struct(schema).put("ts_ms", 1L)));
    assertThat(Published.of(heartbeat))
        .isEqualTo(new Published("shop.heartbeats", "shop", "", Map.of()));
    assertThat(heartbeat.sourceOffset()).isEqualTo(Map.of("lsn", 1L));
    assertThat(heartbeat.kafkaPartition()).isNull();
  }

  @Test
  void leavesTheContentOfWhatIsTooLargeOut() {
    transform.configure(Map.of("topic.prefix", "shop", "max.request.bytes", "1000"));
    var small = SIGNATURE + "\n" + envelope("ask", "null", "p".repeat(800));
    assertThat(transform.apply(message(small)).topic()).isEqualTo("shop.requests.llm");

    var large = transform.apply(message("x".repeat(1001 + (512 << 10))));
    assertThat(large.topic()).isEqualTo("shop.dead-letters");
    assertThat((byte[]) large.value()).isEmpty();
    assertThat(Published.of(large).headers().get("pgoffload-reason-detail"))
        .isEqualTo("525289 bytes, larger than any request may be (max_request_bytes)");
  }

  @Test
  void countsTheKeyToWhatATopicHasToTake() {
    transform.configure(Map.of("topic.prefix", "shop", "max.request.bytes", "1000"));
    var key = "k".repeat(400 << 10);
    var forged = transform.apply(message(SIGNATURE + "\n" + envelope("ask", '"' + key + '"', "p")));
    assertThat(forged.topic()).isEqualTo("shop.dead-letters");
  }

  @Test
  void passesATombstoneAndAChangedRowUnchanged() {
    var tombstone = new SourceRecord(Map.of(), Map.of(), "t", null, null, null, null);
    var schema = SchemaBuilder.struct().field("op", Schema.STRING_SCHEMA).build();
    var row = new SourceRecord(Map.of(), Map.of(), "t", schema, new Struct(schema).put("op", "c"));
    assertThat(transform.apply(tombstone)).isSameAs(tombstone);
    assertThat(transform.apply(row)).isSameAs(row);
  }

  @Test
  void usesTheDefaultPrefixUnlessOneIsConfigured() {
    transform.configure(Map.of());
    var request = transform.apply(message(SIGNATURE + "\n" + envelope("ask", "null", "p")));
    assertThat(request.topic()).isEqualTo("pgoffload.requests.llm");
    assertThat(transform.config().names())
        .containsExactlyInAnyOrder("topic.prefix", "max.request.bytes");
  }

  @Test
  void refusesAPrefixThatKafkaWouldNotTake() {
    assertThatThrownBy(() -> transform.configure(Map.of("topic.prefix", "a b")))
        .isInstanceOfAny(ConfigException.class, IllegalArgumentException.class)
        .hasMessageContaining("a b");
  }

  private static String envelope(String kind, String orderingKey, String prompt) {
    return """
    {"version" : 1, "id" : 42, "kind" : "%s", "ordering_key" : %s, "payload" : {"prompt" : "%s"}}\
    """
        .formatted(kind, orderingKey, prompt);
  }

  private static SourceRecord message(String content) {
    return message(content.getBytes(UTF_8));
  }

  private static SourceRecord message(@Nullable Object content) {
    var source = new Struct(SOURCE).put("db", "orders").put("lsn", 24_063_552L);
    var block = new Struct(BLOCK).put("prefix", "pgoffload.request").put("content", content);
    var value =
        new Struct(VALUE)
            .put("op", "m")
            .put("ts_ms", 1L)
            .put("source", source)
            .put("message", block);
    var record =
        new SourceRecord(
            Map.of("server", "shop"),
            Map.of("lsn", 24_063_552L),
            "shop.message",
            0,
            KEY,
            new Struct(KEY).put("prefix", "pgoffload.request"),
            VALUE,
            value,
            1L);
    record.headers().addString("of", "debezium");
    return record;
  }

  /// What Kafka would be given.
  private record Published(
      String topic, @Nullable Object key, String value, Map<String, String> headers) {
    static Published of(SourceRecord record) {
      var headers = new TreeMap<String, String>();
      record.headers().forEach(header -> headers.put(header.key(), String.valueOf(header.value())));
      return new Published(
          record.topic(), record.key(), new String((byte[]) record.value(), UTF_8), headers);
    }
  }
}
