package org.pgoffload.operations.retention;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.pgoffload.dev.servers.kafka.BrokerInJvm;
import org.pgoffload.dev.servers.kafka.BrokerOptions;
import org.pgoffload.dev.servers.kafka.KafkaBroker;
import org.pgoffload.operations.InstallTopics;
import org.pgoffload.protocol.TopicNames;

/// What is removed from the topics of requests, and what never is, on a real broker.
@Timeout(120)
final class TrimRequestTopicsTest {
  private static final Duration A_WEEK = Duration.ofDays(7);
  private static KafkaBroker broker;
  private static int installations;

  private TopicNames topics;

  @BeforeAll
  static void start() {
    broker = BrokerInJvm.start(BrokerOptions.temporary());
  }

  @AfterAll
  static void end() {
    broker.close();
  }

  /// Whose records may be of any time: those of the installer's topics have the broker's.
  @BeforeEach
  void createTopicsOfRequests() throws Exception {
    topics = new TopicNames("trim" + installations++);
    try (var admin = Admin.create(client())) {
      admin
          .createTopics(
              topics.requests().stream()
                  .map(topic ->
                      new NewTopic(topic, 1, (short) 1)
                          .configs(
                              Map.of("message.timestamp.type", "CreateTime", "retention.ms", "-1")))
                  .toList())
          .all()
          .get();
    }
  }

  @Test
  void keepsWhatNoWorkerHasFinishedHoweverOld() throws Exception {
    publish(topics.llmRequests(), 10, 0);
    assertThat(trim()).isEmpty();
    commit(topics.llmRequests(), 4);
    assertThat(trim())
        .containsExactly(
            "removed 4 finished records from " + topics.llmRequests() + "-0, up to offset 4");
    assertThat(firstOffset(topics.llmRequests())).isEqualTo(4);
    assertThat(trim()).isEmpty();
    // and whoever removes requests from the database is told
    assertThat(TrimRequestTopics.run(client(), topics, A_WEEK).oldUnfinished())
        .hasValue(new TopicPartition(topics.llmRequests(), 0));
    commit(topics.llmRequests(), 10);
    assertThat(TrimRequestTopics.run(client(), topics, A_WEEK).oldUnfinished()).isEmpty();
  }

  @Test
  void keepsWhatIsFinishedAndYoung() throws Exception {
    publish(topics.sqlRequests(), 5, System.currentTimeMillis() - A_WEEK.plusDays(1).toMillis());
    publish(topics.sqlRequests(), 5, System.currentTimeMillis());
    commit(topics.sqlRequests(), 10);
    assertThat(trim()).hasSize(1);
    assertThat(firstOffset(topics.sqlRequests())).isEqualTo(5);
  }

  @Test
  void setsTheRetentionOfTheOtherTopicsAndNoneOfRequests() throws Exception {
    assertThat(installTopics().lines()).anyMatch(line -> line.startsWith("created topic "));
    assertThat(setting(topics.results(), "retention.ms")).isEqualTo("604800000");
    assertThat(setting(topics.llmRequests(), "retention.ms")).isEqualTo("-1");
    assertThat(setting(topics.deferred(), "retention.ms")).isEqualTo("-1");
    var changes = InstallTopics.run(client(), topics, 1, (short) 1, 1 << 20, Duration.ofHours(2));
    assertThat(changes.requests()).isEqualTo(installTopics().requests());
    assertThat(changes.lines())
        .contains(
            "set retention.ms of topic " + topics.results() + " to 7200000, which was 604800000",
            "set segment.ms of topic " + topics.results() + " to 7200000, which was 86400000");
    assertThat(setting(topics.sqlRequests(), "retention.ms")).isEqualTo("-1");
  }

  @Test
  void aTopicThatWasMadeAnewIsRecognisedByItsId() throws Exception {
    var before = installTopics().requests();
    try (var admin = Admin.create(client())) {
      admin.deleteTopics(List.of(topics.llmRequests())).all().get();
      await()
          .atMost(Duration.ofSeconds(20))
          .until(() -> !admin.listTopics().names().get().contains(topics.llmRequests()));
    }
    assertThat(installTopics().requests())
        .isNotEqualTo(before)
        .contains(topics.llmRequests(), topics.sqlRequests(), topics.deferred());
  }

  private InstallTopics.Changes installTopics() {
    return InstallTopics.run(client(), topics, 1, (short) 1, 1 << 20, A_WEEK);
  }

  private List<String> trim() throws Exception {
    return TrimRequestTopics.run(client(), topics, A_WEEK).changes();
  }

  private static Map<String, Object> client() {
    return Map.of("bootstrap.servers", broker.bootstrapServers());
  }

  private static void publish(String topic, int number, long timestamp)
      throws ExecutionException, InterruptedException {
    try (var producer =
        new KafkaProducer<>(client(), new ByteArraySerializer(), new ByteArraySerializer())) {
      for (int i = 0; i < number; i++) {
        producer
            .send(
                new ProducerRecord<>(
                    topic, 0, timestamp, null, "request".getBytes(StandardCharsets.UTF_8)))
            .get();
      }
    }
  }

  private void commit(String topic, long offset) throws ExecutionException, InterruptedException {
    try (var admin = Admin.create(client())) {
      admin
          .alterConsumerGroupOffsets(
              topics.workersOf(topic),
              Map.of(new TopicPartition(topic, 0), new OffsetAndMetadata(offset)))
          .all()
          .get();
    }
  }

  private static long firstOffset(String topic) throws ExecutionException, InterruptedException {
    var partition = new TopicPartition(topic, 0);
    try (var admin = Admin.create(client())) {
      return admin
          .listOffsets(Map.of(partition, OffsetSpec.earliest()))
          .partitionResult(partition)
          .get()
          .offset();
    }
  }

  private static String setting(String topic, String name)
      throws ExecutionException, InterruptedException {
    var resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
    try (var admin = Admin.create(client())) {
      return admin
          .describeConfigs(List.of(resource))
          .all()
          .get()
          .getOrDefault(resource, new Config(List.of()))
          .get(name)
          .value();
    }
  }
}
