package org.pgoffload.operations;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Properties;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.pgoffload.dev.servers.PostgresOptions;
import org.pgoffload.dev.servers.PostgresServer;
import org.pgoffload.dev.servers.PostgresStandby;
import org.pgoffload.operations.checks.StandbyCheck;
import org.pgoffload.schema.InstallSchema;
import org.pgoffload.schema.Session;
import org.pgoffload.schema.TestServer;
import org.postgresql.PGConnection;
import org.postgresql.PGProperty;
import org.postgresql.replication.LogSequenceNumber;

/// What a primary says of its standbys, on a server of its own, whose settings change.
@Timeout(180)
final class StandbyHealthTest {
  private static final String NONE = "ok|no standby is connected or configured|null";

  private static final String GONE = "warning|no standby reads from slot standby";

  private static final String DELIVERED =
      """
      select count(*) from pg_logical_slot_peek_binary_changes(
        'own', null, null, 'proto_version', '1', 'publication_names', 'pgoffload', 'messages', 'true')
      """;

  @AutoClose private final PostgresServer primary = PostgresServer.start(options());

  @AutoClose private Session admin;

  @BeforeEach
  void install() {
    var address = TestServer.address(primary, "postgres", "postgres");
    InstallSchema.run(address, "public");
    InstallSlot.run(address, "own", Duration.ofSeconds(30), _ -> {});
    InstallSlot.record(address, "own");
    admin = Session.open(address);
  }

  /// @param names as in synchronized_standby_slots
  private record Awaited(String names, String fault, String advice) {}

  private static final List<Awaited> AWAITED =
      List.of(
          new Awaited(
              "missing",
              "there is no slot 'missing'",
              "Make it (select pg_create_physical_replication_slot('missing')) and start the"
                  + " standby with that primary_slot_name."),
          new Awaited(
              "own",
              "slot own is no standby's",
              "Name the physical slot of the standby instead of the logical slot own."),
          new Awaited(
              "another",
              "slot another is no standby's",
              "Name the physical slot of the standby instead of the logical slot another."),
          new Awaited(
              "away, AWAY",
              "no standby reads from slot away",
              "Start the standby with primary_slot_name = 'away'."),
          new Awaited(
              "Away, \"missing\"",
              "no standby reads from slot away, there is no slot 'missing'",
              "Start the standby with primary_slot_name = 'away'. Make it (select"
                  + " pg_create_physical_replication_slot('missing')) and start the standby with"
                  + " that primary_slot_name."));

  @Test
  void saysThatNothingIsCapturedWhileTheSlotWaitsForAStandbyThatDoesNotCome() {
    admin.run("select pg_create_physical_replication_slot('away', true)");
    admin.run("select pg_create_logical_replication_slot('another', 'pgoutput')");
    admin.run("alter system set max_slot_wal_keep_size = '1GB'");
    assertThat(check("capture")).startsWith("warning|nobody reads");
    assertThat(check("standby")).isEqualTo(unread("away"));
    for (var awaited : AWAITED) {
      waitFor(awaited.names);
      admin.run("select pg_logical_emit_message(false, 'test', 'x', true)");
      var takeOut =
          awaited.advice
              + " Or take the name out of synchronized_standby_slots (alter system, then select"
              + " pg_reload_conf())";
      assertThat(check("capture"))
          .startsWith(
              "error|replication slot own delivers nothing: it waits for each standby in"
                  + " synchronized_standby_slots, and "
                  + awaited.fault
                  + ". It retains ")
          .containsPattern(
              "retains \\d+ .* of WAL; beyond max_slot_wal_keep_size = 1GB it is lost\\|")
          .endsWith("|" + takeOut + ": then requests are captured before that standby has them.");
      assertThat(check("standby"))
          .isEqualTo(
              "error|nothing is captured until each standby in synchronized_standby_slots has it,"
                  + " and "
                  + awaited.fault
                  + "|"
                  + takeOut
                  + ".");
      assertThat(StandbyCheck.advice(TestServer.address(primary, "postgres", "postgres"), "own"))
          .hasValueSatisfying(advice -> assertThat(advice).contains(takeOut));
      // the server waits until it is told that it need not
      admin.run("set statement_timeout = '1s'");
      assertThat(admin.refused(DELIVERED).state()).isEqualTo("57014");
      admin.run("reset statement_timeout");
    }
    waitFor("");
    assertThat(check("capture")).startsWith("warning|nobody reads");
    assertThat(check("standby")).isEqualTo(unread("away"));
    assertThat(admin.number(DELIVERED)).isPositive();
  }

