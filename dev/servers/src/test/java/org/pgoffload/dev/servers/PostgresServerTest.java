package org.pgoffload.dev.servers;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(120)
final class PostgresServerTest {

  private static final String PASSWORD = "a passw&rd/with = signs";

  @TempDir Path directory;

  @Test
  void isDurableDecodesLogicallyAndListensOnLoopbackAlone() throws SQLException {
    try (var server = PostgresServer.start(kept())) {
      assertThat(
              Map.of(
                  "wal_level", setting(server, "wal_level"),
                  "fsync", setting(server, "fsync"),
                  "synchronous_commit", setting(server, "synchronous_commit"),
                  "max_wal_senders", setting(server, "max_wal_senders"),
                  "max_replication_slots", setting(server, "max_replication_slots"),
                  "max_connections", setting(server, "max_connections"),
                  "client_connection_check_interval",
                      setting(server, "client_connection_check_interval"),
                  "listen_addresses", setting(server, "listen_addresses"),
                  "server_encoding", setting(server, "server_encoding"),
                  "port", setting(server, "port")))
          .isEqualTo(
              Map.of(
                  "wal_level", "logical",
                  "fsync", "on",
                  "synchronous_commit", "on",
                  "max_wal_senders", "10",
                  "max_replication_slots", "10",
                  "max_connections", "200",
                  "client_connection_check_interval", "2s",
                  "listen_addresses", "127.0.0.1",
                  "server_encoding", "UTF8",
                  "port", String.valueOf(server.port())));
    }
  }

  @Test
  void letsNobodyInWithoutThePassword() throws SQLException {
    try (var server = PostgresServer.start(kept())) {
      assertThat(
              rows(
                  server,
                  "select type, array_to_string(database, ','), address, auth_method"
                      + " from pg_catalog.pg_hba_file_rules order by rule_number"))
          .containsExactly(
              "host all 127.0.0.1 scram-sha-256",
              "host all ::1 scram-sha-256",
              "host replication 127.0.0.1 scram-sha-256",
              "host replication ::1 scram-sha-256");
      assertThatThrownBy(() ->
              DriverManager.getConnection(
                  server.jdbcUrl("postgres", "postgres", "another password")))
          .isInstanceOf(SQLException.class)
          .hasFieldOrPropertyWithValue("SQLState", "28P01");
    }
  }

  @Test
  void putsTheCallersAuthenticationLinesAndSettingsFirst() throws SQLException {
    var options =
        kept()
            .withSettings(Map.of("max_connections", "17", "application_name", "it's quoted"))
            .withAuthentication(
                List.of("host all mallory 127.0.0.1/32 reject"), List.of("map system role"));
    try (var server = PostgresServer.start(options)) {
      assertThat(setting(server, "max_connections")).isEqualTo("17");
      assertThat(rows(server, "select auth_method from pg_catalog.pg_hba_file_rules limit 1"))
          .containsExactly("reject");
      assertThat(rows(server, "select map_name from pg_catalog.pg_ident_file_mappings"))
          .containsExactly("map");
    }
  }

  @Test
  void startsTheSameClusterAgainOnTheSameDirectory() throws SQLException {
    String identifier;
    try (var first = PostgresServer.start(kept())) {
      identifier = systemIdentifier(first);
    }
    try (var second = PostgresServer.start(kept().withPort(0))) {
      assertThat(systemIdentifier(second)).isEqualTo(identifier);
    }
  }

  @Test
  void refusesASecondStartOnTheDirectoryAndNamesTheHolder() throws SQLException {
    try (var server = PostgresServer.start(kept())) {
      var refused =
          catchThrowableOfType(EmbeddedException.class, () -> PostgresServer.start(kept()));
      assertThat(refused.code()).isEqualTo(EmbeddedException.Code.DIRECTORY_IN_USE);
      assertThat(refused)
          .hasMessageContaining(directory.toString())
          .hasMessageContaining(String.valueOf(ProcessHandle.current().pid()));
      assertThat(setting(server, "wal_level")).isEqualTo("logical");
    }
  }

