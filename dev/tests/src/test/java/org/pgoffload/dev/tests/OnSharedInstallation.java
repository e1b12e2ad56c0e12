package org.pgoffload.dev.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.pgoffload.dev.tests.Sql.execute;
import static org.pgoffload.dev.tests.Sql.value;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.extension.ExtendWith;
import org.postgresql.util.PSQLException;

/// Tests on the [SharedInstallation], each with a session of the role `app`.
@ExtendWith(SharedInstallation.Extension.class)
abstract class OnSharedInstallation {
  static final Duration PATIENCE = Duration.ofSeconds(60);

  SharedInstallation shared;
  TestInstallation installation;
  Connection app;

  @BeforeEach
  final void connect(SharedInstallation shared) throws SQLException {
    this.shared = shared;
    installation = shared.installation();
    app = installation.application().connect("test");
    // a statement that hangs ends the test, not the build
    execute(app, "set statement_timeout = '2min'");
  }

  @AfterEach
  final void disconnect() throws SQLException {
    app.close();
  }

  /// The id of a new request.
  ///
  /// @param what such as `llm_request (prompt) values ('p')`
  final String insert(String what) throws SQLException {
    return value(app, "insert into " + what + " returning id");
  }

  final String ask(String prompt) throws SQLException {
    return insert("llm_request (prompt) values ('" + prompt + "')");
  }

  /// The states of requests, once each has its result.
  static String waitFor(Connection connection, String id) throws SQLException {
    return value(connection, "select status from llm_wait(array[" + id + "::bigint], '30 s')");
  }

  final String waitFor(String id) throws SQLException {
    return waitFor(app, id);
  }

  final void assertRaises(String state, String words, String sql) {
    assertRaises(app, state, words, sql);
  }

  static void assertRaises(Connection connection, String state, String words, String sql) {
    assertThatThrownBy(() -> execute(connection, sql))
        .as(sql)
        .isInstanceOfSatisfying(
            PSQLException.class,
            e -> assertThat(e.getSQLState()).as(sql + ": " + e.getMessage()).isEqualTo(state))
        .hasMessageContaining(words);
  }
}
