package org.pgoffload.schema;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.function.Supplier;

/// Sessions of one login that are kept from one use to the next, as a part keeps its own: most of
/// the first call in a session is planning. Thread-safe.
final class SessionPool implements AutoCloseable {
  private final Supplier<Session> opening;
  private final Deque<Session> idle = new ArrayDeque<>();

  SessionPool(Supplier<Session> opening) {
    this.opening = opening;
  }

  /// A session whose close gives it back.
  record Borrowed(SessionPool pool, Session session) implements AutoCloseable {
    @Override
    public void close() {
      pool.giveBack(session);
    }
  }

  synchronized Borrowed borrow() {
    while (!idle.isEmpty()) {
      var session = idle.pop();
      if (session.isReset()) {
        return new Borrowed(this, session);
      }
      session.close();
    }
    return new Borrowed(this, opening.get());
  }

  private synchronized void giveBack(Session session) {
    idle.push(session);
  }

  @Override
  public synchronized void close() {
    idle.forEach(Session::close);
    idle.clear();
  }
}
