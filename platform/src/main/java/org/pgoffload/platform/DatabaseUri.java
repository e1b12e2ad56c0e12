package org.pgoffload.platform;

import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// libpq's connection URIs, read and written as libpq does. [java.net.URI] would not do: it knows
/// no host with an underscore and no second host.
final class DatabaseUri {
  /// Of which the driver and libpq know the same.
  static final String FORM = "postgresql://user[:password]@host[:port][,…]/database";

  private static final List<String> SCHEMES = List.of("postgresql://", "postgres://");

  private DatabaseUri() {}

  /// Reads `postgresql://user:password@host:port,…/database?sslmode=…`.
  ///
  /// @return what it says, by libpq's names: `host`, `port`, `dbname`, `user` and `password`, and
  ///   the parameters; several hosts and ports are separated by commas
  /// @throws IllegalArgumentException if it is none; the message never contains the URI
  static Map<String, String> parse(String uri) {
    var scheme =
        SCHEMES.stream()
            .filter(uri::startsWith)
            .findFirst()
            .orElseThrow(() -> new IllegalArgumentException("it must begin with postgresql://"));
    if (uri.chars()
        .anyMatch(each -> Character.isWhitespace(each) || Character.isISOControl(each))) {
      throw new IllegalArgumentException(
          "not a URI: percent-encode white space (%20) and special characters in the password");
    }
    var settings = new TreeMap<String, String>();
    var rest = uri.substring(scheme.length());
    int login = endOfLogin(rest);
    if (login >= 0) {
      var userAndPassword = rest.substring(0, login).split(":", 2);
      put(settings, "user", userAndPassword[0]);
      put(settings, "password", userAndPassword.length == 2 ? userAndPassword[1] : "");
      rest = rest.substring(login + 1);
    }
    int query = rest.indexOf('?');
    var place = query < 0 ? rest : rest.substring(0, query);
    int path = place.indexOf('/');
    readServers(settings, path < 0 ? place : place.substring(0, path));
    put(settings, "dbname", path < 0 ? "" : place.substring(path + 1));
    if (query >= 0) {
      readParameters(settings, rest.substring(query + 1));
    }
    return settings;
  }

  /// Where the `@` is; -1 without login.
  private static int endOfLogin(String rest) {
    int at = rest.indexOf('@');
    int slash = rest.indexOf('/');
    return at >= 0 && (slash < 0 || at < slash) ? at : -1;
  }

  private static void readServers(Map<String, String> settings, String servers) {
    var hosts = new ArrayList<String>();
    var ports = new ArrayList<String>();
    for (var server : servers.split(",", -1)) {
      int bracket = server.lastIndexOf(']');
      if (server.startsWith("[") != bracket > 0) {
        throw new IllegalArgumentException("an address of version six is written [address]:port");
      }
      int colon = server.indexOf(':', Math.max(bracket, 0));
      hosts.add(decode(colon < 0 ? server : server.substring(0, colon)));
      ports.add(colon < 0 ? "" : server.substring(colon + 1));
    }
    put(settings, "host", String.join(",", hosts));
    if (ports.stream().anyMatch(port -> !port.isEmpty())) {
      settings.put("port", String.join(",", ports));
    }
  }

  private static void readParameters(Map<String, String> settings, String query) {
    for (var parameter : query.split("&", -1)) {
      if (parameter.isEmpty()) {
        continue;
      }
      var nameAndValue = parameter.split("=", -1);
      if (nameAndValue.length != 2) {
        throw new IllegalArgumentException(
            "each parameter is name=value; percent-encode = and & in a value (%3D, %26)");
      }
      var name = decode(nameAndValue[0]);
      var value = decode(nameAndValue[1]);
      // libpq takes this one from those who come from JDBC
      if (name.equals("ssl") && value.equals("true")) {
        settings.put("sslmode", "require");
      } else {
        settings.put(name, value);
      }
    }
  }

  private static void put(Map<String, String> settings, String name, String encoded) {
    var value = name.equals("host") ? encoded : decode(encoded);
    if (!value.isEmpty()) {
      settings.put(name, value);
    }
  }

  /// The URI, with its password.
  static String text(
      List<DatabaseServer> servers,
      String database,
      @Nullable String user,
      @Nullable String password,
      Map<String, String> parameters) {
    var uri = new StringBuilder("postgresql://");
    if (user != null) {
      uri.append(encode(user)).append(password == null ? "" : ":" + encode(password)).append('@');
    }
    uri.append(
            servers.stream()
                // the zone of an address
                .map(server -> server.toString().replace("%", "%25"))
                .collect(Collectors.joining(",")))
        .append('/')
        .append(encode(database));
    var separator = '?';
    for (var parameter : new TreeMap<>(parameters).entrySet()) {
      uri.append(separator)
          .append(encode(parameter.getKey()))
          .append('=')
          .append(encode(parameter.getValue()));
      separator = '&';
    }
    return uri.toString();
  }

  private static String decode(String text) {
    try {
      return URLDecoder.decode(text.replace("+", "%2B"), StandardCharsets.UTF_8);
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(
          "not a URI: a percent sign stands before two hexadecimal digits, itself as %25");
    }
  }

  private static String encode(String text) {
    return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20");
  }
}
