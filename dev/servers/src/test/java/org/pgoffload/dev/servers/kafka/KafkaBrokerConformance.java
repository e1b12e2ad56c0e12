package org.pgoffload.dev.servers.kafka;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.pgoffload.dev.servers.EmbeddedException;

/// What every [KafkaBroker] guarantees.
@Timeout(120)
abstract class KafkaBrokerConformance {

  @TempDir Path directory;

  abstract KafkaBroker start(BrokerOptions options);

  @Test
  void carriesARecordAsLargeAsItsLimitAllows() throws Exception {
    try (var broker = start(kept())) {
      createTopic(broker, "large");
      var value = new byte[BrokerOptions.MAX_MESSAGE_BYTES - 1024];
      value[value.length - 1] = 7;
      produce(broker, "large", value);
      assertThat(consume(broker, "large", 1)).containsExactly(value);
    }
  }

  @Test
  void servesAGroupOfTheNewProtocolAndATransaction() throws Exception {
    try (var broker = start(kept())) {
      createTopic(broker, "records");
      try (var producer = producer(broker, Map.of("transactional.id", "test"))) {
        producer.initTransactions();
        producer.beginTransaction();
        var sent = producer.send(new ProducerRecord<>("records", new byte[] {1}));
        producer.commitTransaction();
        assertThat(sent.get().offset()).isZero();
      }
      assertThat(consume(broker, "records", 1)).containsExactly(new byte[] {1});
    }
  }

  @Test
  void keepsItsRecordsOverARestart() throws Exception {
    var first = start(kept());
    createTopic(first, "records");
    produce(first, "records", new byte[] {1});
    first.close();
    assertThat(first.isRunning()).isFalse();

    try (var second = start(first.options())) {
      assertThat(second.bootstrapServers()).isEqualTo(first.bootstrapServers());
      produce(second, "records", new byte[] {2});
      assertThat(consume(second, "records", 2)).containsExactly(new byte[] {1}, new byte[] {2});
    }
    // The controller's address is not part of what is stored.
    try (var third = start(kept())) {
      assertThat(consume(third, "records", 2)).hasSize(2);
    }
  }

  @Test
  void makesNoTopicThatNobodyCreated() throws Exception {
    try (var broker = start(kept());
        var admin = admin(broker)) {
      assertThat(brokerSettings(admin))
          .containsEntry("auto.create.topics.enable", "false")
          .containsEntry("default.replication.factor", "1")
          .containsEntry("min.insync.replicas", "1");
    }
  }

  @Test
  void letsTheCallersSettingsWin() throws Exception {
    try (var broker = start(kept().withSettings(Map.of("num.partitions", "3")));
        var admin = admin(broker)) {
      assertThat(brokerSettings(admin)).containsEntry("num.partitions", "3");
    }
  }

  @Test
  void refusesASecondStartOnTheDirectoryAndNamesTheHolder() {
    try (var broker = start(kept())) {
      assertThatThrownBy(() -> start(kept()))
          .isInstanceOf(EmbeddedException.class)
          .hasMessageContaining(directory.toString())
          .hasMessageContaining("process " + ProcessHandle.current().pid());
      assertThat(broker.isRunning()).isTrue();
    }
  }

  @Test
  void removesATemporaryDirectoryOnClose() {
    var broker = start(BrokerOptions.temporary());
    assertThat(broker.options().directory()).exists();
    broker.close();
    broker.close();
    assertThat(broker.options().directory()).doesNotExist();
  }

  @Test
  void saysWhatIsWrongWhenItCannotStart() {
    assertThatThrownBy(() -> start(kept().withSettings(Map.of("num.io.threads", "none"))))
        .isInstanceOf(EmbeddedException.class)
        .hasMessageContaining("num.io.threads");
    start(kept()).close();
  }

  @Test
  void refusesAPortThatIsInUseAtOnce() throws IOException {
    try (var taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      var port = taken.getLocalPort();
      for (var options : List.of(kept().withPorts(port, 0), kept().withPorts(0, port))) {
        var before = System.nanoTime();
        var refused = catchThrowableOfType(EmbeddedException.class, () -> start(options));
        assertThat(refused.code()).isEqualTo(EmbeddedException.Code.START_FAILED);
        assertThat(refused)
            .hasMessage("Port " + port + " is in use by another process: choose another one.");
        assertThat(Duration.ofNanos(System.nanoTime() - before)).isLessThan(Duration.ofSeconds(5));
      }
    }
  }

  final BrokerOptions kept() {
    return BrokerOptions.kept(directory);
  }

  static Admin admin(KafkaBroker broker) {
    return Admin.create(Map.of("bootstrap.servers", broker.bootstrapServers()));
  }

  static void createTopic(KafkaBroker broker, String name) throws Exception {
    try (var admin = admin(broker)) {
      admin.createTopics(List.of(new NewTopic(name, 1, (short) 1))).all().get();
    }
  }

  private static KafkaProducer<byte[], byte[]> producer(
      KafkaBroker broker, Map<String, Object> settings) {
    var properties = new HashMap<>(settings);
    properties.put("bootstrap.servers", broker.bootstrapServers());
    return new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer());
  }

  static void produce(KafkaBroker broker, String topic, byte[] value) throws Exception {
    try (var producer =
        producer(
            broker, Map.of("max.request.size", BrokerOptions.MAX_MESSAGE_BYTES, "acks", "all"))) {
      producer.send(new ProducerRecord<>(topic, value)).get();
    }
  }

  static List<byte[]> consume(KafkaBroker broker, String topic, int count) {
    try (var consumer =
        new KafkaConsumer<byte[], byte[]>(
            Map.of(
                "bootstrap.servers",
                broker.bootstrapServers(),
                "key.deserializer",
                ByteArrayDeserializer.class,
                "value.deserializer",
                ByteArrayDeserializer.class,
                "group.protocol",
                "consumer",
                "group.id",
                "test-" + broker.options().port(),
                "enable.auto.commit",
                false,
                "auto.offset.reset",
                "earliest"))) {
      consumer.subscribe(List.of(topic));
      var values = new ArrayList<byte[]>();
      while (values.size() < count) {
        consumer.poll(Duration.ofSeconds(1)).forEach(record -> values.add(record.value()));
      }
      return values;
    }
  }

  private static Map<String, String> brokerSettings(Admin admin) throws Exception {
    var broker = new ConfigResource(ConfigResource.Type.BROKER, "1");
    var settings = new HashMap<String, String>();
    for (var described : admin.describeConfigs(List.of(broker)).all().get().values()) {
      described
          .entries()
          .forEach(entry -> settings.put(entry.name(), String.valueOf(entry.value())));
    }
    return settings;
  }
}
