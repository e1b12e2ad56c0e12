package org.pgoffload.platform.hosting;

import java.lang.reflect.Proxy;
import java.util.concurrent.Semaphore;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// SIGHUP, which otherwise would end the process. While it listens, one at a time.
public final class Hangups implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Hangups.class);

  private final Semaphore come = new Semaphore(0);

  private Hangups() {}

  /// Listens from now on, where there is such a signal. A process that was started with the signal
  /// ignored, as by `nohup`, never gets one: no handler changes that, so it is said.
  public static Hangups listen() {
    var hangups = new Hangups();
    try {
      // javac warns of every mention of these classes, which all JDKs have, and nothing replaces
      var signal = Class.forName("sun.misc.Signal");
      var handler = Class.forName("sun.misc.SignalHandler");
      var before =
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
      if (before.equals(handler.getField("SIG_IGN").get(null))) {
        LOG.warn(
            "SIGHUP is ignored in this process, because whatever started it (nohup, for one) ignores"
                + " it: changed files are read at the next start only. To have SIGHUP heard, start"
                + " it as a service, or with: env --default-signal=HUP <command>");
      }
    } catch (ReflectiveOperationException e) {
      LOG.info("SIGHUP is not listened to here: changed files are read at the next start");
      LOG.debug("Why", e);
    }
    return hangups;
  }

  /// Waits for the next one; several that came meanwhile are one.
  public void awaitNext() throws InterruptedException {
    come.acquire();
    come.drainPermits();
  }

  /// Ignores hangups from now on.
  @Override
  public void close() {
    come.drainPermits();
  }
}
