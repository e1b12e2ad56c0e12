package org.pgoffload.schema;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;

/// Where the worker runs the tasks of background SQL: a database without a login, since each task
/// is run by a session of the role that launched it. Immutable; its text form has no parameters.
///
/// @param servers of which the one that takes writes is connected to, if they are several
/// @param database database name
/// @param parameters libpq's connection parameters, or the driver's own, such as `sslmode`,
///   `sslcert`, `sslkey`, `localSocketAddress`; none of them names a role or its password
public record TaskDatabase(
    List<DatabaseServer> servers, String database, Map<String, String> parameters) {

  /// They would take the place of the role that launched the task.
  private static final Set<String> LOGIN = Set.of("user", "password");

  public TaskDatabase {
    servers = List.copyOf(servers);
    if (servers.isEmpty() || database.isBlank()) {
      throw new IllegalArgumentException("a task database names host and database");
    }
    if (parameters.keySet().stream().anyMatch(LOGIN::contains)) {
      throw withLogin();
    }
    parameters = Map.copyOf(parameters);
    ConnectionParameters.properties(parameters, servers.size());
  }

  /// A database on one server.
  ///
  /// @param host name or address of the server
  /// @param port TCP port, 1 to 65535
  public TaskDatabase(String host, int port, String database, Map<String, String> parameters) {
    this(List.of(new DatabaseServer(host, port)), database, parameters);
  }

  /// What `ALTER ROLE … SET` may have given the role, and would stand in the way before the
  /// database's own function can change it: entering a task writes a row, as the login itself;
  /// pooled sessions wait for their next task; and an error's context must not show what proves a
  /// claim.
  static final String OPTIONS =
      "-c default_transaction_read_only=off -c role=none -c idle_session_timeout=0 -c log_parameter_max_length_on_error=0";

  /// Reads a libpq connection URI without user, `postgresql://host:port/database?sslmode=…`.
  ///
  /// @throws IllegalArgumentException if it is none; the message never contains the URI
  public static TaskDatabase parse(String uri) {
    return read(uri, Map.of());
  }

  /// Reads such a URI, and from libpq's variables what it leaves out, except for the login.
  ///
  /// @param variables of [DatabaseAddress#VARIABLES], without those that are not set
  /// @throws IllegalArgumentException with what is missing or cannot be honoured; the message never
  ///   contains the URI
  public static TaskDatabase read(String uri, Map<String, String> variables) {
    var parameters = new TreeMap<>(DatabaseUri.parse(uri));
    variables.forEach((variable, value) -> {
      var name = ConnectionParameters.VARIABLES.get(variable);
      if (name != null && !LOGIN.contains(name)) {
        parameters.putIfAbsent(name, value);
      }
    });
    if (parameters.keySet().stream().anyMatch(LOGIN::contains)) {
      throw withLogin();
    }
    var servers = DatabaseAddress.takeServers(parameters);
    var database = parameters.remove("dbname");
    return new TaskDatabase(servers, database == null ? "" : database, parameters);
  }

  private static IllegalArgumentException withLogin() {
    return new IllegalArgumentException(
        "it must name no user and no password: each task's role logs in itself, by the client"
            + " certificate of sslcert and sslkey, or by a password in the file of PGPASSFILE");
  }

  /// The role's way in, by the certificate that the parameters name, or by a password in libpq's
  /// password file (`PGPASSFILE`, or `~/.pgpass`).
  public DatabaseAddress as(String role) {
    var withOptions = new HashMap<>(parameters);
    withOptions.merge("options", OPTIONS, (given, ours) -> given + " " + ours);
    return new DatabaseAddress(servers, database, role, null, withOptions);
  }

  /// The libpq URI.
  public String uri() {
    return DatabaseUri.text(servers, database, null, null, parameters);
  }

  @Override
  public String toString() {
    return servers.stream().map(DatabaseServer::toString).collect(Collectors.joining(","))
        + "/"
        + database;
  }
}
