package org.pgoffload.schema;

import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.util.Map;
import java.util.Properties;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.Secret;

/// Where a PostgreSQL database is and as whom to log in. Immutable; its text form has no password.
///
/// @param host name or address of the server
/// @param port TCP port, 1 to 65535
/// @param database database name
/// @param user login role
/// @param password the role's password, or null where a certificate or a password file serves:
///   pgjdbc looks into that of `PGPASSFILE`, else into `~/.pgpass`
/// @param parameters connection parameters that pgjdbc knows, libpq's `sslmode`, `sslrootcert`,
///   `sslcert` and `sslkey` among them
public record DatabaseAddress(
    String host,
    int port,
    String database,
    String user,
    @Nullable Secret password,
    Map<String, String> parameters) {

  public DatabaseAddress {
    if (host.isBlank() || database.isBlank() || user.isBlank()) {
      throw new IllegalArgumentException("a database address names host, database and user");
    }
    if (port < 1 || port > 65535) {
      throw new IllegalArgumentException("port " + port + " is not from 1 to 65535");
    }
    parameters = Map.copyOf(parameters);
  }

  /// Reads a libpq connection URI, `postgresql://user:password@host:port/database?sslmode=…`.
  ///
  /// @throws IllegalArgumentException if it is none; the message never contains the URI
  public static DatabaseAddress parse(String uri) {
    var form = "postgresql://user[:password]@host/database";
    var parsed = DatabaseUri.parse(uri, form);
    var user = parsed.user();
    if (user == null) {
      throw new IllegalArgumentException("it must be " + form);
    }
    return new DatabaseAddress(
        parsed.host(),
        parsed.port(),
        parsed.database() == null ? user : parsed.database(),
        user,
        parsed.password(),
        parsed.parameters());
  }

  /// The same place, another login.
  public DatabaseAddress as(String otherUser, @Nullable Secret otherPassword) {
    return new DatabaseAddress(host, port, database, otherUser, otherPassword, parameters);
  }

  /// The same place and login, other connection parameters.
  public DatabaseAddress withParameters(Map<String, String> otherParameters) {
    return new DatabaseAddress(host, port, database, user, password, otherParameters);
  }

  /// The JDBC URL, without user, password or parameters.
  public String jdbcUrl() {
    return "jdbc:postgresql://"
        + DatabaseUri.bracketed(host)
        + ":"
        + port
        + "/"
        + URLEncoder.encode(database, StandardCharsets.UTF_8);
  }

  /// The libpq URI with its password: for the person who runs an installation of their own.
  public String uri() {
    return new DatabaseUri(host, port, database, user, password, parameters).text();
  }

  /// pgjdbc's connection properties.
  public Properties properties(String applicationName) {
    var properties = new Properties();
    properties.setProperty("user", user);
    if (password != null) {
      properties.setProperty("password", password.reveal());
    }
    properties.setProperty("ApplicationName", applicationName);
    // a server that has vanished is noticed, rather than waited for
    properties.setProperty("tcpKeepAlive", "true");
    properties.setProperty("connectTimeout", "10");
    parameters.forEach(properties::setProperty);
    return properties;
  }

  /// Opens a connection that shows as `applicationName` in pg_stat_activity.
  public Connection connect(String applicationName) throws SQLException {
    return DriverManager.getConnection(jdbcUrl(), properties(applicationName));
  }

  @Override
  public String toString() {
    return user + "@" + host + ":" + port + "/" + database;
  }
}
