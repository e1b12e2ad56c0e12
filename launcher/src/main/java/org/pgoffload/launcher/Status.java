package org.pgoffload.launcher;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.pgoffload.operations.InstallationStatus;
import org.pgoffload.operations.RecordPrimary;
import org.pgoffload.operations.TopicDeviation;
import org.pgoffload.operations.TopicReplicas;
import org.pgoffload.operations.TopicStatus;
import org.pgoffload.operations.deadletters.Printable;
import org.pgoffload.protocol.TopicNames;

/// How an installation does, for people and for programs.
///
/// Longer than 300 lines because it has both forms of every check, the text and the JSON.
///
/// @param database its place, without a password
/// @param checks those of the database, and of Kafka if it was asked
/// @param queue null if the database was not asked
/// @param topics null if Kafka was not asked, or did not answer
record Status(
    String database,
    List<InstallationStatus.Check> checks,
    InstallationStatus.@Nullable Queue queue,
    List<InstallationStatus.Worker> workers,
    @Nullable TopicStatus topics) {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String ERROR = "error";
  private static final String PRIMARY = "primary";
  private static final String TOPICS = "topics";

  Status {
    checks = List.copyOf(checks);
    workers = List.copyOf(workers);
  }

  Status(String database, InstallationStatus installation) {
    this(database, installation.checks(), installation.queue(), installation.workers(), null);
  }

  /// When the database says nothing.
  static Status withoutDatabase(String database, String fault) {
    var check =
        new InstallationStatus.Check(
            "database",
            ERROR,
            "the database cannot be asked: " + fault,
            "See whether it runs, whether pgoffload is installed there, and whether this login is the"
                + " owner's or a member of llm_user.");
    return new Status(database, List.of(check), null, List.of(), null);
  }

  /// With what Kafka says.
  Status with(TopicStatus found, TopicNames names) {
    long letters = found.deadLetters();
    var check =
        letters == 0
            ? new InstallationStatus.Check("dead-letters", "ok", "there are none", null)
            : new InstallationStatus.Check(
                "dead-letters",
                "warning",
                letters + (letters == 1 ? " is" : " are") + " kept on " + names.deadLetters(),
                "Look at them with: pgoffload dead-letters list");
    return with(check, found).withUnreadSql(found.unfinished(names.sqlRequests()));
  }

  /// What was launched at once is known to Kafka alone until a worker has read it.
  private Status withUnreadSql(long unread) {
    boolean isRead = unread == 0 || InstallationStatus.executesSql(workers);
    return isRead || workers.stream().noneMatch(InstallationStatus.Worker::alive)
        ? this
        : with(
            new InstallationStatus.Check(
                "sql",
                "warning",
                "requests for SQL wait in Kafka ("
                    + unread
                    + "), and no worker that is alive executes any",
                "Start a worker with PGOFFLOAD_SQL_DATABASE_URL set."),
            topics);
  }

  /// With what Kafka says of the topics' replicas.
  Status with(TopicReplicas replicas) {
    return with(replicas.check(), topics);
  }

  /// With the present settings of the topics, instead of those that the database has recorded.
  Status withTopicSettings(List<TopicDeviation> deviations) {
    return with(
        deviations.isEmpty()
            ? new InstallationStatus.Check(
                TOPICS, "ok", "the topics have the settings that they need", null)
            : new InstallationStatus.Check(
                TOPICS,
                ERROR,
                "with these settings of topics requests or results can be lost: "
                    + deviations.stream()
                        .map(TopicDeviation::text)
                        .collect(Collectors.joining("; ")),
                "Run pgoffload install: it sets them, or says why they cannot be set."),
        topics);
  }

  /// With what the record of the primary says of the server.
  Status with(RecordPrimary.Comparison found) {
    var refusal = found.refusal();
    return with(
        refusal == null
            ? new InstallationStatus.Check(
                PRIMARY, "ok", "the server is the recorded primary; " + followers(found), null)
            : new InstallationStatus.Check(
                PRIMARY,
                ERROR,
                refusal.getMessage() + "; " + followers(found),
                "See what there is to choose with: pgoffload promote"),
        topics);
  }

  /// With why the server cannot be compared with the record of the primary.
  Status withoutPrimary(String fault) {
    return with(
        new InstallationStatus.Check(
            PRIMARY,
            "warning",
            fault,
            "Give this login the right to read topic control: pgoffload acls --part maintain."),
        topics);
  }

  private static String followers(RecordPrimary.Comparison found) {
    var names = found.state().parts().keySet();
    return names.isEmpty()
        ? "no part has said that it follows it"
        : names.size() + " follow it: " + String.join(", ", new TreeSet<>(names));
  }

  /// With why the settings of the topics are not known.
  Status withoutTopicSettings(String fault) {
    return with(
        new InstallationStatus.Check(
            TOPICS,
            "warning",
            "the settings of the topics cannot be looked at: " + fault,
            "Give this login the right to describe them: pgoffload acls --part maintain."),
        topics);
  }

  /// With why Kafka says nothing.
  Status withoutKafka(String fault) {
    return with(
        new InstallationStatus.Check(
            "kafka",
            ERROR,
            "Kafka cannot be asked: " + fault,
            "See whether it runs, whether KAFKA_BOOTSTRAP_SERVERS is right, and whether this login may"
                + " describe topics and groups; run pgoffload install if a topic is missing."),
        null);
  }

  /// Instead of what the database has recorded.
  private Status with(InstallationStatus.Check check, @Nullable TopicStatus found) {
    var all = new ArrayList<>(checks);
    all.removeIf(other -> other.name().equals(check.name()));
    all.add(check);
    return new Status(database, all, queue, workers, found);
  }

  boolean isInError() {
    return checks.stream().anyMatch(check -> check.state().equals(ERROR));
  }

  /// The worst of all checks.
  String state() {
    for (var state : List.of(ERROR, "warning")) {
      if (checks.stream().anyMatch(check -> check.state().equals(state))) {
        return state;
      }
    }
    return "ok";
  }

  String json() {
    var json = JSON.createObjectNode();
    json.put("state", state());
    json.put("database", database);
    var checked = json.putArray("checks");
    for (var check : checks) {
      checked
          .addObject()
          .put("check", check.name())
          .put("state", check.state())
          .put("detail", check.detail())
          .put("advice", check.advice());
    }
    if (queue == null) {
      json.putNull("queue");
    } else {
      json.putObject("queue")
          .put("waiting", queue.waiting())
          .put("oldest_seconds", queue.oldestSeconds())
          .put("at_least", queue.atLeast());
    }
    var registered = json.putArray("workers");
    for (var worker : workers) {
      registered
          .addObject()
          .put("name", worker.name())
          .put("alive", worker.alive())
          .put("provider", worker.provider())
          .put("model", worker.model())
          .put("version", worker.version())
          .put("in_flight", worker.inFlight())
          .put("heartbeat_age_seconds", worker.heartbeatAge())
          .set("doing", worker.doing());
    }
    if (topics == null) {
      json.putNull("topics");
      json.putNull("dead_letters");
    } else {
      var lags = json.putArray("topics");
      for (var lag : topics.lags()) {
        lags.addObject()
            .put("topic", lag.topic())
            .put("group", lag.group())
            .put("lag", lag.records());
      }
      json.put("dead_letters", topics.deadLetters());
    }
    return json.toPrettyString() + "\n";
  }

  String text() {
    var text = new StringBuilder("pgoffload in " + database + ": " + state() + "\n\n");
    for (var check : checks) {
      line(
          text,
          String.format(
              Locale.ROOT, "  %-8s %-13s %s", check.state(), check.name(), check.detail()));
      if (check.advice() != null) {
        line(text, String.format(Locale.ROOT, "  %-8s %-13s -> %s", "", "", check.advice()));
      }
    }
    if (queue != null) {
      text.append('\n');
      line(
          text,
          queue.waiting() == 0
              ? queue.atLeast()
                  ? "Of the newest and of the oldest requests, none waits for a worker."
                  : "No request waits for a worker."
              : String.format(
                  Locale.ROOT,
                  "Waiting for a worker: %1$s%2$d, the oldest for %1$s%3$.1f s.",
                  queue.atLeast() ? "at least " : "",
                  queue.waiting(),
                  queue.oldestSeconds()));
    }
    workers(text);
    if (topics != null) {
      text.append('\n');
      line(
          text,
          String.format(Locale.ROOT, "  %-32s %-32s %12s", "topic", "read by", "not finished"));
      for (var lag : topics.lags()) {
        line(
            text,
            String.format(
                Locale.ROOT, "  %-32s %-32s %12d", lag.topic(), lag.group(), lag.records()));
      }
    }
    return text.toString();
  }

  private void workers(StringBuilder text) {
    if (workers.isEmpty()) {
      return;
    }
    text.append('\n');
    line(
        text,
        String.format(
            Locale.ROOT,
            "  %-28s %-5s %9s %10s %9s %9s %6s  %s",
            "worker",
            "state",
            "in flight",
            "unfinished",
            "results",
            "calls",
            "429s",
            "provider, model, version"));
    for (var worker : workers) {
      line(
          text,
          String.format(
              Locale.ROOT,
              "  %-28s %-5s %9d %10s %9s %9s %6s  %s, %s, %s",
              worker.name(),
              worker.alive() ? "alive" : "gone",
              worker.inFlight(),
              worker.said("unfinished"),
              worker.said("results"),
              worker.said("calls"),
              worker.said("rate_limited"),
              worker.provider(),
              worker.model(),
              worker.version()));
    }
  }

  /// Everything here may come from a database that others write to.
  private static void line(StringBuilder text, String line) {
    text.append(Printable.line(line).stripTrailing()).append('\n');
  }
}
