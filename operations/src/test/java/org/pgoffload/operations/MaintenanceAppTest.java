package org.pgoffload.operations;

import static org.awaitility.Awaitility.await;

import java.time.Duration;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.pgoffload.dev.servers.PostgresVersion;
import org.pgoffload.dev.servers.kafka.TestBroker;
import org.pgoffload.protocol.TopicNames;
import org.pgoffload.schema.InstalledDatabase;
import org.pgoffload.telemetry.Telemetry;

final class MaintenanceAppTest {
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  @AutoClose private final InstalledDatabase database = new InstalledDatabase(PostgresVersion.V18);
  @AutoClose private final TestBroker broker = TestBroker.shared();

  @Test
  void breaksOffWhatRunsWhenAnotherServerIsRecorded() throws Exception {
    var topics = new TopicNames("maintained");
    InstallTopics.run(broker.address(), topics, 1, (short) 1, 1 << 20, Duration.ofDays(7));
    RecordPrimary.install(database.address(), broker.address(), topics);
    // no slot is made
    database.execute("delete from pgoffload.setting where name = 'slot'");
    try (var other = database.address().connect("test");
        var statement = other.createStatement()) {
      other.setAutoCommit(false);
      statement.execute("lock table pgoffload.signing_key in share mode");
      try (var _ =
          MaintenanceApp.start(
              new MaintenanceConfiguration(
                  database.address(), topics, broker.address(), Duration.ofHours(1)),
              Telemetry.none())) {
        await().atMost(PATIENCE).until(() -> waiting() == 1);
        RecordPrimary.accept(database.address(), broker.address(), topics);
        await().atMost(PATIENCE).until(() -> waiting() == 0);
      }
    }
  }

  @Test
  void aRoundThatFailsIsTriedAgainSoon() throws Exception {
    var topics = new TopicNames("maintained-later");
    InstallTopics.run(broker.address(), topics, 1, (short) 1, 1 << 20, Duration.ofDays(7));
    database.execute("delete from pgoffload.setting where name = 'slot'");
    try (var app =
        MaintenanceApp.start(
            new MaintenanceConfiguration(
                database.address(), topics, broker.address(), Duration.ofHours(1)),
            Telemetry.none())) {
      await().atMost(PATIENCE).until(() -> detail(app).contains("could not be done"));
      RecordPrimary.install(database.address(), broker.address(), topics);
      await().atMost(PATIENCE).until(() -> detail(app).contains("looks every"));
    }
  }

  private static String detail(MaintenanceApp app) {
    return app.health().detail();
  }

  /// Sessions that have no limit to their time.
  private long waiting() {
    return Long.parseLong(
        database.query(
            "select count(*) from pg_stat_activity where datname = current_database()"
                + " and application_name = 'pgoffload rotate-key' and wait_event_type = 'Lock'"));
  }
}
