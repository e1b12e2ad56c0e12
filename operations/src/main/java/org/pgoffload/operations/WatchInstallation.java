package org.pgoffload.operations;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeoutException;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.KafkaException;
import org.pgoffload.platform.ConnectAsPart;
import org.pgoffload.platform.KafkaFault;
import org.pgoffload.schema.InstallException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Measures what belongs to no single part: what `llm_health` says, the queue, and how far the
/// consumers have come.
///
/// Safe to share between threads.
final class WatchInstallation implements Runnable {
  private static final Logger LOG = LoggerFactory.getLogger(WatchInstallation.class);

  private static final Duration INTERVAL = Duration.ofSeconds(15);

  private static final ObjectMapper JSON = new ObjectMapper();

  private final MaintenanceConfiguration configuration;
  private final ConnectAsPart database;
  private final MeterRegistry metrics;
  private final Map<String, Double> values = new ConcurrentHashMap<>();

  /// As it was logged last; its own thread's alone.
  private String settingsFault = "";

  private String replicasFault = "";

  /// Whether a worker executes background SQL, as the database said last; its own thread's alone.
  private boolean executesSql = true;

  /// @param database the recorded primary, with the owner's login
  WatchInstallation(
      MaintenanceConfiguration configuration, ConnectAsPart database, MeterRegistry metrics) {
    this.configuration = configuration;
    this.database = database;
    this.metrics = metrics;
  }

  @Override
  public void run() {
    try {
      while (true) {
        try (var admin = Admin.create(configuration.kafka())) {
          while (true) {
            lookAtDatabase();
            lookAtTopics(admin);
            lookAtReplicas(admin);
            lookAtSettings(admin);
            Thread.sleep(INTERVAL);
          }
        } catch (RuntimeException e) {
          LOG.warn("The installation cannot be watched; trying again: {}", KafkaFault.words(e));
        }
        Thread.sleep(INTERVAL);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void lookAtDatabase() {
    try {
      var status = InstallationStatus.read(database);
      executesSql = status.executesSql();
      for (var check : status.checks()) {
        show(
            "pgoffload.health",
            "What llm_health says: 0 ok, 1 warning, 2 error",
            Tags.of("check", check.name()),
            List.of("ok", "warning", "error").indexOf(check.state()));
      }
      show(
          "pgoffload.queue.requests",
          "Requests that wait for a worker; where pgoffload.queue.capped is 1, at least so many",
          Tags.empty(),
          (double) status.queue().waiting());
      show(
          "pgoffload.queue.oldest.seconds",
          "How long the oldest of them has waited; 0 if there is none",
          Tags.empty(),
          status.queue().oldestSeconds());
      show(
          "pgoffload.queue.capped",
          "1 if there are too many requests to look at all of them: more may wait, and for longer",
          Tags.empty(),
          status.queue().atLeast() ? 1 : 0);
    } catch (SQLException e) {
      forget("pgoffload.health");
      forget("pgoffload.queue");
      LOG.debug("The database cannot be asked how it does", e);
    }
  }

  private void lookAtTopics(Admin admin) throws InterruptedException {
    try {
      var topics = TopicStatus.read(admin, configuration.topics());
      for (var lag : topics.lags()) {
        show(
            "pgoffload.consumer.lag",
            "Records of the topic that the group has not finished",
            Tags.of("topic", lag.topic(), "group", lag.group()),
            (double) lag.records());
      }
      show(
          "pgoffload.dead.letters.kept",
          "Dead letters on their topic",
          Tags.empty(),
          (double) topics.deadLetters());
      var unread = executesSql ? 0 : topics.unfinished(configuration.topics().sqlRequests());
      RecordSetting.run(database, "unread_sql", Long.toString(unread));
    } catch (InstallException e) {
      LOG.debug("The database cannot be told of the SQL that waits", e);
    } catch (ExecutionException | TimeoutException | KafkaException e) {
      forget("pgoffload.consumer.lag");
      forget("pgoffload.dead.letters.kept");
      LOG.debug("Kafka cannot be asked how it does", e);
    }
  }

  /// Records its findings for `llm_health`, as those of the settings.
  private void lookAtReplicas(Admin admin) throws InterruptedException {
    try {
      var replicas = TopicReplicas.find(admin, configuration.topics());
      showPartitions("offline", replicas.offline());
      showPartitions("below_minimum", replicas.belowMinimum());
      showPartitions("behind", replicas.behind());
      var check = replicas.check();
      var fault = check.state().equals("ok") ? "" : check.detail();
      if (!fault.equals(replicasFault)) {
        LOG.warn("Replicas of the topics: {}", check.detail());
      }
      replicasFault = fault;
      RecordSetting.run(database, "topic_replicas", JSON.writeValueAsString(check));
    } catch (InstallException | JsonProcessingException e) {
      LOG.debug("The database cannot be told of the topics' replicas", e);
    } catch (ExecutionException | TimeoutException | KafkaException e) {
      forget("pgoffload.partitions");
      LOG.debug("Kafka cannot be asked for the topics' replicas", e);
    }
  }

  private void showPartitions(String state, List<String> partitions) {
    show(
        "pgoffload.partitions",
        "Partitions of the topics without a leader, without enough in-sync replicas to be written, or"
            + " with a replica that is behind",
        Tags.of("state", state),
        partitions.size());
  }

  /// Records its findings for `llm_health`.
  private void lookAtSettings(Admin admin) throws InterruptedException {
    String fault;
    try {
      var deviations =
          TopicDeviation.find(admin, configuration.topics(), TopicSettings.read(database));
      TopicSettings.recordDeviations(database, deviations);
      fault = deviations.stream().map(TopicDeviation::text).collect(Collectors.joining("; "));
      if (!fault.isEmpty() && !fault.equals(settingsFault)) {
        LOG.error(
            "With these settings of topics requests or results can be lost; run pgoffload install,"
                + " which sets them: {}",
            fault);
      }
    } catch (ExecutionException | TimeoutException | KafkaException e) {
      fault = KafkaFault.words(e);
      if (!fault.equals(settingsFault)) {
        LOG.warn("The settings of the topics cannot be looked at: {}", fault);
      }
    } catch (InstallException e) {
      LOG.debug("The database cannot be asked what the topics need", e);
      return;
    }
    settingsFault = fault;
  }

  private void show(String name, String description, Tags tags, double value) {
    var key = name + tags;
    if (values.put(key, value) == null) {
      ToDoubleFunction<Map<String, Double>> current = known -> known.getOrDefault(key, Double.NaN);
      Gauge.builder(name, values, current).description(description).tags(tags).register(metrics);
    }
  }

  /// An unknown number is null.
  private void forget(String prefix) {
    values.replaceAll((key, value) -> key.startsWith(prefix) ? Double.NaN : value);
  }
}
