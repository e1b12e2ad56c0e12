package org.pgoffload.operations;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.clients.admin.Admin;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.pgoffload.dev.servers.PostgresVersion;
import org.pgoffload.dev.servers.kafka.KafkaCluster;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.protocol.TopicNames;
import org.pgoffload.schema.InstallException;
import org.pgoffload.schema.Session;
import org.pgoffload.schema.TestServer;
import org.pgoffload.telemetry.Telemetry;

/// What `install`, `maintain` and `status` make of three brokers, and of their failures.
@Timeout(300)
final class ThreeBrokersTest {
  private static final TopicNames TOPICS = new TopicNames("three");
  private static final Duration PATIENCE = Duration.ofSeconds(90);
  private static final TestServer POSTGRES = TestServer.of(PostgresVersion.V18);
  private static final String SLOT = "three_brokers";

  private static KafkaCluster cluster;
  private static DatabaseAddress database;

  @BeforeAll
  static void start() {
    cluster = KafkaCluster.start(KafkaCluster.temporary());
    database = POSTGRES.newEmptyDatabase();
  }

  @AfterAll
  static void end() {
    cluster.close();
    InstallSlot.remove(database, SLOT);
    POSTGRES.drop(database);
  }

  @Test
  void topicsHaveThreeReplicasAndTheirLossIsTold() throws Exception {
    var install =
        new Install(
            database,
            "public",
            null,
            SLOT,
            Duration.ofSeconds(30),
            Map.of(),
            new Install.Topics(kafka(), TOPICS, 2, (short) -1));
    install.run(_ -> {});
    assertThat(install.topicsAdvice()).isEmpty();
    try (var admin = Admin.create(kafka());
        var session = Session.open(database);
        var _ =
            MaintenanceApp.start(
                new MaintenanceConfiguration(
                    database, TOPICS, kafka(), MaintenanceConfiguration.DEFAULT_INTERVAL),
                Telemetry.none())) {
      assertThat(check(session))
          .isEqualTo("ok|maintain has not looked at the topics' replicas yet");
      await()
          .atMost(PATIENCE)
          .until(() -> check(session).startsWith("ok|when maintain last looked: all replicas"));
      assertThat(TopicReplicas.find(admin, TOPICS).brokers()).isEqualTo(3);
      assertThat(status(admin)).isEqualTo("ok");

      cluster.broker(1).kill();
      await()
          .atMost(PATIENCE)
          .until(() ->
              check(session).startsWith("warning|when maintain last looked: replicas are away"));
      assertThat(status(admin)).isEqualTo("warning");
      // two of three are enough to write
      assertThat(RecordPrimary.accept(database, kafka(), TOPICS).server().timeline()).isEqualTo(1);

      cluster.broker(2).kill();
      assertThatThrownBy(() -> RecordPrimary.accept(database, kafka(), TOPICS))
          .isInstanceOf(InstallException.class);

      cluster.startStopped();
      await()
          .atMost(PATIENCE)
          .until(() -> check(session).startsWith("ok|when maintain last looked: all replicas"));
    }
  }

  private static Map<String, Object> kafka() {
    return Map.of("bootstrap.servers", cluster.bootstrapServers());
  }

  private static String status(Admin admin)
      throws ExecutionException, InterruptedException, TimeoutException {
    return TopicReplicas.find(admin, TOPICS).check().state();
  }

  private static String check(Session session) {
    return session
        .rows("select state, detail from llm_health where \"check\" = 'replicas'")
        .getFirst();
  }
}
