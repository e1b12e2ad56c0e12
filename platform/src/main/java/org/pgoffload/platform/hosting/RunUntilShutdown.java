package org.pgoffload.platform.hosting;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Closes something, once, when the process is asked to end (Ctrl-C, SIGTERM) or when the command
/// is done, whichever comes first.
public final class RunUntilShutdown implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(RunUntilShutdown.class);

  private final AutoCloseable running;
  private final Thread hook;
  private boolean closed;

  public RunUntilShutdown(AutoCloseable running) {
    this.running = running;
    this.hook = Thread.ofPlatform().name("pgoffload-shutdown").unstarted(this::closeOnce);
    Runtime.getRuntime().addShutdownHook(hook);
  }

  private synchronized void closeOnce() {
    if (closed) {
      return;
    }
    closed = true;
    try {
      running.close();
    } catch (Exception e) {
      LOG.error("Not everything could be ended", e);
    }
  }

  /// Leaves the closing to the caller from now on.
  public synchronized void disarm() {
    closed = true;
  }

  @Override
  public void close() {
    closeOnce();
    try {
      Runtime.getRuntime().removeShutdownHook(hook);
    } catch (IllegalStateException e) {
      // the process is ending: the hook has run or runs
      LOG.debug("Ending already", e);
    }
  }
}
