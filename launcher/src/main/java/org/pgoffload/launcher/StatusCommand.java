package org.pgoffload.launcher;

import java.sql.SQLException;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.KafkaException;
import org.pgoffload.operations.InstallationStatus;
import org.pgoffload.operations.RecordPrimary;
import org.pgoffload.operations.TopicDeviation;
import org.pgoffload.operations.TopicReplicas;
import org.pgoffload.operations.TopicSettings;
import org.pgoffload.operations.TopicStatus;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.platform.DatabaseFault;
import org.pgoffload.platform.KafkaFault;
import org.pgoffload.protocol.TopicNames;
import org.pgoffload.schema.InstallException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/// `pgoffload status`.
@Command(
    name = "status",
    description = {
      "Says how the installation does, and what to do about each problem.",
      "Needs a login that may see llm_health: the owner's, or one of a member of llm_user,"
          + " pgbackground_role or pgoffload_operator. Exits with 1 if anything is in error."
    })
final class StatusCommand extends ConfiguredCommand {
  @Option(names = "--json", description = "Print a JSON object.")
  private boolean json;

  @Override
  public Integer call() throws InterruptedException {
    var settings = settings();
    var database = settings.database(null);
    var topics = settings.topics();
    var kafka = kafka(settings);
    settings.check();
    var address = Objects.requireNonNull(database);
    Status status;
    try {
      status = new Status(address.toString(), InstallationStatus.read(address));
    } catch (SQLException e) {
      status = Status.withoutDatabase(address.toString(), String.valueOf(e.getMessage()));
    }
    if (kafka != null) {
      try (var admin = Admin.create(kafka)) {
        status = status.with(TopicReplicas.find(admin, topics));
        status = status.with(TopicStatus.read(admin, topics), topics);
        status = withTopicSettings(status, admin, address, topics);
        status = withPrimary(status, address, kafka, topics);
      } catch (ExecutionException | TimeoutException | KafkaException e) {
        status = status.withoutKafka(KafkaFault.words(e));
      }
    }
    var out = out();
    out.print(json ? status.json() : status.text());
    out.flush();
    return status.isInError() ? 1 : 0;
  }

  private static Status withPrimary(
      Status status, DatabaseAddress database, Map<String, Object> kafka, TopicNames topics) {
    try {
      return status.with(RecordPrimary.compare(database, kafka, topics));
    } catch (InstallException e) {
      if (e.getCause() instanceof SQLException refusal
          && DatabaseFault.is(refusal, DatabaseFault.INSUFFICIENT_PRIVILEGE)) {
        // a member of llm_user may not see which server it is, and llm_health tells the rest
        return status;
      }
      return status.withoutPrimary(String.valueOf(e.getMessage()));
    }
  }

  private static Status withTopicSettings(
      Status status, Admin admin, DatabaseAddress database, TopicNames topics)
      throws InterruptedException {
    try {
      return status.withTopicSettings(
          TopicDeviation.find(admin, topics, TopicSettings.read(database)));
    } catch (ExecutionException | TimeoutException | KafkaException e) {
      return status.withoutTopicSettings(KafkaFault.words(e));
    } catch (InstallException e) {
      // that the database does not answer is said already
      return status;
    }
  }
}
