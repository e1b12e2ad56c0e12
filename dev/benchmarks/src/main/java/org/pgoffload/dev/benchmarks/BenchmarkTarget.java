package org.pgoffload.dev.benchmarks;

import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.jspecify.annotations.Nullable;
import org.pgoffload.dev.benchmarks.processor.ProcessorTime;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.protocol.TopicNames;

/// The running installation that is measured. It should have no other load, and its provider should
/// be `echo`: the way there and back is measured.
///
/// @param application an ordinary role that may ask
/// @param admin a superuser of the same database: makes the plain tables, watches the results
/// @param kafka Kafka's client properties
/// @param topics the topics' names
/// @param own what can be measured besides, of an installation that this process has started; null
///   for an installation that runs elsewhere
public record BenchmarkTarget(
    DatabaseAddress application,
    DatabaseAddress admin,
    Map<String, Object> kafka,
    TopicNames topics,
    @Nullable OwnInstallation own) {
  public BenchmarkTarget {
    kafka = Map.copyOf(kafka);
  }

  /// A consumer without a group: it commits nothing, and leaves nothing behind.
  KafkaConsumer<byte[], byte[]> consumer() {
    var properties = new HashMap<>(kafka);
    properties.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, false);
    return new KafkaConsumer<>(
        properties, new ByteArrayDeserializer(), new ByteArrayDeserializer());
  }

  /// Whether the processor time of its processes can be told.
  boolean tellsProcessorTime() {
    return hindranceOfProcessorTime().isEmpty();
  }

  /// Why the processor time of its processes cannot be told, if it cannot.
  Optional<String> hindranceOfProcessorTime() {
    if (own == null) {
      return hindranceOfOwn();
    }
    return ProcessorTime.isTold()
        ? Optional.empty()
        : Optional.of("processor time is told on Linux alone, where /proc/self/stat can be read");
  }

  /// Why nothing can be measured that only an own installation tells, if it cannot.
  Optional<String> hindranceOfOwn() {
    return own == null
        ? Optional.of("it can be told of an installation alone that bench starts itself")
        : Optional.empty();
  }

  /// Names the places, without passwords.
  @Override
  public String toString() {
    return "BenchmarkTarget[" + application + ", " + topics + "]";
  }
}
