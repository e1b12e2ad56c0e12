package org.pgoffload.worker;

import java.time.Duration;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.platform.TaskDatabase;
import org.pgoffload.protocol.TopicNames;
import org.pgoffload.worker.llm.calls.CallSettings;
import org.pgoffload.worker.sql.SqlLimits;

/// What a worker needs to run, besides its [org.pgoffload.worker.vendors.LlmProviders].
///
/// @param name unique to this process; shown in claims, leases and results
/// @param version of the software, shown in `llm_worker`
/// @param database a login that is a member of pgoffload_worker
/// @param sqlDatabase where tasks of background SQL are run, or null for a worker that runs none
/// @param sqlLimits how many of them at once
/// @param topics the topics' names
/// @param kafka Kafka's client properties
/// @param maxInFlight how many requests may be unfinished at once
/// @param maxBytesInFlight how many bytes of requests may be unfinished at once
/// @param maxDeferred how many LLM requests may be seen to at once, most of them waiting for a
///   model or for a limit
/// @param deferAfter when an LLM request that has not ended no longer holds up the offsets of its
///   topic
/// @param calls how calls to models are made
/// @param drain how long a closing worker waits for what it has begun; the rest is left to the next
public record WorkerConfiguration(
    String name,
    String version,
    DatabaseAddress database,
    @Nullable TaskDatabase sqlDatabase,
    SqlLimits sqlLimits,
    TopicNames topics,
    Map<String, Object> kafka,
    int maxInFlight,
    long maxBytesInFlight,
    int maxDeferred,
    Duration deferAfter,
    CallSettings calls,
    Duration drain) {
  public static final int DEFAULT_MAX_IN_FLIGHT = 2000;
  public static final long DEFAULT_MAX_BYTES_IN_FLIGHT = 256L << 20;
  public static final int DEFAULT_MAX_DEFERRED = 50_000;
  public static final Duration DEFAULT_DEFER_AFTER = Duration.ofSeconds(5);
  public static final Duration DEFAULT_DRAIN = Duration.ofSeconds(5);

  public WorkerConfiguration {
    if (name.isBlank()) {
      throw new IllegalArgumentException("the worker's name must not be blank");
    }
    if (maxInFlight < 1) {
      throw new IllegalArgumentException("max in flight must be at least 1");
    }
    if (maxBytesInFlight < 1) {
      throw new IllegalArgumentException("max bytes in flight must be at least 1");
    }
    if (maxDeferred < maxInFlight) {
      throw new IllegalArgumentException("max deferred must not be less than max in flight");
    }
    if (!deferAfter.isPositive()) {
      throw new IllegalArgumentException("the time before a request is deferred must be positive");
    }
    if (drain.isNegative()) {
      throw new IllegalArgumentException("the drain time must not be negative");
    }
    kafka = Map.copyOf(kafka);
  }

  /// Names the places, without passwords.
  @Override
  public String toString() {
    return "WorkerConfiguration[" + name + ", " + database + ", " + topics + "]";
  }
}
