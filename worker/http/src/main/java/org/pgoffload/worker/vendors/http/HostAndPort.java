package org.pgoffload.worker.vendors.http;

import java.net.InetAddress;
import java.net.URI;
import java.util.Locale;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// The host and the port of an address. `java.net.URI` finds neither when the name has an
/// underscore, as the names that compose gives to containers: `my_llm`.
///
/// @param host in lower case, without the brackets and the zone of an IPv6 address and without a
///   dot at its end
/// @param port of the address, or else of its scheme
record HostAndPort(String host, int port) {
  private static final Pattern AUTHORITY =
      Pattern.compile(
          "(?:\\[(?<address>[0-9A-Fa-f:.]+)(?:%[^]]*)?]|(?<name>[A-Za-z0-9._-]+))(?::(?<port>\\d{0,5}))?");

  HostAndPort {
    if (host.isEmpty() || port < 0 || port > 65_535) {
      throw new IllegalArgumentException("a host has a name and a port of 0 to 65535");
    }
  }

  /// The host and port of an http or https address; null where it has no host, or more than host
  /// and port.
  static @Nullable HostAndPort of(URI uri) {
    var authority = uri.getRawAuthority();
    if (authority == null) {
      return null;
    }
    var parts = AUTHORITY.matcher(authority);
    if (!parts.matches()) {
      return null;
    }
    var address = parts.group("address");
    var host = bare(address == null ? parts.group("name") : address);
    var written = parts.group("port");
    var port =
        written == null || written.isEmpty()
            ? "https".equalsIgnoreCase(uri.getScheme()) ? 443 : 80
            : Integer.parseInt(written);
    return host.isEmpty() || port > 65_535 || (address != null && address(host) == null)
        ? null
        : new HostAndPort(host, port);
  }

  /// A written host as it is compared.
  static String bare(String written) {
    var host = written.toLowerCase(Locale.ROOT);
    if (host.startsWith("[") && host.endsWith("]")) {
      return host.substring(1, host.length() - 1);
    }
    return host.endsWith(".") ? host.substring(0, host.length() - 1) : host;
  }

  /// The address that a host is written as; null for a name. Nothing is looked up.
  static @Nullable InetAddress address(String host) {
    try {
      return InetAddress.ofLiteral(host);
    } catch (IllegalArgumentException name) {
      return null;
    }
  }

  /// Whether the host is this machine or an address of its own link, where clouds serve a machine
  /// its identity. `localhost` is the only such name: `127.example.com` can be any host.
  boolean isLocal() {
    var address = address(host);
    return address == null
        ? host.equals("localhost")
        : address.isLoopbackAddress()
            || address.isLinkLocalAddress()
            || address.isAnyLocalAddress();
  }

  @Override
  public String toString() {
    return (host.indexOf(':') >= 0 ? "[" + host + "]" : host) + ":" + port;
  }
}
