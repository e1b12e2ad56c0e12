package org.pgoffload.worker.vendors.http;

import java.time.Duration;

/// How the vendors are reached.
///
/// @param connectTimeout for a TCP connection to come about
/// @param idleTimeout for the next bytes of a reply that has begun
/// @param maxResponseBytes the largest reply that is read
/// @param proxies which proxy leads to which host
public record HttpSettings(
    Duration connectTimeout,
    Duration idleTimeout,
    int maxResponseBytes,
    EnvironmentProxies proxies) {

  static final Duration DEFAULT_CONNECT_TIMEOUT = Duration.ofSeconds(10);
  static final Duration DEFAULT_IDLE_TIMEOUT = Duration.ofSeconds(60);
  static final int DEFAULT_MAX_RESPONSE_BYTES = 64 * 1024 * 1024;

  public HttpSettings {
    if (!connectTimeout.isPositive() || !idleTimeout.isPositive() || maxResponseBytes < 1) {
      throw new IllegalArgumentException("timeouts and the response limit must be positive");
    }
  }

  /// The defaults, without a proxy.
  public static HttpSettings defaults() {
    return new HttpSettings(
        DEFAULT_CONNECT_TIMEOUT,
        DEFAULT_IDLE_TIMEOUT,
        DEFAULT_MAX_RESPONSE_BYTES,
        EnvironmentProxies.NONE);
  }
}
