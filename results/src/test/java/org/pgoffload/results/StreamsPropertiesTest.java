package org.pgoffload.results;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.streams.processor.WallclockTimestampExtractor;
import org.junit.jupiter.api.Test;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.protocol.TopicNames;

/// The properties that the guarantees of the two applications rest on.
final class StreamsPropertiesTest {
  /// Names servers that do not exist.
  static final ResultsConfiguration CONFIGURATION =
      new ResultsConfiguration(
          DatabaseAddress.parse("postgresql://results:p@d/app"),
          new TopicNames("p"),
          Map.of("bootstrap.servers", "b:9092"),
          Path.of("state"));

  private static final Map<String, Object> COMMON =
      Map.of(
          "bootstrap.servers",
          "b:9092",
          "group.protocol",
          "classic",
          "consumer.auto.offset.reset",
          "earliest",
          "consumer.session.timeout.ms",
          6_000,
          "consumer.heartbeat.interval.ms",
          2_000,
          "default.timestamp.extractor",
          WallclockTimestampExtractor.class,
          "num.stream.threads",
          1);

  @Test
  void pinsThoseOfTheWriteBack() {
    assertPinned(
        ResultsApp.streamsProperties(CONFIGURATION),
        Map.ofEntries(
            Map.entry("application.id", "p.results-writer"),
            Map.entry("state.dir", "state"),
            Map.entry("processing.guarantee", "at_least_once"),
            Map.entry("consumer.max.poll.interval.ms", 1_800_000),
            Map.entry("consumer.max.poll.records", 1000),
            Map.entry("consumer.isolation.level", "read_committed"),
            Map.entry("max.task.idle.ms", -1L),
            Map.entry("commit.interval.ms", 100),
            Map.entry("statestore.cache.max.bytes", 0),
            Map.entry("producer.linger.ms", 0),
            Map.entry("producer.max.request.size", 32 << 20),
            Map.entry("production.exception.handler", DropWhatIsTooLarge.class)));
  }

  @Test
  void pinsThoseOfTheUsage() {
    assertPinned(
        UsageApp.streamsProperties(CONFIGURATION, Path.of("state", "of-the-topic")),
        Map.of(
            "application.id",
            "p.usage",
            "state.dir",
            "state/of-the-topic",
            "topic.retention.bytes",
            "-1",
            "processing.guarantee",
            "exactly_once_v2",
            "replication.factor",
            -1,
            "commit.interval.ms",
            500,
            "statestore.cache.max.bytes",
            4L << 20,
            "rocksdb.config.setter",
            BoundRocksDbMemory.class,
            "producer.compression.type",
            "lz4",
            "producer.max.in.flight.requests.per.connection",
            1));
  }

  private static void assertPinned(Properties properties, Map<String, Object> own) {
    var pinned = new HashMap<Object, Object>(COMMON);
    pinned.putAll(own);
    assertThat(properties).containsExactlyInAnyOrderEntriesOf(pinned);
  }
}
