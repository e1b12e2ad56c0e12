package org.pgoffload.console.signin;

import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Comparator;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/// Who is signed in, by the id in the reader's cookie. A session ends with its sign-out, after half
/// an hour without a look, and after twelve hours; the password is forgotten with it.
///
/// Sessions are found by the token of their id, which takes a reader's guess as well as the id
/// itself: what is compared is not what was sent, so that no time tells how much of it was right.
///
/// Safe to share between threads.
public final class Sessions implements AutoCloseable {
  /// How long a session lives without a look.
  public static final Duration IDLE = Duration.ofMinutes(30);

  static final Duration LONGEST = Duration.ofHours(12);
  private static final int MOST = 1_000;

  /// One role cannot keep the others out: the one that was looked at longest ago ends.
  static final int MOST_OF_A_ROLE = 20;

  private static final Duration SWEEP = Duration.ofSeconds(30);

  private final Map<String, SignedIn> sessions = new ConcurrentHashMap<>();
  private final CountDownLatch closing = new CountDownLatch(1);
  private final Tokens tokens;
  private final Clock clock;

  private Sessions(Tokens tokens, Clock clock) {
    this.tokens = tokens;
    this.clock = clock;
  }

  /// Starts to forget what is over.
  public static Sessions start(Tokens tokens, Clock clock) {
    var sessions = new Sessions(tokens, clock);
    Thread.ofVirtual().name("pgoffload-console-sessions").start(sessions::sweepUntilClosed);
    return sessions;
  }

  /// Begins a session.
  ///
  /// @return its id, which only the reader's cookie is to hold
  String begin(Login login) {
    if (sessions.size() >= MOST) {
      sweep();
      if (sessions.size() >= MOST) {
        throw new SignInException(
            "53300", "Too many roles are signed in.", "Try again in a few minutes.");
      }
    }
    var id = tokens.newId();
    var begun = new SignedIn(login.database(), login.rights(), clock.instant());
    var ofTheRole =
        sessions.entrySet().stream()
            .filter(each -> each.getValue().role().equals(begun.role()))
            .sorted(Comparator.comparing(each -> each.getValue().lastLook()))
            .toList();
    ofTheRole.stream()
        .limit(Math.max(0, ofTheRole.size() + 1 - MOST_OF_A_ROLE))
        .forEach(each -> forget(each.getKey()));
    sessions.put(tokens.of(id), begun);
    return id;
  }

  /// The session of an id, if it lives.
  ///
  /// @param isLook whether a reader looks, rather than a page that asks again by itself
  public Optional<SignedIn> find(String id, boolean isLook) {
    var key = tokens.of(id);
    var session = sessions.get(key);
    if (session == null) {
      return Optional.empty();
    }
    var now = clock.instant();
    if (isOver(session, now)) {
      forget(key);
      return Optional.empty();
    }
    if (isLook) {
      session.looked(now);
    }
    return Optional.of(session);
  }

  /// Ends a session.
  public void end(String id) {
    forget(tokens.of(id));
  }

  /// How many live.
  int size() {
    return sessions.size();
  }

  void sweep() {
    var now = clock.instant();
    sessions.forEach((key, session) -> {
      if (isOver(session, now)) {
        forget(key);
      }
    });
  }

  private static boolean isOver(SignedIn session, Instant now) {
    return !now.isBefore(session.lastLook().plus(IDLE))
        || !now.isBefore(session.since().plus(LONGEST));
  }

  private void forget(String key) {
    var session = sessions.remove(key);
    if (session != null) {
      session.end();
    }
  }

  private void sweepUntilClosed() {
    try {
      while (!closing.await(SWEEP.toMillis(), TimeUnit.MILLISECONDS)) {
        sweep();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /// Ends all sessions.
  @Override
  public void close() {
    closing.countDown();
    sessions.keySet().forEach(this::forget);
  }
}
