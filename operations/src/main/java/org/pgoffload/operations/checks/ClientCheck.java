package org.pgoffload.operations.checks;

import java.sql.Connection;
import java.sql.SQLException;
import java.util.Optional;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.platform.Query;
import org.pgoffload.schema.InstallException;

/// Whether the server notices that the client of a waiting caller is gone. Without
/// `client_connection_check_interval` the caller waits on, with its connection, its snapshot and
/// its transaction, until its time is up; set within a statement it comes too late for that
/// statement.
public final class ClientCheck {
  private static final String INTERVAL = "2s";

  private ClientCheck() {}

  /// Looks, and changes nothing.
  ///
  /// @return what to do, if the sessions of the database do not look whether their clients are
  ///   there
  /// @throws InstallException if the database cannot be asked
  public static Optional<String> advice(DatabaseAddress database) {
    try (var connection = database.connectAsPart("pgoffload install")) {
      return statement(connection)
          .map(statement ->
              "A caller whose client is gone waits on until its time is up. Let the server look:"
                  + " pgoffload install --set-client-check, or "
                  + statement
                  + ";");
    } catch (SQLException e) {
      throw failed(e);
    }
  }

  /// Has the sessions of the database look from now on. Idempotent: an interval that is there
  /// stays.
  ///
  /// @param database the database's owner
  /// @return a line saying what changed, or empty
  /// @throws InstallException if it may not be set
  public static Optional<String> set(DatabaseAddress database) {
    try (var connection = database.connectAsPart("pgoffload install")) {
      var setting = statement(connection);
      if (setting.isPresent()) {
        Query.execute(connection, setting.get());
      }
      return setting.map(
          statement -> "set client_connection_check_interval of the database to " + INTERVAL);
    } catch (SQLException e) {
      throw failed(e);
    }
  }

  private static Optional<String> statement(Connection connection) throws SQLException {
    return Query.first(
        connection,
        "select pg_catalog.format('alter database %I set client_connection_check_interval = %L',"
            + " pg_catalog.current_database(), ?)"
            + " from pg_catalog.pg_settings s"
            // what a session of this database begins with
            + " where s.name = 'client_connection_check_interval' and s.reset_val = '0'",
        row -> row.getString(1),
        INTERVAL);
  }

  private static InstallException failed(SQLException e) {
    return new InstallException(
        "client_connection_check_interval cannot be looked at or set: " + e.getMessage(), e);
  }
}
