package org.pgoffload.worker.delivery;

import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.GroupProtocol;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/// The properties of every consumer of a worker, with their reasons.
public final class ConsumerProperties {
  private ConsumerProperties() {}

  /// Of a queue's consumer.
  static Map<String, Object> requests(DeliverySettings settings, RequestQueue queue) {
    var properties = all(settings, queue.name());
    properties.put(ConsumerConfig.GROUP_ID_CONFIG, settings.topics().workersOf(queue.topic()));
    // The consumer of the new protocol keeps two threads busy while its coordinator is unknown
    // (KAFKA-20854), of which a broker that starts again has need; and it leaves the
    // session timeout to the broker, where it is 45 s.
    properties.put(ConsumerConfig.GROUP_PROTOCOL_CONFIG, GroupProtocol.CLASSIC.name());
    // partitions that stay where they are go on being read while others move
    properties.put(
        ConsumerConfig.PARTITION_ASSIGNMENT_STRATEGY_CONFIG,
        CooperativeStickyAssignor.class.getName());
    // with it the group learns of new partitions
    properties.putIfAbsent(ConsumerConfig.METADATA_MAX_AGE_CONFIG, 30_000);
    // a group without offsets begins with what was asked before the first worker came
    properties.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
    // what is polled counts as unfinished, whether it has begun or not
    properties.put(ConsumerConfig.MAX_POLL_RECORDS_CONFIG, Math.min(500, settings.maxInFlight()));
    return properties;
  }

  /// Of the consumer of commands.
  static Map<String, Object> commands(DeliverySettings settings) {
    var properties = all(settings, "commands");
    // every worker reads all of them: a group would share them out
    properties.remove(ConsumerConfig.GROUP_ID_CONFIG);
    // what was removed while it was away is a day old
    properties.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
    return properties;
  }

  /// Of a consumer that reads records of a queue again.
  static Map<String, Object> again(DeliverySettings settings, RequestQueue queue) {
    var properties = all(settings, queue.name() + "-again");
    // it assigns itself partitions, and commits nothing
    properties.remove(ConsumerConfig.GROUP_ID_CONFIG);
    properties.put(ConsumerConfig.GROUP_PROTOCOL_CONFIG, GroupProtocol.CLASSIC.name());
    // what is out of range is gone, and is not to be replaced by other records
    properties.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "none");
    // what it asks for is there: a fetch that waits at the end of a log would keep the next one
    // waiting
    properties.put(ConsumerConfig.FETCH_MAX_WAIT_MS_CONFIG, 0);
    // it jumps, so that most of a large fetch would be thrown away
    properties.put(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG, 256 << 10);
    return properties;
  }

  /// Of a consumer that reads what the results application has not written back yet.
  public static Map<String, Object> takeovers(DeliverySettings settings) {
    var properties = all(settings, "takeovers");
    // only to ask how far it has come: a consumer that assigns itself partitions joins no group
    properties.put(ConsumerConfig.GROUP_ID_CONFIG, settings.topics().writeBack());
    // as the results application's own
    properties.put(ConsumerConfig.GROUP_PROTOCOL_CONFIG, GroupProtocol.CLASSIC.name());
    // what was committed may have been removed since
    properties.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
    properties.put(ConsumerConfig.MAX_POLL_RECORDS_CONFIG, 5000);
    return properties;
  }

  private static Map<String, Object> all(DeliverySettings settings, String purpose) {
    var properties = new HashMap<>(settings.kafka());
    properties.put(ConsumerConfig.KEY_DESERIALIZER_CLASS_CONFIG, ByteArrayDeserializer.class);
    properties.put(ConsumerConfig.VALUE_DESERIALIZER_CLASS_CONFIG, ByteArrayDeserializer.class);
    // the least that brokers take by default: how long the partitions of a killed worker wait
    properties.putIfAbsent(ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG, 6_000);
    // how soon a worker learns that partitions move; a client refuses one that is not below the
    // session's
    properties.putIfAbsent(ConsumerConfig.HEARTBEAT_INTERVAL_MS_CONFIG, 1_000);
    // only what is finished is committed
    properties.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, false);
    // made by the installer, with their settings
    properties.put(ConsumerConfig.ALLOW_AUTO_CREATE_TOPICS_CONFIG, false);
    // each its own, or their metrics would be taken for one another's
    properties.put(
        ConsumerConfig.CLIENT_ID_CONFIG,
        settings
                .kafka()
                .getOrDefault(
                    ConsumerConfig.CLIENT_ID_CONFIG, "pgoffload-worker-" + settings.name())
            + "-"
            + purpose);
    return properties;
  }
}