  @Test
  void refusesADirectoryThatAnotherProcessHoldsAlsoAfterAnEarlierRefusal() throws Exception {
    try (var holder = new Holder(PostgresHolder.class, directory)) {
      for (var attempt = 0; attempt < 2; attempt++) {
        assertThatThrownBy(() -> PostgresServer.start(kept()))
            .hasMessageContaining(directory.toString())
            .hasMessageContaining("process " + holder.process().pid());
        assertThatThrownBy(() -> PostgresServer.endOrphan(directory))
            .hasMessageContaining("process " + holder.process().pid());
      }
      assertThat(isRunning(holder.serverPid())).isTrue();
    }
  }

  @Test
  void keepsItsOwnLockAfterRefusingAnother() throws Exception {
    try (var server = PostgresServer.start(kept())) {
      assertThatThrownBy(() -> PostgresServer.start(kept())).isInstanceOf(EmbeddedException.class);
      var holder = Holder.builder(PostgresHolder.class, directory).start();
      assertThat(holder.waitFor(30, TimeUnit.SECONDS)).isTrue();
      assertThat(new String(holder.getErrorStream().readAllBytes(), UTF_8))
          .contains("in use by process " + ProcessHandle.current().pid());
      assertThat(server.isRunning()).isTrue();
    }
  }

  @Test
  void endsWithItsJvm() throws Exception {
    long serverPid;
    try (var holder = new Holder(PostgresHolder.class, directory)) {
      serverPid = holder.serverPid();
      assertThat(isRunning(serverPid)).isTrue();
    }
    assertThat(isRunning(serverPid)).isFalse();
    assertThat(directory.resolve("cluster/postmaster.pid")).doesNotExist();
  }

  @Test
  void endsTheOrphanOfAKilledJvmAndRecoversItsData() throws Exception {
    long orphan;
    try (var holder = new Holder(PostgresHolder.class, directory)) {
      orphan = holder.serverPid();
      holder.kill();
      assertThat(isRunning(orphan)).isTrue();
    }
    try (var server = PostgresServer.start(kept())) {
      assertThat(isRunning(orphan)).isFalse();
      assertThat(server.processId()).isNotEqualTo(orphan);
    }
  }

  @Test
  void endsAnOrphanWithoutStartingAnother() throws Exception {
    try (var holder = new Holder(PostgresHolder.class, directory)) {
      holder.kill();
      assertThat(PostgresServer.endOrphan(directory))
          .isEqualTo(OptionalLong.of(holder.serverPid()));
      assertThat(isRunning(holder.serverPid())).isFalse();
    }
    assertThat(PostgresServer.endOrphan(directory)).isEmpty();
  }

  @Test
  void keepsWhatWasCommittedBeforeAKill() throws SQLException {
    var first = PostgresServer.start(kept());
    execute(first, "create table kept (n integer)");
    execute(first, "insert into kept values (7)");
    first.kill();
    try (var second = PostgresServer.start(first.options())) {
      assertThat(second.port()).isEqualTo(first.port());
      assertThat(rows(second, "select n from kept")).containsExactly("7");
      execute(second, "insert into kept values (8)");
      second.stopImmediately();
      assertThat(second.isRunning()).isFalse();
    }
    try (var third = PostgresServer.start(first.options())) {
      assertThat(rows(third, "select n from kept order by n")).containsExactly("7", "8");
    }
    first.close();
  }

  @Test
  void startsAlthoughTheRecordedNumberBelongsToAnotherProcessByNow() throws Exception {
    var first = PostgresServer.start(kept());
    first.stopImmediately();
    Files.writeString(
        directory.resolve("cluster/postmaster.pid"), ProcessHandle.current().pid() + "\n");
    try (var second = PostgresServer.start(kept())) {
      assertThat(second.isRunning()).isTrue();
    }
  }

  @Test
  void closesAlthoughAClientIsBusy() throws SQLException {
    var server = PostgresServer.start(kept());
    try (var connection = DriverManager.getConnection(server.superuserUrl());
        var statement = connection.createStatement()) {
      statement.execute("begin");
      var before = System.nanoTime();
      server.close();
      assertThat(Duration.ofNanos(System.nanoTime() - before)).isLessThan(Duration.ofSeconds(30));
    } catch (SQLException e) {
      assertThat(e.getMessage()).contains("terminating connection"); // closing a cut connection
    }
    assertThat(server.isRunning()).isFalse();
  }

