package org.pgoffload.dev.benchmarks.observe;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.WakeupException;

/// Notes when each key arrives on a topic, beside those who work with it and without a group.
public final class ObserveTopic implements AutoCloseable {
  private final KafkaConsumer<byte[], byte[]> consumer;
  private final Arrivals arrivals = new Arrivals();
  private final Thread thread;

  private ObserveTopic(KafkaConsumer<byte[], byte[]> consumer, String topic) {
    this.consumer = consumer;
    var partitions =
        consumer.partitionsFor(topic).stream()
            .map(partition -> new TopicPartition(topic, partition.partition()))
            .toList();
    consumer.assign(partitions);
    consumer.seekToEnd(partitions);
    // settles the positions now: what comes from here on is seen
    partitions.forEach(consumer::position);
    this.thread = Thread.ofPlatform().name("bench-observe-" + topic).start(this::observe);
  }

  /// Observes from now on.
  ///
  /// @param consumer of no group, which is closed with this
  public static ObserveTopic open(KafkaConsumer<byte[], byte[]> consumer, String topic) {
    return new ObserveTopic(consumer, topic);
  }

  /// When each request was seen.
  public Arrivals arrivals() {
    return arrivals;
  }

  private void observe() {
    try (consumer) {
      while (true) {
        for (var record : consumer.poll(Duration.ofSeconds(1))) {
          if (record.key() != null) {
            arrivals.arrived(new String(record.key(), StandardCharsets.UTF_8));
          }
        }
      }
    } catch (WakeupException e) {
      // closed
      return;
    }
  }

  @Override
  public void close() {
    consumer.wakeup();
    try {
      thread.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
