package org.pgoffload.connectors;

import io.debezium.jdbc.JdbcConfiguration;
import io.debezium.jdbc.JdbcConnection.ConnectionFactory;
import java.sql.Connection;
import java.sql.SQLException;
import org.postgresql.Driver;

/// Opens Debezium's connections, for Debezium, which makes it by its name.
///
/// Debezium itself would put host, port and database into a URL as they are: a name with `/`, `?`,
/// `+` or `%` would not be one any more, an address of version six would be no host, and there
/// would be no second server. Here the driver is given each as a property, and what
/// [CaptureConfiguration] says besides.
///
/// A pooler is refused, as by the parts: the first statement says whether the settings of the login
/// have arrived (`PinnedSettings.FIRST_STATEMENT`).
///
/// Stateless; safe to share between threads.
public final class OpenSession implements ConnectionFactory {
  /// The property, after `database.`, with what each session executes first, the replication
  /// connection's too. Its first row says where the session has a setting of the login from.
  static final String FIRST_STATEMENT = "first.statement";

  /// The driver's properties for several servers, or for one that Debezium takes for no host.
  static final String HOSTS = "PGHOST";

  static final String PORTS = "PGPORT";

  private static final String DATABASE = "PGDBNAME";

  @Override
  public Connection connect(JdbcConfiguration config) throws SQLException {
    var properties = config.asProperties();
    properties.putIfAbsent(HOSTS, config.getHostname());
    properties.putIfAbsent(PORTS, config.getPortAsString());
    properties.put(DATABASE, config.getDatabase());
    var first = (String) properties.remove(FIRST_STATEMENT);
    // nothing of the address is in the URL
    var connection = new Driver().connect("jdbc:postgresql://", properties);
    if (connection == null) {
      throw new SQLException("the driver does not know its own URL");
    }
    if (first == null) {
      return connection;
    }
    try (var statement = connection.createStatement()) {
      statement.execute(first);
      var rows = statement.getResultSet();
      if (rows == null || !rows.next() || !"client".equals(rows.getString(1))) {
        throw new SQLException(
            "pooled_connection: a pooler, such as PgBouncer, answers for PostgreSQL: give the"
                + " connector the address of the server itself",
            "0A000");
      }
      return connection;
    } catch (SQLException e) {
      connection.close();
      throw e;
    }
  }
}
