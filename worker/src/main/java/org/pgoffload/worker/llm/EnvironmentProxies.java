package org.pgoffload.worker.llm;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Proxy;
import java.net.ProxySelector;
import java.net.SocketAddress;
import java.net.URI;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/// Chooses the proxy of a request as `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` say. This machine's
/// loopback and its link-local addresses are never proxied. Immutable.
final class EnvironmentProxies extends ProxySelector {

  /// Everything is reached directly.
  static final EnvironmentProxies NONE = new EnvironmentProxies(null, null, List.of());

  private final @Nullable URI https;
  private final @Nullable URI http;
  private final List<String> exceptions;

  /// @param https the proxy for https addresses, or null
  /// @param http the proxy for http addresses, or null
  /// @param exceptions hosts reached directly: `*`, a host, or a domain with all below it
  EnvironmentProxies(@Nullable URI https, @Nullable URI http, List<String> exceptions) {
    this.https = https;
    this.http = http;
    this.exceptions = List.copyOf(exceptions);
  }

  @Override
  public List<Proxy> select(URI uri) {
    var proxy = "https".equalsIgnoreCase(uri.getScheme()) ? https : http;
    if (proxy == null || isReachedDirectly(uri.getHost())) {
      return List.of(Proxy.NO_PROXY);
    }
    // Left to the client to resolve, so that an unknown proxy fails the call and not the choice.
    return List.of(
        new Proxy(
            Proxy.Type.HTTP, InetSocketAddress.createUnresolved(proxy.getHost(), proxy.getPort())));
  }

  @Override
  public void connectFailed(URI uri, SocketAddress address, IOException failure) {
    // The call that failed says so itself.
  }

  private boolean isReachedDirectly(String uriHost) {
    var host = uriHost.toLowerCase(Locale.ROOT);
    return host.equals("localhost")
        || host.startsWith("127.")
        // Only this machine's own link: where clouds tell a machine who it is.
        || host.startsWith("169.254.")
        || host.equals("[::1]")
        || exceptions.stream().anyMatch(exception -> matches(exception, host));
  }

  private static boolean matches(String exception, String host) {
    var name = exception.toLowerCase(Locale.ROOT);
    if (name.equals("*")) {
      return true;
    }
    var domain = name.startsWith(".") ? name.substring(1) : name;
    return host.equals(domain) || host.endsWith("." + domain);
  }
}
