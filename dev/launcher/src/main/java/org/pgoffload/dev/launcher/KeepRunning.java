package org.pgoffload.dev.launcher;

import java.time.Duration;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Starts a server of the local installation again when it has ended by itself, at the same address
/// and with the same data.
///
/// @param <S> the server
final class KeepRunning<S> implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(KeepRunning.class);
  private static final Duration INTERVAL = Duration.ofMillis(500);

  private final String name;
  private final Predicate<S> isRunning;
  private final UnaryOperator<S> again;
  private final Consumer<S> end;
  private final Thread watcher;
  private S server;
  private boolean closed;

  /// @param again closes what is left of the ended server and starts the same one
  KeepRunning(
      String name, S server, Predicate<S> isRunning, UnaryOperator<S> again, Consumer<S> end) {
    this.name = name;
    this.server = server;
    this.isRunning = isRunning;
    this.again = again;
    this.end = end;
    this.watcher = Thread.ofVirtual().name("pgoffload-watch-" + name).start(this::watch);
  }

  private void watch() {
    try {
      while (!Thread.currentThread().isInterrupted()) {
        Thread.sleep(INTERVAL);
        restartIfEnded();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private synchronized void restartIfEnded() {
    if (closed || isRunning.test(server)) {
      return;
    }
    LOG.error("{} has ended unexpectedly; it is started again", name);
    try {
      server = again.apply(server);
      LOG.info("{} runs again", name);
    } catch (RuntimeException e) {
      LOG.error("{} could not be started again, which is tried further: {}", name, e.getMessage());
    }
  }

  @Override
  public void close() {
    watcher.interrupt();
    synchronized (this) {
      closed = true;
      end.accept(server);
    }
  }
}
