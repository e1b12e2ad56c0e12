package org.pgoffload.schema;

import java.net.URI;
import java.net.URISyntaxException;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.Secret;

/// The parts of a libpq connection URI, decoded.
///
/// @param user null if the URI has no login
/// @param password null if the URI has none
/// @param database null if the URI leaves it open
record DatabaseUri(
    String host,
    int port,
    @Nullable String database,
    @Nullable String user,
    @Nullable Secret password,
    Map<String, String> parameters) {

  /// Reads `postgresql://user:password@host:port/database?sslmode=…`.
  ///
  /// @param form of what is expected, for the message
  /// @throws IllegalArgumentException if it is none; the message never contains the URI
  static DatabaseUri parse(String uri, String form) {
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
    if (parsed.getHost() == null) {
      throw new IllegalArgumentException("it must be " + form);
    }
    var login =
        parsed.getRawUserInfo() == null ? new String[0] : parsed.getRawUserInfo().split(":", 2);
    var path = parsed.getRawPath() == null ? "" : parsed.getRawPath();
    return new DatabaseUri(
        parsed.getHost(),
        parsed.getPort() == -1 ? 5432 : parsed.getPort(),
        path.length() > 1 ? decode(path.substring(1)) : null,
        login.length == 0 ? null : decode(login[0]),
        login.length == 2 && !login[1].isEmpty() ? Secret.of(decode(login[1])) : null,
        parameters(parsed.getRawQuery()));
  }

  private static Map<String, String> parameters(@Nullable String query) {
    var parameters = new TreeMap<String, String>();
    if (query != null) {
      for (var parameter : query.split("&", -1)) {
        var nameAndValue = parameter.split("=", 2);
        if (nameAndValue.length == 2) {
          parameters.put(decode(nameAndValue[0]), decode(nameAndValue[1]));
        }
      }
    }
    return parameters;
  }

  /// The URI, with its password.
  String text() {
    var uri = new StringBuilder("postgresql://");
    if (user != null) {
      uri.append(encode(user))
          .append(password == null ? "" : ":" + encode(password.reveal()))
          .append('@');
    }
    uri.append(bracketed(host)).append(':').append(port).append('/');
    if (database != null) {
      uri.append(encode(database));
    }
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

  /// An address of version six as a URI has it.
  static String bracketed(String host) {
    return host.contains(":") && !host.startsWith("[") ? "[" + host + "]" : host;
  }

  private static String decode(String text) {
    return URLDecoder.decode(text.replace("+", "%2B"), StandardCharsets.UTF_8);
  }

  private static String encode(String text) {
    return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20");
  }
}
