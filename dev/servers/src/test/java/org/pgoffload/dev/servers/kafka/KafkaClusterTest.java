package org.pgoffload.dev.servers.kafka;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartitionInfo;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(180)
final class KafkaClusterTest {

  private static KafkaCluster cluster;
  private static Admin admin;
  private static KafkaProducer<byte[], byte[]> producer;

  @BeforeAll
  static void start() throws Exception {
    cluster = KafkaCluster.start(KafkaCluster.temporary());
    admin = Admin.create(client());
    var settings = new HashMap<>(client());
    settings.put("acks", "all");
    producer = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
    admin
        .createTopics(List.of(new NewTopic("records", Optional.of(1), Optional.empty())))
        .all()
        .get();
  }

  @AfterAll
  static void end() {
    producer.close(Duration.ZERO);
    admin.close(Duration.ZERO);
    cluster.close();
    assertThat(cluster.nodes()).noneMatch(node -> cluster.broker(node).isRunning());
  }

  @AfterEach
  void becomeWhole() {
    cluster.startStopped();
    await().atMost(Duration.ofSeconds(60)).until(() -> inSync().size() == 3);
  }

  @Test
  void keepsThreeReplicasOfWhichTwoMustBeInSync() throws Exception {
    assertThat(inSync()).containsExactlyInAnyOrder(1, 2, 3);
    try (var transactional =
        new KafkaProducer<>(
            with("transactional.id", "test"),
            new ByteArraySerializer(),
            new ByteArraySerializer())) {
      transactional.initTransactions();
    }
    assertThat(partitions("__transaction_state"))
        .allMatch(partition -> partition.replicas().size() == 3);
  }

  @Test
  void goesOnWithoutTheLeader() throws Exception {
    int leader = cluster.leader("records", 0);
    long before = send("before");
    cluster.broker(leader).kill();
    assertThat(send("after")).isEqualTo(before + 1);
    assertThat(cluster.leader("records", 0)).isNotEqualTo(leader);
  }

  @Test
  void goesOnWithoutTheController() throws Exception {
    int controller = cluster.controller();
    cluster.broker(controller).kill();
    assertThat(cluster.controller()).isNotEqualTo(controller);
    send("after");
  }

  @Test
  void goesOnWhileBrokersAreStoppedOneAfterAnother() throws Exception {
    long before = send("before");
    for (int node : cluster.nodes()) {
      cluster.broker(node).stop();
      assertThat(send("without " + node)).isEqualTo(++before);
      cluster.startStopped();
      await().atMost(Duration.ofSeconds(60)).until(() -> inSync().size() == 3);
    }
  }

  @Test
  void takesNothingWhileTwoOfThreeAreAwayAndGoesOnAfterwards() throws Exception {
    long before = send("before");
    int leader = cluster.leader("records", 0);
    cluster.nodes().stream()
        .filter(node -> node != leader)
        .forEach(node -> cluster.broker(node).kill());
    var impatient =
        new KafkaProducer<>(
            with(
                "delivery.timeout.ms", 3000,
                "request.timeout.ms", 2000,
                "linger.ms", 0,
                // it would wait for its id, which no timeout ends
                "enable.idempotence", false,
                "acks", "all"),
            new ByteArraySerializer(),
            new ByteArraySerializer());
    assertThatThrownBy(() -> impatient.send(new ProducerRecord<>("records", new byte[1])).get())
        .isInstanceOf(ExecutionException.class);
    impatient.close(Duration.ZERO);
    cluster.startStopped();
    // the record that was refused may be there or not
    assertThat(send("after")).isGreaterThan(before);
  }

  private static long send(String value) throws Exception {
    return producer.send(new ProducerRecord<>("records", value.getBytes(UTF_8))).get().offset();
  }

  private static Set<Integer> inSync() throws Exception {
    return partitions("records").getFirst().isr().stream()
        .map(node -> node.id())
        .collect(Collectors.toSet());
  }

  private static List<TopicPartitionInfo> partitions(String topic) throws Exception {
    return admin
        .describeTopics(List.of(topic))
        .allTopicNames()
        .get()
        .values()
        .iterator()
        .next()
        .partitions();
  }

  private static Map<String, Object> client() {
    return Map.of("bootstrap.servers", cluster.bootstrapServers());
  }

  private static Map<String, Object> with(Object... settings) {
    var all = new HashMap<>(client());
    for (int i = 0; i < settings.length; i += 2) {
      all.put(String.valueOf(settings[i]), settings[i + 1]);
    }
    return all;
  }
}
