package org.pgoffload.dev.benchmarks;

import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.pgoffload.dev.benchmarks.report.BenchmarkException;

/// One hop through Kafka with nothing of ours around it: a producer, a consumer, and a topic of one
/// partition that exists as long as this does.
///
/// Not safe to share between threads.
final class KafkaHop implements AutoCloseable {
  /// About the size of a signed request.
  private static final byte[] VALUE = new byte[600];

  private static final Duration PATIENCE = Duration.ofSeconds(30);

  private final Admin admin;
  private final TopicPartition partition;
  private final KafkaProducer<byte[], byte[]> producer;
  private final KafkaConsumer<byte[], byte[]> consumer;

  private KafkaHop(BenchmarkTarget target, TopicPartition partition) {
    this.admin = Admin.create(target.kafka());
    this.partition = partition;
    createTopic();
    this.producer = new KafkaProducer<>(producerProperties(target.kafka()));
    this.consumer = target.consumer();
    consumer.assign(List.of(partition));
    consumer.seekToEnd(List.of(partition));
    // settles the position now: what is sent from here on is received
    consumer.position(partition, PATIENCE);
  }

  static KafkaHop open(BenchmarkTarget target) {
    return new KafkaHop(target, new TopicPartition(target.topics().prefix() + ".benchmark", 0));
  }

  /// Sends one record and waits until it is received.
  void run() {
    // its failure shows as a record that never comes
    var _ = producer.send(new ProducerRecord<>(partition.topic(), VALUE));
    long deadline = System.nanoTime() + PATIENCE.toNanos();
    while (consumer.poll(Duration.ofMillis(100)).isEmpty()) {
      if (System.nanoTime() - deadline > 0) {
        throw new BenchmarkException(
            "Kafka did not deliver a record within " + PATIENCE.toSeconds() + " s");
      }
    }
  }

  private void createTopic() {
    try {
      admin
          .createTopics(List.of(new NewTopic(partition.topic(), Optional.of(1), Optional.empty())))
          .all()
          .get();
    } catch (ExecutionException e) {
      // an interrupted run left it: as good as new, since the consumer begins at its end
      if (!(e.getCause() instanceof TopicExistsException)) {
        throw new BenchmarkException("the scratch topic could not be created", e);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new BenchmarkException("interrupted", e);
    }
  }

  static Map<String, Object> producerProperties(Map<String, Object> client) {
    var properties = new HashMap<>(client);
    properties.put(ProducerConfig.KEY_SERIALIZER_CLASS_CONFIG, ByteArraySerializer.class);
    properties.put(ProducerConfig.VALUE_SERIALIZER_CLASS_CONFIG, ByteArraySerializer.class);
    // as durable as what it is compared with, and as prompt as can be
    properties.put(ProducerConfig.ACKS_CONFIG, "all");
    properties.put(ProducerConfig.LINGER_MS_CONFIG, 0);
    return properties;
  }

  @Override
  public void close() {
    consumer.close();
    producer.close();
    admin.deleteTopics(List.of(partition.topic()));
    // waits for the deletion
    admin.close(PATIENCE);
  }
}
