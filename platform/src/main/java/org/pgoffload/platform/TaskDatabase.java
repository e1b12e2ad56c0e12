package org.pgoffload.platform;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// Where the worker runs the tasks of background SQL: a database without a login, since each task
/// is run by a session of the role that launched it. Immutable; its text form has no parameters.
///
/// @param servers if there are several, the server that takes writes is connected to
/// @param database database name
/// @param parameters libpq's connection parameters, or the driver's own, such as `sslmode`,
///   `sslcert`, `sslkey`, `localSocketAddress`; none of them names a role or its password
public record TaskDatabase(
    List<DatabaseServer> servers, String database, Map<String, String> parameters) {

  /// They would take the place of the role that launched the task.
  private static final Set<String> LOGIN = Set.of("user", "password");

  /// The parameters of libpq that concern the part's own login and sessions.
  private static final Set<String> OF_THE_PART =
      Set.of("user", "password", "sslcert", "sslkey", "options", "application_name");

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

  /// Settings that `ALTER ROLE … SET` or `ALTER DATABASE … SET` may have given the session, and
  /// that would stand in the way before the database's own function sets what the launcher had:
  /// beginning a task writes a row, as the login itself and in its own time; pooled sessions wait
  /// for their next task; and an error's context must not show what proves a claim. What is given
  /// at the login is also what the reset between two tasks leads back to.
  private static final List<String> SETTINGS =
      List.of(
          "role=none",
          "default_transaction_read_only=off",
          "default_transaction_isolation=read\\ committed",
          "default_transaction_deferrable=off",
          "statement_timeout=0",
          "lock_timeout=0",
          "idle_in_transaction_session_timeout=0",
          "idle_session_timeout=0",
          // the session is the worker's, whatever the role's own come through
          "pgoffload.pooling=session",
          "log_parameter_max_length_on_error=0");

  /// The settings that the session of a task is opened with, as the `options` of libpq.
  ///
  /// @param knowsTransactionTimeout whether the server has that setting, as PostgreSQL from 17 on:
  ///   one that it does not know ends the login
  /// @param checksClients whether the server can look for a client while a statement runs, as on
  ///   Linux and macOS: a killed worker's sessions end with it then, and its tasks are taken over.
  ///   The setting ends the login elsewhere
  public static String options(boolean knowsTransactionTimeout, boolean checksClients) {
    return Stream.of(
            SETTINGS.stream(),
            knowsTransactionTimeout ? Stream.of("transaction_timeout=0") : Stream.<String>empty(),
            checksClients
                ? Stream.of("client_connection_check_interval=1s")
                : Stream.<String>empty())
        .flatMap(settings -> settings)
        .map("-c "::concat)
        .collect(Collectors.joining(" "));
  }

  /// Reads a libpq connection URI without user, `postgresql://host:port/database?sslmode=…`.
  ///
  /// @throws IllegalArgumentException if it is none; the message never contains the URI
  public static TaskDatabase parse(String uri) {
    return read(uri, Map.of());
  }

  /// Reads such a URI, and from libpq's variables what it leaves out: where the server is and how
  /// it is trusted, and nothing of a login.
  ///
  /// @param variables of [DatabaseAddress#VARIABLES], without those that are not set
  /// @throws IllegalArgumentException with what is missing or cannot be honoured; the message never
  ///   contains the URI
  public static TaskDatabase read(String uri, Map<String, String> variables) {
    var parameters = new TreeMap<>(DatabaseUri.parse(uri));
    variables.forEach((variable, value) -> {
      var name = ConnectionParameters.VARIABLES.get(variable);
      if (name != null && !OF_THE_PART.contains(name)) {
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
  ///
  /// @param options of [#options(boolean)]; they come after those that the parameters name
  public DatabaseAddress as(String role, String options) {
    var withOptions = new HashMap<>(parameters);
    withOptions.merge("options", options, (given, ours) -> given + " " + ours);
    return new DatabaseAddress(servers, database, role, null, withOptions);
  }

  /// The same database on one server alone.
  public TaskDatabase at(DatabaseServer server) {
    return new TaskDatabase(List.of(server), database, parameters);
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
