package org.pgoffload.console.signin;

import java.net.InetAddress;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Bounds the attempts to sign in that fail: of a role from one address, of a role from everywhere,
/// and of an address. The narrow limit comes first, so that nobody can lock a role out of the
/// console by trying its name from elsewhere.
///
/// An attempt counts before it is made, so that many at once are counted too, and is taken back
/// when it succeeds. Safe to share between threads.
final class AttemptLimits {
  static final Duration WINDOW = Duration.ofMinutes(5);
  static final int OF_A_ROLE_FROM_AN_ADDRESS = 5;
  static final int OF_AN_ADDRESS = 20;
  static final int OF_A_ROLE = 50;

  /// The names that are remembered: a flood of names must not fill the memory.
  private static final int MOST = 10_000;

  private final Clock clock;
  private final Map<String, Window> windows =
      new LinkedHashMap<>(16, 0.75f, true) {
        @Override
        protected boolean removeEldestEntry(Map.Entry<String, Window> eldest) {
          return size() > MOST;
        }
      };

  AttemptLimits(Clock clock) {
    this.clock = clock;
  }

  private static final class Window {
    private final Instant since;
    private int attempts;

    private Window(Instant since) {
      this.since = since;
    }
  }

  /// Counts an attempt, unless there were too many. One that is refused leaves nothing behind, so
  /// that a flood of them drives no counter out.
  ///
  /// @return how long to wait; zero if it may be made
  synchronized Duration wait(String role, String address) {
    var now = clock.instant();
    var most = new int[] {OF_AN_ADDRESS, OF_A_ROLE_FROM_AN_ADDRESS, OF_A_ROLE};
    var keys = keys(role, address);
    for (int i = 0; i < most.length; i++) {
      var window = current(keys.get(i), now);
      if (window != null && window.attempts >= most[i]) {
        return rest(window, now);
      }
    }
    for (var key : keys) {
      var window = current(key, now);
      if (window == null) {
        window = new Window(now);
        windows.put(key, window);
      }
      window.attempts++;
    }
    return Duration.ZERO;
  }

  /// An attempt that was counted has succeeded, or says nothing of its password.
  synchronized void takeBack(String role, String address) {
    var now = clock.instant();
    for (var key : keys(role, address)) {
      var window = current(key, now);
      if (window != null) {
        window.attempts = Math.max(0, window.attempts - 1);
      }
    }
  }

  private static List<String> keys(String role, String address) {
    var network = network(address);
    return List.of("a " + network, "b " + network + " " + role, "r " + role);
  }

  /// Of IPv6, a reader has the addresses of a whole /64.
  private static String network(String address) {
    if (!address.contains(":")) {
      return address;
    }
    try {
      var bytes = InetAddress.ofLiteral(address).getAddress();
      return HexFormat.of().formatHex(bytes, 0, Math.min(8, bytes.length));
    } catch (IllegalArgumentException e) {
      return address;
    }
  }

  private @Nullable Window current(String key, Instant now) {
    var window = windows.get(key);
    return window == null || !now.isBefore(window.since.plus(WINDOW)) ? null : window;
  }

  private static Duration rest(Window window, Instant now) {
    return Duration.between(now, window.since.plus(WINDOW));
  }
}
