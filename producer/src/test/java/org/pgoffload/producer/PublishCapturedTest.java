package org.pgoffload.producer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.debezium.engine.ChangeEvent;
import io.debezium.engine.DebeziumEngine;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.producer.MockProducer;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.source.SourceRecord;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.pgoffload.protocol.RecordHeaders;
import org.pgoffload.protocol.TopicNames;
import org.pgoffload.telemetry.Telemetry;

@Timeout(20)
final class PublishCapturedTest {
  private static final TopicNames TOPICS = new TopicNames("p");

  private final MockProducer<byte[], byte[]> kafka =
      new MockProducer<>(false, null, new ByteArraySerializer(), new ByteArraySerializer());
  private final Acknowledged acknowledged = new Acknowledged();
  private final PublishCaptured publish = new PublishCaptured(kafka, TOPICS, Telemetry.none());

  @Test
  void sendsTopicKeyValueAndHeadersAsTheyWereCaptured() throws Exception {
    handle(request("1"));
    assertThat(kafka.history()).hasSize(1);
    var sent = kafka.history().getFirst();
    assertThat(sent.topic()).isEqualTo("p.requests.llm");
    assertThat(sent.key()).isEqualTo(utf8("1"));
    assertThat(sent.value()).isEqualTo(utf8("envelope 1"));
    assertThat(sent.headers().lastHeader(RecordHeaders.SIGNATURE).value()).isEqualTo(utf8("of 1"));
  }

  @Test
  void tellsWhenKafkaHasTakenNothingForLong() throws Exception {
    assertThat(publish.isStuck(Duration.ZERO)).isEmpty();
    handle(request("1"));
    assertThat(publish.isStuck(Duration.ZERO)).isPresent();
    assertThat(publish.isStuck(Duration.ofMinutes(1))).isEmpty();
    kafka.completeNext();
    handle(heartbeat());
    assertThat(publish.isStuck(Duration.ZERO)).isEmpty();
  }

  @Test
  void doesNotWaitForKafka() throws Exception {
    handle(request("1"));
    handle(request("2"));
    assertThat(kafka.history()).hasSize(2);
    assertThat(acknowledged.topics).isEmpty();
  }

  @Test
  void acknowledgesWithTheNextRecordWhatKafkaHasAcknowledged() throws Exception {
    handle(request("1"));
    kafka.completeNext();
    handle(request("2"));
    assertThat(acknowledged.topics).containsExactly("1");
    assertThat(acknowledged.batches).isEqualTo(1);
  }

  @Test
  void acknowledgesInTheOrderOfTheCapture() throws Exception {
    var heartbeat = heartbeat();
    handle(request("1"), heartbeat, request("2"));
    assertThat(acknowledged.topics).isEmpty();
    kafka.completeNext();
    handle(heartbeat());
    assertThat(acknowledged.topics).containsExactly("1", "heartbeat");
    kafka.completeNext();
    handle(heartbeat());
    assertThat(acknowledged.topics)
        .containsExactly("1", "heartbeat", "2", "heartbeat", "heartbeat");
  }

  @Test
  void aHeartbeatIsNotSent() throws Exception {
    handle(heartbeat());
    assertThat(kafka.history()).isEmpty();
    assertThat(acknowledged.topics).containsExactly("heartbeat");
  }

  @Test
  void acknowledgesNothingFromAFailedSendOn() throws Exception {
    handle(request("1"), request("2"), request("3"));
    kafka.completeNext();
    kafka.errorNext(new TimeoutException("no broker"));
    kafka.completeNext();
    assertThatThrownBy(() -> handle(heartbeat()))
        .isInstanceOf(DeliveryFailedException.class)
        .hasCauseInstanceOf(TimeoutException.class);
    assertThat(acknowledged.topics).doesNotContain("2", "3", "heartbeat");
  }