  @Test
  void saysThatCommitsWaitForAStandbyThatIsNotConnected() {
    admin.run("set synchronous_commit = local");
    set(admin, "synchronous_standby_names", "standby");
    await()
        .untilAsserted(() ->
            assertThat(check("standby"))
                .startsWith("error|commits wait for a standby")
                .contains("none is connected|Start it"));
    set(admin, "synchronous_standby_names", "");
    await().until(() -> check("standby").equals(NONE));
  }

  private static String unread(String slot) {
    return "ok|no standby is connected, and nobody reads from slot "
        + slot
        + ": of a backup, or of a standby without hot_standby_feedback|null";
  }

  @Test
  void takesNoBackupForAStandby() throws SQLException {
    admin.run("select pg_create_physical_replication_slot('backup', true)");
    assertThat(check("standby")).isEqualTo(unread("backup"));
    var properties = new Properties();
    PGProperty.USER.set(properties, "postgres");
    PGProperty.REPLICATION.set(properties, "true");
    PGProperty.ASSUME_MIN_SERVER_VERSION.set(properties, "15");
    PGProperty.PREFER_QUERY_MODE.set(properties, "simple");
    // as pg_receivewal does
    try (var connection =
            DriverManager.getConnection(
                primary.jdbcUrl("postgres", "postgres", "postgres"), properties);
        var stream =
            connection
                .unwrap(PGConnection.class)
                .getReplicationAPI()
                .replicationStream()
                .physical()
                .withSlotName("backup")
                .withStartPosition(
                    LogSequenceNumber.valueOf(admin.value("select pg_current_wal_lsn()")))
                .start()) {
      stream.setFlushedLSN(stream.getLastReceiveLSN());
      stream.forceUpdateStatus();
      await()
          .until(() ->
              admin.number("select count(*) from pg_stat_replication where flush_lsn is not null")
                  == 1);
      assertThat(check("standby")).isEqualTo(NONE);
    }
  }

  @Test
  void saysWhatAStandbyNeedsUntilItHasIt() throws SQLException {
    var following = PostgresStandby.of(primary, "standby");
    try (var standby = following.copy(primary, options());
        var onStandby = Session.open(TestServer.address(standby, "postgres", "postgres"))) {
      await().until(() -> check("standby").contains("synchronized_standby_slots is empty"));
      assertThat(check("standby")).startsWith("warning|").contains("(standby)");
      following.awaitBySlots(primary);
      await().until(() -> check("standby").startsWith("ok|no commit waits for a standby"));
      set(onStandby, "hot_standby_feedback", "off");
      // the standby tells it every 10 s
      await()
          .atMost(Duration.ofSeconds(30))
          .until(() -> check("standby").contains("Set hot_standby_feedback"));
      set(onStandby, "hot_standby_feedback", "on");
      following.awaitByCommits(primary);
      await().until(() -> check("standby").startsWith("ok|commits wait for the standbys"));

      set(onStandby, "primary_slot_name", "");
      await().until(() -> check("standby").contains("no standby reads from slot standby"));
      PostgresStandby.awaitNobody(primary);
      await().until(() -> check("standby").startsWith(GONE));
      admin.run("select pg_drop_replication_slot('standby')");
      await().until(() -> check("standby").contains("a standby has no physical slot"));
      admin.run("select pg_create_physical_replication_slot('standby', true)");
      set(onStandby, "primary_slot_name", "standby");
      await()
          .until(() ->
              admin.number("select count(*) from pg_replication_slots where xmin is not null")
                  == 1);
      assertThat(check("standby")).contains("synchronized_standby_slots is empty");
    }
    await()
        .untilAsserted(() ->
            assertThat(check("standby"))
                .startsWith(GONE)
                .contains("Start that standby", "select pg_drop_replication_slot('standby')"));
  }

  private static PostgresOptions options() {
    return PostgresOptions.temporary("postgres")
        .withAuthentication(
            List.of("host all all 127.0.0.1/32 trust", "host replication all 127.0.0.1/32 trust"),
            List.of());
  }

  private void waitFor(String standbys) {
    set(admin, "synchronized_standby_slots", standbys);
    await().until(() -> standbys.equals(admin.value("show synchronized_standby_slots")));
  }

  private static void set(Session session, String setting, String value) {
    session.run("alter system set " + setting + " = '" + value + "'");
    session.run("select pg_reload_conf()");
  }

  private String check(String name) {
    return admin
        .rows("select state, detail, advice from llm_health where \"check\" = ?", name)
        .getFirst();
  }
}
