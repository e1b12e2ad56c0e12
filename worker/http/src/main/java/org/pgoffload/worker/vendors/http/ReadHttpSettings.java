package org.pgoffload.worker.vendors.http;

import java.net.URI;
import java.net.URISyntaxException;
import org.jspecify.annotations.Nullable;

/// Reads from the environment how the vendors are reached. The variables of proxies are those of
/// curl, in either case, the lower winning.
public final class ReadHttpSettings {
  /// What curl takes where no port is given.
  private static final int DEFAULT_PORT = 1080;

  private ReadHttpSettings() {}

  public static HttpSettings from(ReadEnvironment environment) {
    return new HttpSettings(
        environment.positiveDuration("LLM_CONNECT_TIMEOUT", HttpSettings.DEFAULT_CONNECT_TIMEOUT),
        environment.positiveDuration("LLM_IDLE_TIMEOUT", HttpSettings.DEFAULT_IDLE_TIMEOUT),
        environment.positiveInt("LLM_MAX_RESPONSE_BYTES", HttpSettings.DEFAULT_MAX_RESPONSE_BYTES),
        proxies(environment));
  }

  private static EnvironmentProxies proxies(ReadEnvironment environment) {
    var https = proxy(environment, "https_proxy", "HTTPS_PROXY");
    var http = proxy(environment, "http_proxy", "HTTP_PROXY");
    // Without a proxy there is nothing to except from, and what the variable says does not matter.
    return https == null && http == null
        ? EnvironmentProxies.NONE
        : new EnvironmentProxies(https, http, direct(environment));
  }

  private static @Nullable HostAndPort proxy(
      ReadEnvironment environment, String lower, String upper) {
    var name = environment.has(lower) ? lower : upper;
    var value = environment.text(name);
    if (value == null) {
      return null;
    }
    try {
      var url = new URI(value.contains("://") ? value : "http://" + value);
      var proxy = HostAndPort.of(url);
      if ("http".equalsIgnoreCase(url.getScheme()) && proxy != null) {
        return url.getRawAuthority().matches(".*:\\d+")
            ? proxy
            : new HostAndPort(proxy.host(), DEFAULT_PORT);
      }
    } catch (URISyntaxException notUrl) {
      // Told below, without the value, which may hold a password.
    }
    environment.problem(
        name
            + " is no proxy that can be used: set it to http://host:port; a proxy that wants a"
            + " password, TLS or SOCKS is not supported");
    return null;
  }

  private static DirectHosts direct(ReadEnvironment environment) {
    var name = environment.has("no_proxy") ? "no_proxy" : "NO_PROXY";
    try {
      return DirectHosts.parse(environment.text(name, ""));
    } catch (IllegalArgumentException notUnderstood) {
      environment.problem(
          name
              + " has "
              + notUnderstood.getMessage()
              + ", which is not understood: list hosts, domains, addresses and networks such as"
              + " host.example, .example, 10.0.0.7, fd00::1, 10.0.0.0/8, each with :port if need be,"
              + " or *");
      return DirectHosts.NONE;
    }
  }
}
