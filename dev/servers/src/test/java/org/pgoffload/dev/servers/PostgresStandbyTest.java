package org.pgoffload.dev.servers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.nio.file.Path;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

@Timeout(180)
final class PostgresStandbyTest {

  private static final String PASSWORD = "it's a \\ password";

  /// The versions that differ most, as other tests have it.
  @ParameterizedTest
  @EnumSource(names = {"V15", "V18"})
  void followsItsPrimaryAndTakesItsPlace(PostgresVersion version, @TempDir Path directory)
      throws SQLException {
    try (var primary = PostgresServer.start(options(directory, "a", version))) {
      execute(primary, "create table t (n int)");
      execute(primary, "insert into t values (1)");
      var standbys = PostgresStandby.of(primary, "b");
      try (var standby = standbys.copy(primary, options(directory, "b", version))) {
        execute(primary, "insert into t values (2)");
        awaitReplayed(standby, primary);
        assertThat(number(standby, "select sum(n) from t")).isEqualTo(3);
        assertThat(number(standby, "select count(*) from pg_replication_slots")).isZero();
        assertThat(PostgresStandby.timeline(standby)).isEqualTo(1);

        // every commit is there when it returns
        standbys.awaitByCommits(primary);
        awaitNumber(primary, "select count(*) from pg_stat_replication where sync_state = 'sync'");
        execute(primary, "insert into t values (3)");
        primary.kill();

        PostgresStandby.promote(standby);
        assertThat(number(standby, "select sum(n) from t")).isEqualTo(6);
        assertThat(PostgresStandby.timeline(standby)).isEqualTo(2);
        execute(standby, "insert into t values (4)");

        // the former primary comes back as it was, and as a standby
        try (var old = PostgresServer.start(primary.options())) {
          PostgresStandby.awaitNobody(old);
          execute(old, "insert into t values (100)");
          assertThat(PostgresStandby.timeline(old)).isEqualTo(1);
          old.stop(Duration.ofSeconds(20));
          try (var again =
              PostgresStandby.of(standby, "a").copy(standby, options(directory, "a", version))) {
            awaitReplayed(again, standby);
            assertThat(number(again, "select sum(n) from t")).isEqualTo(10);
          }
        }
      }
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"V15", "V18"})
  void changesPlacesWithItsPrimaryAndBack(PostgresVersion version, @TempDir Path directory)
      throws SQLException {
    try (var first = PostgresServer.start(options(directory, "a", version));
        var second = PostgresStandby.of(first, "b").copy(first, options(directory, "b", version))) {
      execute(first, "create table t (n int)");
      execute(first, "select pg_create_logical_replication_slot('own', 'pgoutput')");
      assertThat(first.stop(Duration.ofSeconds(20))).isTrue();
      PostgresStandby.promote(second);
      execute(second, "insert into t values (1)");
      try (var rejoined = PostgresStandby.of(second, "a").rejoin(second, first.options())) {
        awaitReplayed(rejoined, second);
        assertThat(number(rejoined, "select sum(n) from t")).isEqualTo(1);
        assertThat(number(rejoined, "select count(*) from pg_replication_slots")).isZero();
        assertThat(second.stop(Duration.ofSeconds(20))).isTrue();
        PostgresStandby.promote(rejoined);
        assertThat(PostgresStandby.timeline(rejoined)).isEqualTo(3);
        assertThat(number(rejoined, "select sum(n) from t")).isEqualTo(1);
      }
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"V17", "V18"})
  void hasTheSlotsThatWereMadeForFailOver(PostgresVersion version, @TempDir Path directory)
      throws SQLException {
    try (var primary = PostgresServer.start(options(directory, "a", version));
        var standby =
            PostgresStandby.of(primary, "b").copy(primary, options(directory, "b", version))) {
      PostgresStandby.of(primary, "b").awaitBySlots(primary);
      execute(
          primary,
          "select pg_create_logical_replication_slot('pgoffload', 'pgoutput', failover => true)");
      awaitNumber(
          standby,
          "select count(*) from pg_replication_slots"
              + " where slot_name = 'pgoffload' and synced and not temporary");
      primary.stopImmediately();
      PostgresStandby.promote(standby);
      // nobody is waited for, so that the slot can be read
      assertThat(
              number(
                  standby,
                  "select count(*) from pg_logical_slot_peek_binary_changes('pgoffload', null, null,"
                      + " 'proto_version', '1', 'publication_names', 'none')"))
          .isNotNegative();
    }
  }

  private static PostgresOptions options(Path directory, String name, PostgresVersion version) {
    return PostgresOptions.kept(directory.resolve(name), PASSWORD).withVersion(version);
  }

  private static void awaitReplayed(PostgresServer standby, PostgresServer primary) {
    await()
        .atMost(Duration.ofSeconds(30))
        .until(() -> PostgresStandby.hasReplayed(standby, primary));
  }

  private static void awaitNumber(PostgresServer server, String sql) {
    await().atMost(Duration.ofSeconds(60)).until(() -> number(server, sql) > 0);
  }

  private static void execute(PostgresServer server, String sql) throws SQLException {
    try (var connection = DriverManager.getConnection(server.superuserUrl());
        var statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }

  private static long number(PostgresServer server, String sql) throws SQLException {
    try (var connection = DriverManager.getConnection(server.superuserUrl());
        var statement = connection.createStatement();
        var row = statement.executeQuery(sql)) {
      row.next();
      return row.getLong(1);
    }
  }
}
