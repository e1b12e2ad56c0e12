package org.pgoffload.worker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.sql.Connection;
import java.sql.SQLException;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.pgoffload.platform.primary.FollowPrimary;

final class OpenPoolTest {
  @AutoClose private static final TestInstallation installation = TestInstallation.start();

  private static FollowPrimary follow() {
    return FollowPrimary.start(
        installation.worker(), installation.kafka(), installation.newTopics(1), "worker w");
  }

  @Test
  void aSessionThatCannotWriteIsNotUsedAgain() throws SQLException {
    try (var primary = follow();
        var pool =
            OpenPool.open(installation.configuration("w"), primary, new SimpleMeterRegistry())) {
      int first;
      try (var connection = pool.getConnection();
          var statement = connection.createStatement()) {
        first = pid(connection);
        statement.execute("set default_transaction_read_only = on");
        assertThatThrownBy(() -> statement.execute("create temporary sequence refused"))
            .hasFieldOrPropertyWithValue("SQLState", "25006");
      }
      try (var connection = pool.getConnection()) {
        assertThat(pid(connection)).isNotEqualTo(first);
      }
    }
  }

  /// Whatever needs one first waits for two seconds only.
  @Test
  void hasASessionWhenItIsOpen() {
    try (var primary = follow();
        var pool =
            OpenPool.open(installation.configuration("w"), primary, new SimpleMeterRegistry())) {
      assertThat(pool.getHikariPoolMXBean().getTotalConnections()).isPositive();
    }
  }

  @Test
  void sessionsHaveTheirOwnSettings() throws SQLException {
    installation.execute("alter role pgoffload_worker set default_transaction_read_only = on");
    installation.execute("alter role pgoffload_worker set transaction_timeout = '30s'");
    try (var primary = follow();
        var pool =
            OpenPool.open(installation.configuration("w"), primary, new SimpleMeterRegistry());
        var connection = pool.getConnection()) {
      assertThat(setting(connection, "default_transaction_read_only")).isEqualTo("off");
      assertThat(setting(connection, "transaction_timeout")).isEqualTo("0");
      assertThat(setting(connection, "statement_timeout")).isEqualTo("10s");
    } finally {
      installation.execute("alter role pgoffload_worker reset all");
    }
  }

  private static int pid(Connection connection) throws SQLException {
    return Integer.parseInt(text(connection, "select pg_backend_pid()"));
  }

  private static String setting(Connection connection, String name) throws SQLException {
    return text(connection, "select current_setting('" + name + "')");
  }

  private static String text(Connection connection, String sql) throws SQLException {
    try (var statement = connection.createStatement();
        var row = statement.executeQuery(sql)) {
      row.next();
      return String.valueOf(row.getString(1));
    }
  }
}
