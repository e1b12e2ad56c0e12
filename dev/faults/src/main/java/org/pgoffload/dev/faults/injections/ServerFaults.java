package org.pgoffload.dev.faults.injections;

import java.time.Duration;
import java.util.List;
import org.pgoffload.dev.faults.installation.Sql;

/// PostgreSQL and Kafka, ended as a crash would, and sessions that are ended.
final class ServerFaults {
  private ServerFaults() {}

  static List<Fault> all() {
    return List.of(
        Fault.of(
            "postgres-killed",
            "PostgreSQL is stopped immediately under load, and started again",
            scene -> {
              scene.endWithCalls(scene.installation().servers().postgres()::stopImmediately);
              restartPostgres(scene);
            }),
        Fault.of(
            "postgres-killed-while-starting",
            "PostgreSQL is stopped immediately, and again twice while it starts and recovers",
            scene -> {
              var servers = scene.installation().servers();
              scene.endWithCalls(servers.postgres()::stopImmediately);
              noteStart(
                  scene,
                  servers.killPostgresWhileItStarts(
                      Duration.ofMillis(30 + scene.random().nextInt(60))));
              noteStart(
                  scene,
                  servers.killPostgresWhileItStarts(
                      Duration.ofMillis(80 + scene.random().nextInt(150))));
              restartPostgres(scene);
            }),
        Fault.of(
                "postgres-down",
                "PostgreSQL is stopped immediately and stays down for 20 s",
                scene -> {
                  scene.endWithCalls(scene.installation().servers().postgres()::stopImmediately);
                  scene.pause(Duration.ofSeconds(20));
                  restartPostgres(scene);
                })
            .lasting(Duration.ofSeconds(25)),
        Fault.of(
            "kafka-killed",
            "SIGKILL of the broker under load; it is started again",
            scene -> {
              scene.installation().servers().broker().kill();
              restartKafka(scene);
            }),
        Fault.of(
                "kafka-down",
                "SIGKILL of the broker, which stays away for 30 s",
                scene -> {
                  scene.installation().servers().broker().kill();
                  scene.pause(Duration.ofSeconds(20));
                  scene.noteProcessor(Duration.ofSeconds(10));
                  restartKafka(scene);
                })
            .lasting(Duration.ofSeconds(40)),
        Fault.of(
            "kafka-killed-while-starting",
            "SIGKILL of the broker, and again twice while it starts",
            scene -> {
              var servers = scene.installation().servers();
              servers.broker().kill();
              noteStart(
                  scene,
                  servers.killBrokerWhileItStarts(
                      Duration.ofMillis(500 + scene.random().nextInt(500))));
              noteStart(
                  scene,
                  servers.killBrokerWhileItStarts(
                      Duration.ofMillis(1200 + scene.random().nextInt(1500))));
              restartKafka(scene);
            }),
        Fault.of(
            "walsender-terminated",
            "pg_terminate_backend of the walsender, five times",
            scene -> {
              for (int i = 0; i < 5; i++) {
                scene.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity where backend_type = 'walsender'");
                scene.measureRecovery("walsender");
                scene.awaitRecovery();
              }
            }),
        Fault.of(
            "task-sessions-terminated",
            "pg_terminate_backend of all sessions of tasks, every 200 ms",
            scene -> {
              long ended = 0;
              for (int i = 0; i < 25; i++) {
                ended +=
                    scene
                        .query(
                            """
                            select pg_terminate_backend(pid) from pg_stat_activity
                            where application_name like 'pg_background:%' and state = 'active'\
                            """)
                        .size();
                scene.pause(Duration.ofMillis(200));
              }
              scene.note(ended + " sessions ended");
            }),
        Fault.of(
            "commits-wait-for-a-standby",
            "for 4 s commits are flushed and decoded, and visible to nobody",
            ServerFaults::holdCommits),
        Fault.of(
            "old-snapshot",
            "an idle transaction holds a snapshot throughout",
            ServerFaults::holdSnapshot));
  }

  private static void noteStart(Scene scene, boolean killed) {
    scene.note(killed ? "killed before it was ready" : "ready before it was killed");
  }

  private static void restartPostgres(Scene scene) {
    scene.measureRecovery("PostgreSQL");
    scene.installation().servers().startPostgres();
    scene.awaitRecovery();
  }

  private static void restartKafka(Scene scene) {
    scene.measureRecovery("Kafka");
    scene.installation().servers().startBroker();
    scene.awaitRecovery();
  }

  /// A standby that never comes. The parts' own commits do not wait for it.
  private static void holdCommits(Scene scene) throws Exception {
    scene.execute("alter system set synchronous_standby_names = 'nobody'");
    scene.execute("select pg_reload_conf()");
    try {
      scene.pause(Duration.ofSeconds(4));
    } finally {
      scene.execute("alter system reset synchronous_standby_names");
      scene.execute("select pg_reload_conf()");
    }
    scene.measureRecovery("standby given up");
    scene.awaitRecovery();
  }

  private static void holdSnapshot(Scene scene) throws Exception {
    try (var connection = scene.installation().admin().connect("faults idle")) {
      Sql.execute(connection, "begin isolation level repeatable read");
      // with an id of its own, so that the slot's horizon stays behind it as well
      Sql.execute(connection, "select pg_current_xact_id(), count(*) from pgoffload.llm_result");
      scene.measureRecovery("beside it");
      scene.awaitRecovery();
      scene.pause(Duration.ofSeconds(10));
      Sql.execute(connection, "rollback");
    }
  }
}
