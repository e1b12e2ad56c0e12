package org.pgoffload.platform;

import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/// The properties of a Kafka producer that publishes requests or results: a record counts as
/// published once every in-sync replica has it, and then only once.
public final class ProducerProperties {
  private ProducerProperties() {}

  /// What a `KafkaProducer` of bytes takes.
  ///
  /// @param client how the client reaches Kafka; its own `client.id` and `max.request.size` stand
  /// @param id the producer's `client.id` otherwise
  /// @param bufferBytes holds the records that may be unacknowledged, compressed or not
  public static Map<String, Object> of(Map<String, Object> client, String id, long bufferBytes) {
    var properties = new HashMap<>(client);
    properties.put(ProducerConfig.KEY_SERIALIZER_CLASS_CONFIG, ByteArraySerializer.class);
    properties.put(ProducerConfig.VALUE_SERIALIZER_CLASS_CONFIG, ByteArraySerializer.class);
    // A request is not acknowledged to the database before, and an answer that was paid for is safe
    // before its request counts as finished.
    properties.put(ProducerConfig.ACKS_CONFIG, "all");
    properties.put(ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG, true);
    // Kafka 4's default of 5 ms would be most of a round trip; under load batches fill by
    // themselves
    properties.put(ProducerConfig.LINGER_MS_CONFIG, 0);
    // One request at a time, so that what comes meanwhile shares the next one: with no linger and
    // several in flight every record would be a batch of its own (a twelfth of all CPU under load).
    properties.put(ProducerConfig.MAX_IN_FLIGHT_REQUESTS_PER_CONNECTION, 1);
    properties.put(ProducerConfig.BATCH_SIZE_CONFIG, 128 << 10);
    properties.put(ProducerConfig.COMPRESSION_TYPE_CONFIG, "lz4");
    // Above the largest record, and below what a broker takes in one request
    // (socket.request.max.bytes): it drops the connection of more, again and again.
    properties.putIfAbsent(ProducerConfig.MAX_REQUEST_SIZE_CONFIG, 32 << 20);
    properties.put(ProducerConfig.BUFFER_MEMORY_CONFIG, bufferBytes);
    properties.putIfAbsent(ProducerConfig.CLIENT_ID_CONFIG, id);
    return properties;
  }
}
