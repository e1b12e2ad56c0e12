package org.pgoffload.worker.delivery;

import java.time.Duration;
import java.util.Map;
import org.pgoffload.protocol.TopicNames;

/// How a worker consumes its requests, whatever they ask for.
///
/// @param name unique to this process; shown in claims, leases and results
/// @param version of the software, shown in `llm_worker`
/// @param topics the topics' names
/// @param kafka Kafka's client properties
/// @param maxInFlight how many requests may be unfinished at once
/// @param maxBytesInFlight how many bytes of requests may be unfinished at once
/// @param drain how long a closing worker waits for what it has begun; the rest is left to the next
public record DeliverySettings(
    String name,
    String version,
    TopicNames topics,
    Map<String, Object> kafka,
    int maxInFlight,
    long maxBytesInFlight,
    Duration drain) {
  public static final int DEFAULT_MAX_IN_FLIGHT = 2000;
  public static final long DEFAULT_MAX_BYTES_IN_FLIGHT = 256L << 20;
  public static final Duration DEFAULT_DRAIN = Duration.ofSeconds(5);

  public DeliverySettings {
    if (name.isBlank()) {
      throw new IllegalArgumentException("the worker's name must not be blank");
    }
    if (maxInFlight < 1) {
      throw new IllegalArgumentException("max in flight must be at least 1");
    }
    if (maxBytesInFlight < 1) {
      throw new IllegalArgumentException("max bytes in flight must be at least 1");
    }
    if (drain.isNegative()) {
      throw new IllegalArgumentException("the drain time must not be negative");
    }
    kafka = Map.copyOf(kafka);
  }

  /// Names the worker, without what its client properties hold.
  @Override
  public String toString() {
    return "DeliverySettings[" + name + ", " + topics + "]";
  }
}
