package org.pgoffload.worker.vendors.http;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Proxy;
import java.net.ProxySelector;
import java.net.SocketAddress;
import java.net.URI;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Chooses the proxy of a request as `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` say. This machine
/// and its link-local addresses are never proxied. Immutable.
public final class EnvironmentProxies extends ProxySelector {

  /// Everything is reached directly.
  public static final EnvironmentProxies NONE =
      new EnvironmentProxies(null, null, DirectHosts.NONE);

  private final @Nullable HostAndPort https;
  private final @Nullable HostAndPort http;
  private final DirectHosts direct;

  /// @param https the proxy for https addresses, or null
  /// @param http the proxy for http addresses, or null
  /// @param direct what is reached without them
  EnvironmentProxies(@Nullable HostAndPort https, @Nullable HostAndPort http, DirectHosts direct) {
    this.https = https;
    this.http = http;
    this.direct = direct;
  }

  /// The proxy that leads to an address; null where it is reached directly.
  @Nullable HostAndPort proxyOf(URI uri) {
    var proxy = "https".equalsIgnoreCase(uri.getScheme()) ? https : http;
    var target = HostAndPort.of(uri);
    return proxy == null || target == null || target.isLocal() || direct.include(target)
        ? null
        : proxy;
  }

  @Override
  public List<Proxy> select(URI uri) {
    var proxy = proxyOf(uri);
    if (proxy == null) {
      return List.of(Proxy.NO_PROXY);
    }
    // The client resolves the name, so that an unknown proxy fails the call and not the choice.
    return List.of(
        new Proxy(Proxy.Type.HTTP, InetSocketAddress.createUnresolved(proxy.host(), proxy.port())));
  }

  @Override
  public void connectFailed(URI uri, SocketAddress address, IOException failure) {
    // The failed call reports it.
  }
}
