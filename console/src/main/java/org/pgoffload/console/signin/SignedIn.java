package org.pgoffload.console.signin;

import java.time.Instant;
import java.util.concurrent.atomic.AtomicReference;
import org.pgoffload.console.database.RoleDatabase;

/// A role that has signed in, until it signs out or has not looked for a while.
///
/// Safe to share between threads.
public final class SignedIn {
  private final RoleDatabase database;
  private final RoleRights rights;
  private final Instant since;
  private volatile Instant lastLook;
  private volatile boolean ended;
  private final AtomicReference<String> notice = new AtomicReference<>("");

  SignedIn(RoleDatabase database, RoleRights rights, Instant now) {
    this.database = database;
    this.rights = rights;
    this.since = now;
    this.lastLook = now;
  }

  /// The role's name.
  public String role() {
    return database.role();
  }

  /// The database with the role's rights.
  public RoleDatabase database() {
    return database;
  }

  public RoleRights rights() {
    return rights;
  }

  /// Whether it has signed out, or its time is over. What goes on by itself, such as a stream of
  /// events, has to ask.
  public boolean hasEnded() {
    return ended;
  }

  /// Keeps what was done, for the next page.
  public void leaveNotice(String words) {
    notice.set(words);
  }

  /// What was done, once.
  public String takeNotice() {
    return notice.getAndSet("");
  }

  Instant since() {
    return since;
  }

  Instant lastLook() {
    return lastLook;
  }

  void looked(Instant now) {
    lastLook = now;
  }

  void end() {
    ended = true;
  }

  /// Names the role alone.
  @Override
  public String toString() {
    return "SignedIn[" + role() + "]";
  }
}
