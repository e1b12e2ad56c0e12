package org.pgoffload.platform;

import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.Secret;
import org.postgresql.jdbcurlresolver.PgPassParser;

/// Where a PostgreSQL database is and as whom to log in. Immutable; its text form has no password.
///
/// Every part connects by this class: the whole address reaches the driver, and the settings that a
/// part's session depends on are pinned ([PinnedSettings]). A pooler is refused ([DirectLogin]).
///
/// @param servers if there are several, the server that takes writes is connected to
/// @param database database name
/// @param user login role
/// @param password the role's password, or null where a certificate or a password file serves: that
///   of `PGPASSFILE`, else `~/.pgpass`
/// @param parameters libpq's connection parameters, or the driver's own; each is honoured or
///   refused
public record DatabaseAddress(
    List<DatabaseServer> servers,
    String database,
    String user,
    @Nullable Secret password,
    Map<String, String> parameters)
    implements ConnectAsPart {

  /// The variables in which libpq finds what an address leaves out.
  public static final Set<String> VARIABLES = ConnectionParameters.VARIABLES.keySet();

  public DatabaseAddress {
    servers = List.copyOf(servers);
    if (servers.isEmpty() || database.isBlank() || user.isBlank()) {
      throw new IllegalArgumentException("a database address names host, database and user");
    }
    parameters = Map.copyOf(parameters);
    ConnectionParameters.properties(parameters, servers.size());
  }

  /// An address with one server.
  ///
  /// @param host name or address of the server
  /// @param port TCP port, 1 to 65535
  public DatabaseAddress(
      String host,
      int port,
      String database,
      String user,
      @Nullable Secret password,
      Map<String, String> parameters) {
    this(List.of(new DatabaseServer(host, port)), database, user, password, parameters);
  }

  /// Reads a libpq connection URI, `postgresql://user:password@host:port/database?sslmode=…`.
  ///
  /// @throws IllegalArgumentException if it is none; the message never contains the URI
  public static DatabaseAddress parse(String uri) {
    return of(DatabaseUri.parse(uri));
  }

  /// Reads a libpq connection URI, and from libpq's variables what it leaves out.
  ///
  /// @param uri null where the variables say everything
  /// @param variables of [#VARIABLES], without those that are not set
  /// @throws IllegalArgumentException with what is missing or cannot be honoured; the message never
  ///   contains the URI
  public static DatabaseAddress read(@Nullable String uri, Map<String, String> variables) {
    var settings =
        uri == null ? new TreeMap<String, String>() : new TreeMap<>(DatabaseUri.parse(uri));
    variables.forEach((variable, value) -> {
      var name = ConnectionParameters.VARIABLES.get(variable);
      if (name != null) {
        settings.putIfAbsent(name, value);
      }
    });
    return of(settings);
  }

  /// Reads libpq's settings, as they stand in a URI and in its variables.
  ///
  /// @param settings by libpq's names, `host`, `port`, `dbname`, `user` and `password` among them
  /// @throws IllegalArgumentException with what is missing or cannot be honoured
  private static DatabaseAddress of(Map<String, String> settings) {
    var parameters = new TreeMap<>(settings);
    var servers = takeServers(parameters);
    var user = parameters.remove("user");
    var password = parameters.remove("password");
    var database = parameters.remove("dbname");
    if (user == null || user.isBlank()) {
      throw new IllegalArgumentException("it must be " + DatabaseUri.FORM);
    }
    return new DatabaseAddress(
        servers,
        database == null ? user : database,
        user,
        password == null || password.isEmpty() ? null : Secret.of(password),
        parameters);
  }

  /// Takes host and port out of the settings.
  static List<DatabaseServer> takeServers(Map<String, String> settings) {
    var host = settings.remove("host");
    if (host == null) {
      // an address needs no name
      host = settings.remove("hostaddr");
    }
    if (host == null) {
      throw new IllegalArgumentException("it must be " + DatabaseUri.FORM);
    }
    var hosts = host.split(",", -1);
    var port = settings.remove("port");
    var ports = port == null ? new String[] {""} : port.split(",", -1);
    if (ports.length != 1 && ports.length != hosts.length) {
      throw new IllegalArgumentException(
          "there are " + hosts.length + " hosts and " + ports.length + " ports");
    }
    var servers = new ArrayList<DatabaseServer>();
    for (int i = 0; i < hosts.length; i++) {
      servers.add(new DatabaseServer(hosts[i].strip(), port(ports[ports.length == 1 ? 0 : i])));
    }
    return servers;
  }

  private static int port(String text) {
    try {
      return text.isBlank() ? DatabaseServer.DEFAULT_PORT : Integer.parseInt(text.strip());
    } catch (NumberFormatException e) {
      // without the text: where a password has a slash it is a part of that
      throw new IllegalArgumentException(
          "a port is a number from 1 to 65535 (percent-encode special characters in the password)");
    }
  }

  /// The first server's host.
  public String host() {
    return servers.getFirst().host();
  }

  /// The first server's port.
  public int port() {
    return servers.getFirst().port();
  }

  /// The same place, another login.
  public DatabaseAddress as(String otherUser, @Nullable Secret otherPassword) {
    return new DatabaseAddress(servers, database, otherUser, otherPassword, parameters);
  }

  /// The same database and login, on one server alone.
  public DatabaseAddress at(DatabaseServer server) {
    return new DatabaseAddress(List.of(server), database, user, password, parameters);
  }

  /// The same servers and login, another database.
  public DatabaseAddress in(String otherDatabase) {
    return new DatabaseAddress(servers, otherDatabase, user, password, parameters);
  }

  /// The same place and login, other connection parameters.
  public DatabaseAddress withParameters(Map<String, String> otherParameters) {
    return new DatabaseAddress(servers, database, user, password, otherParameters);
  }

  /// The JDBC URL, without user, password or parameters.
  public String jdbcUrl() {
    return "jdbc:postgresql://"
        + places()
        + "/"
        + URLEncoder.encode(database, StandardCharsets.UTF_8);
  }

  private String places() {
    return servers.stream().map(DatabaseServer::toString).collect(Collectors.joining(","));
  }

  /// The libpq URI with its password: for the person who runs an installation of their own.
  public String uri() {
    return DatabaseUri.text(
        servers, database, user, password == null ? null : password.reveal(), parameters);
  }

  /// The driver's connection properties, for a session of an application.
  public Properties properties(String applicationName) {
    var properties = new Properties();
    properties.setProperty("user", user);
    var revealed = password == null ? passwordOfFile() : password.reveal();
    if (revealed != null) {
      properties.setProperty("password", revealed);
    }
    properties.setProperty("ApplicationName", applicationName);
    // a server that has vanished is noticed, rather than waited for
    properties.setProperty("tcpKeepAlive", "true");
    properties.setProperty("connectTimeout", "10");
    properties.putAll(ConnectionParameters.properties(parameters, servers.size()));
    return properties;
  }

  /// The driver would look for a host by the name of all hosts together, and for an address in
  /// brackets. It has one password for all servers, so the file must have the same for each.
  private @Nullable String passwordOfFile() {
    var passwords =
        servers.stream()
            .map(server ->
                Objects.requireNonNullElse(
                    PgPassParser.getPassword(
                        server.host(), Integer.toString(server.port()), database, user),
                    ""))
            .distinct()
            .toList();
    return passwords.size() > 1 || passwords.getFirst().isEmpty() ? null : passwords.getFirst();
  }

  /// The driver's connection properties, for a session of a part: with its pinned settings. The
  /// session has to execute [PinnedSettings#FIRST_STATEMENT].
  ///
  /// @param statementTimeout of each statement; zero for none
  public Properties partProperties(String applicationName, Duration statementTimeout) {
    var properties = properties(applicationName);
    // the last value wins, and values in the address are not meant for these connections
    properties.merge(
        "options",
        PinnedSettings.options(statementTimeout),
        (given, pinned) -> given + " " + pinned);
    return properties;
  }

  /// Opens a session of an application, which shows as `applicationName` in pg_stat_activity.
  public Connection connect(String applicationName) throws SQLException {
    return DriverManager.getConnection(jdbcUrl(), properties(applicationName));
  }

  /// Opens a session of a part or a command, with its pinned settings.
  @Override
  public Connection connectAsPart(String applicationName) throws SQLException {
    return connectAsPart(partProperties(applicationName, Duration.ZERO));
  }

  /// As above, for a session that must not wait for ever for a server that has vanished.
  ///
  /// @param silence of the server after which the session is given up
  public Connection connectAsPart(String applicationName, Duration silence) throws SQLException {
    return connect(applicationName, silence);
  }

  @Override
  public Connection connect(String applicationName, Duration silence, Duration statementTimeout)
      throws SQLException {
    var properties = partProperties(applicationName, statementTimeout);
    properties.setProperty("socketTimeout", Long.toString(silence.toSeconds()));
    return connectAsPart(properties);
  }

  /// Opens a session in which the server takes the commands of its replication protocol as well.
  ///
  /// @param silence of the server after which the session is given up
  public Connection connectForReplication(String applicationName, Duration silence)
      throws SQLException {
    var properties = partProperties(applicationName, Duration.ZERO);
    properties.setProperty("socketTimeout", Long.toString(silence.toSeconds()));
    properties.setProperty("replication", "database");
    // the driver asks for nothing that such a session has not, and only in the simple protocol
    properties.setProperty("assumeMinServerVersion", "15");
    properties.setProperty("preferQueryMode", "simple");
    return connectAsPart(properties);
  }

  private Connection connectAsPart(Properties properties) throws SQLException {
    var connection = DirectLogin.open(this, properties);
    try (var statement = connection.createStatement();
        var rows = statement.executeQuery(PinnedSettings.FIRST_STATEMENT)) {
      rows.next();
      DirectLogin.check(rows.getString(1), this);
      return connection;
    } catch (SQLException e) {
      connection.close();
      throw e;
    }
  }

  @Override
  public String toString() {
    return user + "@" + places() + "/" + database;
  }
}
