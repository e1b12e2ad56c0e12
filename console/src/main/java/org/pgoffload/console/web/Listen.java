package org.pgoffload.console.web;

import java.net.InetAddress;
import java.net.URI;
import java.net.UnknownHostException;
import java.util.Locale;
import java.util.Objects;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.ServerCertificate;
import org.pgoffload.platform.TrustedProxies;

/// Where the console listens, and by which address its readers know it.
///
/// @param host name or address of this machine
/// @param port TCP port; 0 for a free one
/// @param certificate for TLS, or null for plain HTTP
/// @param url by which readers come where that is another one, as behind a proxy that ends TLS; or
///   null
/// @param proxies those that say truly for whom they ask
public record Listen(
    String host,
    int port,
    @Nullable ServerCertificate certificate,
    @Nullable URI url,
    TrustedProxies proxies) {
  /// An address says itself where it leads: no other site's name can stand in its place.
  private static final Pattern ADDRESS =
      Pattern.compile("\\d{1,3}(\\.\\d{1,3}){3}|\\[[0-9a-f:.]+]");

  private static final Set<String> OF_THIS_MACHINE = Set.of("localhost", "127.0.0.1", "[::1]");

  /// Without proxies.
  public Listen(String host, int port, @Nullable ServerCertificate certificate, @Nullable URI url) {
    this(host, port, certificate, url, TrustedProxies.NONE);
  }

  public Listen {
    if (port < 0 || port > 65_535) {
      throw new IllegalArgumentException("a port is a number from 0 to 65535");
    }
    if (url != null
        && (url.getHost() == null || !Set.of("http", "https").contains(url.getScheme()))) {
      throw new IllegalArgumentException("the URL must be http(s)://host, with or without a port");
    }
  }

  /// Whether only this machine can come.
  public boolean isLoopback() {
    try {
      return InetAddress.getByName(host).isLoopbackAddress();
    } catch (UnknownHostException e) {
      return false;
    }
  }

  /// Whether readers come by TLS, also if a proxy ends it.
  public boolean isSecure() {
    return certificate != null || (url != null && Objects.equals(url.getScheme(), "https"));
  }

  /// The address to print.
  ///
  /// @param boundPort at which it listens
  public String printed(int boundPort) {
    if (url != null) {
      return url.toString();
    }
    var shown = isAnyAddress() ? "localhost" : host.contains(":") ? "[" + host + "]" : host;
    return (certificate == null ? "http" : "https") + "://" + shown + ":" + boundPort + "/";
  }

  private boolean isAnyAddress() {
    try {
      return InetAddress.getByName(host).isAnyLocalAddress();
    } catch (UnknownHostException e) {
      return false;
    }
  }

  /// Whether a request's `Host` is one of ours. A page of another site whose name leads here has
  /// its own name in it (DNS rebinding).
  boolean isOurs(@Nullable String hostHeader) {
    if (hostHeader == null) {
      return false;
    }
    var name = hostHeader.toLowerCase(Locale.ROOT).replaceFirst(":\\d{1,5}$", "");
    return OF_THIS_MACHINE.contains(name)
        || ADDRESS.matcher(name).matches()
        || name.equals(host.toLowerCase(Locale.ROOT))
        || (url != null && name.equals(url.getHost().toLowerCase(Locale.ROOT)));
  }
}
