package org.pgoffload.results;

import java.time.Duration;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.GroupProtocol;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/// The properties of the write-back's consumer.
final class WriterProperties {
  private WriterProperties() {}

  static Map<String, Object> of(ResultsConfiguration configuration) {
    var properties = new HashMap<>(configuration.kafka());
    properties.put(ConsumerConfig.KEY_DESERIALIZER_CLASS_CONFIG, ByteArrayDeserializer.class);
    properties.put(ConsumerConfig.VALUE_DESERIALIZER_CLASS_CONFIG, ByteArrayDeserializer.class);
    properties.put(ConsumerConfig.GROUP_ID_CONFIG, configuration.topics().writeBack());
    properties.putIfAbsent(ConsumerConfig.CLIENT_ID_CONFIG, configuration.topics().writeBack());
    // The classic consumer works on the thread that polls. That of the new protocol has another,
    // and each poll and each record is handed over between the two.
    properties.put(
        ConsumerConfig.GROUP_PROTOCOL_CONFIG,
        GroupProtocol.CLASSIC.name().toLowerCase(Locale.ROOT));
    // partitions that stay where they are go on being read while others move
    properties.put(
        ConsumerConfig.PARTITION_ASSIGNMENT_STRATEGY_CONFIG,
        CooperativeStickyAssignor.class.getName());
    // only what is written is committed
    properties.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, false);
    // results that came before the first start are written as well
    properties.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
    // made by the installer, with their settings
    properties.put(ConsumerConfig.ALLOW_AUTO_CREATE_TOPICS_CONFIG, false);
    // a killed application's successor begins sooner than after the default 45 s
    properties.put(
        ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG, (int) Duration.ofSeconds(6).toMillis());
    properties.put(
        ConsumerConfig.HEARTBEAT_INTERVAL_MS_CONFIG, (int) Duration.ofSeconds(2).toMillis());
    // Usage is counted in transactions; what is not committed yet may be counted otherwise later.
    // The other topics have none: of those, a read ends at the same offset with and without this.
    properties.put(ConsumerConfig.ISOLATION_LEVEL_CONFIG, IsolationLevel.READ_COMMITTED.toString());
    // a group, which is one statement and one commit
    properties.put(ConsumerConfig.MAX_POLL_RECORDS_CONFIG, WriteBack.MOST_MESSAGES);
    // what is read ahead of the writing; a larger record comes all the same
    properties.put(ConsumerConfig.FETCH_MAX_BYTES_CONFIG, 32 << 20);
    return properties;
  }
}
