package org.pgoffload.results;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.Map;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.streams.processor.WallclockTimestampExtractor;
import org.junit.jupiter.api.Test;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.protocol.TopicNames;

/// The properties that the guarantees of the two applications rest on.
final class ClientPropertiesTest {
  /// Names servers that do not exist.
  static final ResultsConfiguration CONFIGURATION =
      new ResultsConfiguration(
          DatabaseAddress.parse("postgresql://results:p@d/app"),
          new TopicNames("p"),
          Map.of("bootstrap.servers", "b:9092"),
          Path.of("state"));

  @Test
  void pinsThoseOfTheWriteBack() {
    assertThat(WriterProperties.of(CONFIGURATION))
        .containsExactlyInAnyOrderEntriesOf(
            Map.ofEntries(
                Map.entry("bootstrap.servers", "b:9092"),
                Map.entry("group.id", "p.results-writer"),
                Map.entry("client.id", "p.results-writer"),
                Map.entry("group.protocol", "classic"),
                Map.entry(
                    "partition.assignment.strategy", CooperativeStickyAssignor.class.getName()),
                Map.entry("key.deserializer", ByteArrayDeserializer.class),
                Map.entry("value.deserializer", ByteArrayDeserializer.class),
                Map.entry("enable.auto.commit", false),
                Map.entry("auto.offset.reset", "earliest"),
                Map.entry("allow.auto.create.topics", false),
                Map.entry("session.timeout.ms", 6_000),
                Map.entry("heartbeat.interval.ms", 2_000),
                Map.entry("isolation.level", "read_committed"),
                Map.entry("max.poll.records", 1000),
                Map.entry("fetch.max.bytes", 32 << 20)));
  }

  @Test
  void theUsageHasAsManyReplicasAsTheResults() {
    assertThat(UsageApp.streamsProperties(CONFIGURATION, Path.of("state"), 3))
        .containsEntry("replication.factor", 3)
        .containsEntry("topic.min.insync.replicas", "2");
  }

  @Test
  void pinsThoseOfTheUsage() {
    assertThat(UsageApp.streamsProperties(CONFIGURATION, Path.of("state", "of-the-topic"), 1))
        .containsExactlyInAnyOrderEntriesOf(
            Map.ofEntries(
                Map.entry("bootstrap.servers", "b:9092"),
                Map.entry("group.protocol", "classic"),
                Map.entry("consumer.auto.offset.reset", "earliest"),
                Map.entry("consumer.session.timeout.ms", 6_000),
                Map.entry("consumer.heartbeat.interval.ms", 2_000),
                Map.entry("main.consumer.fetch.min.bytes", 256 << 10),
                Map.entry("main.consumer.fetch.max.wait.ms", 250),
                Map.entry("default.timestamp.extractor", WallclockTimestampExtractor.class),
                Map.entry("num.stream.threads", 1),
                Map.entry("application.id", "p.usage"),
                Map.entry("state.dir", "state/of-the-topic"),
                Map.entry("topic.retention.bytes", "-1"),
                Map.entry("processing.guarantee", "exactly_once_v2"),
                Map.entry("replication.factor", -1),
                Map.entry("commit.interval.ms", 500),
                Map.entry("statestore.cache.max.bytes", 4L << 20),
                Map.entry("rocksdb.config.setter", BoundRocksDbMemory.class),
                Map.entry("producer.compression.type", "lz4"),
                Map.entry("producer.max.in.flight.requests.per.connection", 1)));
  }
}