  @Test
  void removesATemporaryDirectoryOnCloseAlsoAfterAKill() {
    var closed = PostgresServer.start(PostgresOptions.temporary(PASSWORD));
    closed.close();
    assertThat(closed.options().directory()).doesNotExist();

    var killed = PostgresServer.start(PostgresOptions.temporary(PASSWORD));
    killed.kill();
    assertThat(killed.options().directory()).exists();
    killed.close();
    assertThat(killed.options().directory()).doesNotExist();
  }

  @Test
  void refusesTheDataOfAnotherVersion() {
    PostgresServer.start(kept()).close();
    assertThatThrownBy(() -> PostgresServer.start(kept().withVersion(PostgresVersion.V17)))
        .isInstanceOf(EmbeddedException.class)
        .hasMessageContaining("PostgreSQL 18")
        .hasMessageContaining(directory.toString());
  }

  @Test
  void tellsWhatTheLogSaysWhenItCannotStart() {
    var options = kept().withSettings(Map.of("no_such_setting", "1"));
    assertThatThrownBy(() -> PostgresServer.start(options))
        .isInstanceOf(EmbeddedException.class)
        .hasMessageContaining("unrecognized configuration parameter \"no_such_setting\"")
        .hasMessageNotContaining(PASSWORD);
    PostgresServer.start(kept()).close();
  }

  @Test
  void tellsThatAPortIsInUse() throws IOException {
    try (var taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      assertThatThrownBy(() -> PostgresServer.start(kept().withPort(taken.getLocalPort())))
          .isInstanceOf(EmbeddedException.class)
          .hasMessageContaining("Address already in use")
          .hasMessageContaining(String.valueOf(taken.getLocalPort()));
    }
  }

  @Test
  void runsAsAnotherUserWhereRootMayHaveNoNamespaceOfItsOwn() throws SQLException {
    assumeThat(ServerAccount.isRoot()).isTrue();
    try (var server = PostgresServer.start(kept(), new ServerAccount.OtherUser("nobody"))) {
      assertThat(ProcessHandle.of(server.processId()).flatMap(process -> process.info().user()))
          .contains("nobody");
      execute(server, "create table t as select 1");
    }
    try (var again = PostgresServer.start(kept(), new ServerAccount.OtherUser("nobody"))) {
      assertThat(rows(again, "select count(*) from t")).containsExactly("1");
    }
  }

  @Test
  void leavesThePasswordInNoFileAndNoText() throws IOException {
    try (var server = PostgresServer.start(kept())) {
      assertThat(server.options().toString()).doesNotContain(PASSWORD);
      var holding = new ArrayList<Path>();
      try (var files = Files.walk(directory)) {
        for (var file : files.filter(Files::isRegularFile).toList()) {
          if (new String(Files.readAllBytes(file), UTF_8).contains(PASSWORD)) {
            holding.add(file);
          }
        }
      }
      assertThat(holding).isEmpty();
    }
  }

  /// A zombie, which waits for the system's first process to notice its end, no longer runs.
  private boolean isRunning(long pid) {
    return Processes.withArgument(pid, directory.resolve("cluster").toString()).isPresent();
  }

  private PostgresOptions kept() {
    return PostgresOptions.kept(directory, PASSWORD);
  }

  private static String systemIdentifier(PostgresServer server) throws SQLException {
    return rows(server, "select system_identifier from pg_catalog.pg_control_system()").getFirst();
  }

  private static String setting(PostgresServer server, String name) throws SQLException {
    return rows(server, "select pg_catalog.current_setting('" + name + "')").getFirst();
  }

  private static void execute(PostgresServer server, String sql) throws SQLException {
    try (var connection = DriverManager.getConnection(server.superuserUrl());
        var statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }

  private static List<String> rows(PostgresServer server, String sql) throws SQLException {
    try (var connection = DriverManager.getConnection(server.superuserUrl());
        var statement = connection.createStatement();
        var result = statement.executeQuery(sql)) {
      var rows = new ArrayList<String>();
      while (result.next()) {
        var row = new ArrayList<String>();
        for (var column = 1; column <= result.getMetaData().getColumnCount(); column++) {
          row.add(result.getString(column));
        }
        rows.add(String.join(" ", row));
      }
      return rows;
    }
  }
}
