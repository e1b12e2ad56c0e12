package org.pgoffload.platform;

/// One server of a database's address.
///
/// @param host name or address, which may be one of version six, without brackets
/// @param port TCP port, 1 to 65535
public record DatabaseServer(String host, int port) {
  /// PostgreSQL's own.
  public static final int DEFAULT_PORT = 5432;

  /// The characters with a meaning of their own in the driver's URL. All others, an underscore or
  /// letters of any alphabet, are left to the resolver.
  private static final String OF_THE_URL = "/?#@,[]&=\\";

  public DatabaseServer {
    if (host.startsWith("[") && host.endsWith("]")) {
      host = host.substring(1, host.length() - 1);
    }
    if (host.isBlank()) {
      throw new IllegalArgumentException("a database address names a host");
    }
    if (host.startsWith("/") || host.startsWith("@")) {
      throw new IllegalArgumentException(
          "the host is a socket directory, which the JDBC driver cannot use: set it to a host, such"
              + " as localhost");
    }
    if (host.chars()
        .anyMatch(each ->
            OF_THE_URL.indexOf(each) >= 0
                || Character.isWhitespace(each)
                || Character.isISOControl(each))) {
      throw new IllegalArgumentException(
          "a host's name has no white space and none of " + OF_THE_URL);
    }
    if (port < 1 || port > 65535) {
      throw new IllegalArgumentException("port " + port + " is not from 1 to 65535");
    }
  }

  /// As URLs have it: an address of version six in brackets.
  @Override
  public String toString() {
    return (host.contains(":") ? "[" + host + "]" : host) + ":" + port;
  }
}
