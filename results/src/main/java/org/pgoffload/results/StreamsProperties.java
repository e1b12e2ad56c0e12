package org.pgoffload.results;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Locale;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.GroupProtocol;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.processor.WallclockTimestampExtractor;

/// The properties that the two applications of Kafka Streams have in common.
final class StreamsProperties {
  private StreamsProperties() {}

  /// Those that one of them adds its own to.
  ///
  /// @param guarantee of the processing
  static Properties of(
      ResultsConfiguration configuration, String application, Path directory, String guarantee) {
    var properties = new Properties();
    properties.putAll(configuration.kafka());
    properties.put(StreamsConfig.APPLICATION_ID_CONFIG, application);
    properties.put(StreamsConfig.STATE_DIR_CONFIG, directory.toString());
    properties.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, guarantee);
    // With "streams" the commit is never asked of the consumer that waits for the writer; Kafka
    // clusters before 4.2 do not know it.
    properties.put(
        StreamsConfig.GROUP_PROTOCOL_CONFIG, GroupProtocol.CLASSIC.name().toLowerCase(Locale.ROOT));
    // results that came before the first start count as well
    properties.put(
        StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
    // a killed application's successor begins sooner than after the default 45 s
    properties.put(
        StreamsConfig.consumerPrefix(ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG),
        (int) Duration.ofSeconds(6).toMillis());
    properties.put(
        StreamsConfig.consumerPrefix(ConsumerConfig.HEARTBEAT_INTERVAL_MS_CONFIG),
        (int) Duration.ofSeconds(2).toMillis());
    // nothing depends on a record's time, and a negative one would end the thread again and again
    properties.put(
        StreamsConfig.DEFAULT_TIMESTAMP_EXTRACTOR_CLASS_CONFIG, WallclockTimestampExtractor.class);
    // One thread is enough: that of the results only hands over, and the writer groups what it
    // hands; that of the usage counts thousands of results a second.
    properties.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
    return properties;
  }
}
