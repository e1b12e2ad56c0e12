package org.pgoffload.schema;

import java.net.URI;
import java.net.URISyntaxException;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.Secret;

/// Where a PostgreSQL database is and as whom to log in. Immutable; its text form has no password.
///
/// @param host name or address of the server
/// @param port TCP port, 1 to 65535
/// @param database database name
/// @param user login role
/// @param password the role's password, or null where a certificate or a password file serves
/// @param parameters libpq's connection parameters that pgjdbc knows: `sslmode`, `sslrootcert`,
///   `sslcert`, `sslkey`
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
    URI parsed;
    try {
      parsed = new URI(uri);
    } catch (URISyntaxException e) {
      throw new IllegalArgumentException(
          "not a URI (percent-encode special characters in the password): " + e.getReason());
    }
    if (!"postgresql".equals(parsed.getScheme()) && !"postgres".equals(parsed.getScheme())) {
      throw new IllegalArgumentException("it must begin with postgresql://");
    }
    if (parsed.getHost() == null || parsed.getRawUserInfo() == null) {
      throw new IllegalArgumentException("it must be postgresql://user[:password]@host/database");
    }
    var login = parsed.getRawUserInfo().split(":", 2);
    var user = decode(login[0]);
    var path = parsed.getRawPath() == null ? "" : parsed.getRawPath();
    var parameters = new TreeMap<String, String>();
    if (parsed.getRawQuery() != null) {
      for (var parameter : parsed.getRawQuery().split("&", -1)) {
        var nameAndValue = parameter.split("=", 2);
        if (nameAndValue.length == 2) {
          parameters.put(decode(nameAndValue[0]), decode(nameAndValue[1]));
        }
      }
    }
    return new DatabaseAddress(
        parsed.getHost(),
        parsed.getPort() == -1 ? 5432 : parsed.getPort(),
        path.length() > 1 ? decode(path.substring(1)) : user,
        user,
        login.length == 2 && !login[1].isEmpty() ? Secret.of(decode(login[1])) : null,
        parameters);
  }

  /// The same place, another login.
  public DatabaseAddress as(String otherUser, @Nullable Secret otherPassword) {
    return new DatabaseAddress(host, port, database, otherUser, otherPassword, parameters);
  }

  /// The JDBC URL, without user, password or parameters.
  public String jdbcUrl() {
    return "jdbc:postgresql://"
        + (host.contains(":") && !host.startsWith("[") ? "[" + host + "]" : host)
        + ":"
        + port
        + "/"
        + java.net.URLEncoder.encode(database, StandardCharsets.UTF_8);
  }

  /// The libpq URI with its password: for the person who runs an installation of their own.
  public String uri() {
    var uri =
        new StringBuilder("postgresql://")
            .append(encode(user))
            .append(password == null ? "" : ":" + encode(password.reveal()))
            .append('@')
            .append(host)
            .append(':')
            .append(port)
            .append('/')
            .append(encode(database));
    var separator = '?';
    for (var parameter : new TreeMap<>(parameters).entrySet()) {
      uri.append(separator)
          .append(parameter.getKey())
          .append('=')
          .append(encode(parameter.getValue()));
      separator = '&';
    }
    return uri.toString();
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

  private static String decode(String text) {
    return URLDecoder.decode(text.replace("+", "%2B"), StandardCharsets.UTF_8);
  }

  private static String encode(String text) {
    return java.net.URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20");
  }
}
