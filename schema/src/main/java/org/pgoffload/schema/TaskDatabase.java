package org.pgoffload.schema;

import java.util.Map;
import java.util.Set;

/// Where the worker runs the tasks of background SQL: a database without a login, since each task
/// is run by a session of the role that launched it. Immutable; its text form has no parameters.
///
/// @param host name or address of the server
/// @param port TCP port, 1 to 65535
/// @param database database name
/// @param parameters connection parameters that pgjdbc knows, such as `sslmode`, `sslcert`,
///   `sslkey`, `localSocketAddress`; none of them names a role or its password
public record TaskDatabase(String host, int port, String database, Map<String, String> parameters) {

  /// They would take the place of the role that launched the task.
  private static final Set<String> LOGIN = Set.of("user", "password");

  public TaskDatabase {
    if (host.isBlank() || database.isBlank()) {
      throw new IllegalArgumentException("a task database names host and database");
    }
    if (port < 1 || port > 65535) {
      throw new IllegalArgumentException("port " + port + " is not from 1 to 65535");
    }
    if (parameters.keySet().stream().anyMatch(LOGIN::contains)) {
      throw withLogin();
    }
    parameters = Map.copyOf(parameters);
  }

  /// Reads a libpq connection URI without user, `postgresql://host:port/database?sslmode=…`.
  ///
  /// @throws IllegalArgumentException if it is none; the message never contains the URI
  public static TaskDatabase parse(String uri) {
    var parsed = DatabaseUri.parse(uri, "postgresql://host[:port]/database, without a user");
    if (parsed.user() != null) {
      throw withLogin();
    }
    return new TaskDatabase(
        parsed.host(),
        parsed.port(),
        parsed.database() == null ? "" : parsed.database(),
        parsed.parameters());
  }

  private static IllegalArgumentException withLogin() {
    return new IllegalArgumentException(
        "it must name no user and no password: each task's role logs in itself, by the client"
            + " certificate of sslcert and sslkey, or by a password in the file of PGPASSFILE");
  }

  /// The role's way in, by the certificate that the parameters name, or by a password that pgjdbc
  /// finds in libpq's password file (`PGPASSFILE`, or `~/.pgpass`).
  public DatabaseAddress as(String role) {
    return new DatabaseAddress(host, port, database, role, null, parameters);
  }

  /// The libpq URI.
  public String uri() {
    return new DatabaseUri(host, port, database, null, null, parameters).text();
  }

  @Override
  public String toString() {
    return host + ":" + port + "/" + database;
  }
}
