package org.pgoffload.launcher;

import java.lang.reflect.Proxy;
import java.util.concurrent.Semaphore;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// SIGHUP, which otherwise would end the process. While it listens, one at a time.
final class Hangups implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Hangups.class);

  private final Semaphore come = new Semaphore(0);

  private Hangups() {}

  /// Listens from now on, where there is such a signal.
  static Hangups listen() {
    var hangups = new Hangups();
    try {
      // javac warns of every mention of these classes, which all JDKs have, and nothing replaces
      var signal = Class.forName("sun.misc.Signal");
      var handler = Class.forName("sun.misc.SignalHandler");
      signal
          .getMethod("handle", signal, handler)
          .invoke(
              null,
              signal.getConstructor(String.class).newInstance("HUP"),
              Proxy.newProxyInstance(
                  handler.getClassLoader(),
                  new Class<?>[] {handler},
                  (proxy, method, arguments) -> {
                    // the only method that is ever called
                    hangups.come.release();
                    return null;
                  }));
    } catch (ReflectiveOperationException e) {
      LOG.info("SIGHUP is not listened to here: changed files are read at the next start");
      LOG.debug("Why", e);
    }
    return hangups;
  }

  /// Waits for the next one; several that came meanwhile are one.
  void awaitNext() throws InterruptedException {
    come.acquire();
    come.drainPermits();
  }

  /// What comes from now on changes nothing.
  @Override
  public void close() {
    come.drainPermits();
  }
}
