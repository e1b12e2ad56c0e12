package org.pgoffload.console.signin;

import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Map;

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

  /// Counts an attempt, unless there were too many.
  ///
  /// @return how long to wait; zero if it may be made
  synchronized Duration wait(String role, String address) {
    var now = clock.instant();
    var both = window("b " + address + " " + role, now);
    var ofTheAddress = window("a " + address, now);
    var ofTheRole = window("r " + role, now);
    if (both.attempts >= OF_A_ROLE_FROM_AN_ADDRESS) {
      return rest(both, now);
    }
    if (ofTheAddress.attempts >= OF_AN_ADDRESS) {
      return rest(ofTheAddress, now);
    }
    if (ofTheRole.attempts >= OF_A_ROLE) {
      return rest(ofTheRole, now);
    }
    both.attempts++;
    ofTheAddress.attempts++;
    ofTheRole.attempts++;
    return Duration.ZERO;
  }

  /// An attempt that was counted has succeeded, or says nothing of its password.
  synchronized void takeBack(String role, String address) {
    var now = clock.instant();
    for (var key : new String[] {"b " + address + " " + role, "a " + address, "r " + role}) {
      var window = window(key, now);
      window.attempts = Math.max(0, window.attempts - 1);
    }
  }

  private Window window(String key, Instant now) {
    var window = windows.get(key);
    if (window == null || !now.isBefore(window.since.plus(WINDOW))) {
      window = new Window(now);
      windows.put(key, window);
    }
    return window;
  }

  private static Duration rest(Window window, Instant now) {
    return Duration.between(now, window.since.plus(WINDOW));
  }
}
