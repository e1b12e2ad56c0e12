package org.pgoffload.schema;

import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeoutException;
import java.util.function.ToDoubleFunction;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.KafkaException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Measures what belongs to no single part: what `llm_health` says, the queue, and how far the
/// consumers have come.
///
/// Safe to share between threads.
final class WatchInstallation implements Runnable {
  private static final Logger LOG = LoggerFactory.getLogger(WatchInstallation.class);

  private static final Duration INTERVAL = Duration.ofSeconds(15);

  private final MaintenanceConfiguration configuration;
  private final MeterRegistry metrics;
  private final Duration interval;
  private final Map<String, Double> values = new ConcurrentHashMap<>();

  WatchInstallation(MaintenanceConfiguration configuration, MeterRegistry metrics) {
    this(configuration, metrics, INTERVAL);
  }

  WatchInstallation(
      MaintenanceConfiguration configuration, MeterRegistry metrics, Duration interval) {
    this.configuration = configuration;
    this.metrics = metrics;
    this.interval = interval;
  }

  @Override
  public void run() {
    try (var admin = Admin.create(configuration.kafka())) {
      while (true) {
        lookAtDatabase();
        lookAtTopics(admin);
        Thread.sleep(interval);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void lookAtDatabase() {
    try {
      var status = InstallationStatus.read(configuration.database());
      for (var check : status.checks()) {
        show(
            "pgoffload.health",
            "What llm_health says: 0 ok, 1 warning, 2 error",
            "check",
            check.name(),
            List.of("ok", "warning", "error").indexOf(check.state()));
      }
      show(
          "pgoffload.queue.requests",
          "Requests that wait for a worker, of the newest thousands",
          "",
          "",
          (double) status.queue().waiting());
      show(
          "pgoffload.queue.oldest.seconds",
          "How long the oldest of them has waited; 0 if there is none",
          "",
          "",
          status.queue().oldestSeconds());
    } catch (SQLException e) {
      forget("pgoffload.health");
      forget("pgoffload.queue");
      LOG.debug("The database cannot be asked how it does", e);
    }
  }

  private void lookAtTopics(Admin admin) throws InterruptedException {
    try {
      var topics = TopicStatus.read(admin, configuration.topics());
      topics
          .lags()
          .forEach((topic, lag) ->
              show(
                  "pgoffload.consumer.lag",
                  "Records that its consumers have not finished",
                  "topic",
                  topic,
                  lag));
      show(
          "pgoffload.dead.letters.kept",
          "Dead letters on their topic",
          "",
          "",
          (double) topics.deadLetters());
    } catch (ExecutionException | TimeoutException | KafkaException e) {
      forget("pgoffload.consumer.lag");
      forget("pgoffload.dead.letters.kept");
      LOG.debug("Kafka cannot be asked how it does", e);
    }
  }

  /// @param tag its name, or empty
  private void show(String name, String description, String tag, String tagValue, double value) {
    var key = name + tagValue;
    if (values.put(key, value) == null) {
      ToDoubleFunction<Map<String, Double>> current = known -> known.getOrDefault(key, Double.NaN);
      var gauge = Gauge.builder(name, values, current).description(description);
      (tag.isEmpty() ? gauge : gauge.tag(tag, tagValue)).register(metrics);
    }
  }

  /// What is not known is no number.
  private void forget(String prefix) {
    values.replaceAll((key, value) -> key.startsWith(prefix) ? Double.NaN : value);
  }
}
