package org.pgoffload.worker.llm;

import java.net.URI;
import java.net.URISyntaxException;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Reads from the environment how the vendors are reached. The variables of proxies are those of
/// curl, in either case, the lower winning.
final class ReadHttpSettings {
  private ReadHttpSettings() {}

  static HttpSettings from(ReadEnvironment environment) {
    return new HttpSettings(
        environment.positiveDuration("LLM_CONNECT_TIMEOUT", HttpSettings.DEFAULT_CONNECT_TIMEOUT),
        environment.positiveDuration("LLM_IDLE_TIMEOUT", HttpSettings.DEFAULT_IDLE_TIMEOUT),
        environment.positiveInt("LLM_MAX_RESPONSE_BYTES", HttpSettings.DEFAULT_MAX_RESPONSE_BYTES),
        new EnvironmentProxies(
            proxy(environment, "https_proxy", "HTTPS_PROXY"),
            proxy(environment, "http_proxy", "HTTP_PROXY"),
            exceptions(environment)));
  }

  private static @Nullable URI proxy(ReadEnvironment environment, String lower, String upper) {
    var name = environment.has(lower) ? lower : upper;
    var value = environment.text(name);
    if (value == null) {
      return null;
    }
    try {
      var url = new URI(value.contains("://") ? value : "http://" + value);
      if ("http".equals(url.getScheme()) && url.getHost() != null && url.getRawUserInfo() == null) {
        // 1080 is what curl takes where no port is given.
        return url.getPort() >= 0
            ? url
            : new URI("http", null, url.getHost(), 1080, null, null, null);
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

  private static List<String> exceptions(ReadEnvironment environment) {
    var value = environment.text(environment.has("no_proxy") ? "no_proxy" : "NO_PROXY", "");
    return Arrays.stream(value.split(",", -1))
        .map(String::strip)
        .filter(s -> !s.isEmpty())
        .toList();
  }
}