  @Test
  void whatNoTopicTakesBecomesADeadLetterWithoutItsContent() throws Exception {
    handle(request("1"), request("2"));
    kafka.errorNext(new RecordTooLargeException("17 MB"));
    kafka.completeNext();
    handle(heartbeat());
    assertThat(acknowledged.topics).isEmpty();
    var letter = kafka.history().getLast();
    assertThat(letter.topic()).isEqualTo("p.dead-letters");
    assertThat(letter.value()).isEmpty();
    assertThat(letter.key()).isNull();
    assertThat(letter.headers().lastHeader(RecordHeaders.SIGNATURE).value())
        .isEqualTo(utf8("of 1"));
    assertThat(letter.headers().lastHeader(RecordHeaders.REASON).value())
        .isEqualTo(utf8("malformed"));
    kafka.completeNext();
    handle(heartbeat());
    assertThat(acknowledged.topics).containsExactly("1", "2", "heartbeat", "heartbeat");
  }

  @Test
  void isStoppedByADeadLetterThatIsNotTakenEither() throws Exception {
    handle(request("1"));
    kafka.errorNext(new RecordTooLargeException("17 MB"));
    handle(heartbeat());
    kafka.errorNext(new RecordTooLargeException("headers"));
    assertThatThrownBy(() -> handle(heartbeat())).isInstanceOf(DeliveryFailedException.class);
    assertThat(acknowledged.topics).isEmpty();
  }

  @Test
  void waitsForKafkaWhenTooMuchIsOnItsWay() throws Exception {
    var narrow = new PublishCaptured(kafka, TOPICS, 5, Telemetry.none());
    narrow.handleBatch(List.of(request("1")), acknowledged);
    var second =
        Thread.ofVirtual()
            .start(() -> {
              try {
                narrow.handleBatch(List.of(request("2")), acknowledged);
              } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
              }
            });
    await().until(() -> second.getState() == Thread.State.WAITING);
    assertThat(kafka.history()).hasSize(1);
    kafka.completeNext();
    second.join();
    assertThat(kafka.history()).hasSize(2);
    assertThat(acknowledged.topics).containsExactly("1");
  }

  @Test
  void leavesOutWhatIsNoRequest() throws Exception {
    handle(new Event(new SourceRecord(Map.of(), Map.of(), "table", Schema.STRING_SCHEMA, "row")));
    assertThat(kafka.history()).isEmpty();
    assertThat(acknowledged.topics).containsExactly("table");
  }

  private void handle(Event... events) throws InterruptedException {
    publish.handleBatch(List.of(events), acknowledged);
  }

  private static Event request(String id) {
    var record =
        new SourceRecord(
            Map.of(),
            Map.of(),
            "p.requests.llm",
            null,
            Schema.STRING_SCHEMA,
            id,
            Schema.BYTES_SCHEMA,
            utf8("envelope " + id));
    record.headers().addString(RecordHeaders.SIGNATURE, "of " + id);
    return new Event(record);
  }

  private static Event heartbeat() {
    return new Event(
        new SourceRecord(
            Map.of(), Map.of(), TOPICS.heartbeats(), Schema.STRING_SCHEMA, "heartbeat"));
  }

  private static byte[] utf8(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private record Event(SourceRecord value) implements ChangeEvent<SourceRecord, SourceRecord> {
    @Override
    public SourceRecord key() {
      return value;
    }

    @Override
    public String destination() {
      return value.topic();
    }

    @Override
    public @Nullable Integer partition() {
      return null;
    }
  }

  /// What was acknowledged to the database, by key or by kind.
  private static final class Acknowledged
      implements DebeziumEngine.RecordCommitter<ChangeEvent<SourceRecord, SourceRecord>> {
    final List<String> topics = new ArrayList<>();
    int batches;

    @Override
    public void markProcessed(ChangeEvent<SourceRecord, SourceRecord> event) {
      var record = event.value();
      topics.add(
          record.key() instanceof String key
              ? key
              : record.topic().equals(TOPICS.heartbeats()) ? "heartbeat" : record.topic());
    }

    @Override
    public void markBatchFinished() {
      batches++;
    }

    @Override
    public void markProcessed(
        ChangeEvent<SourceRecord, SourceRecord> event, DebeziumEngine.Offsets offsets) {
      throw new UnsupportedOperationException();
    }

    @Override
    public DebeziumEngine.Offsets buildOffsets() {
      throw new UnsupportedOperationException();
    }
  }
}
