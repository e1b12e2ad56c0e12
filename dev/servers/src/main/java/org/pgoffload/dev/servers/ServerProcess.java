package org.pgoffload.dev.servers;

import java.time.Duration;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// The first process of a running server, which has its home for itself. Thread-safe.
public final class ServerProcess {

  private final Process process;
  private final DirectoryLock lock;
  private final ServerHome home;
  private @Nullable ShutdownHook hook;
  private boolean ended;
  private boolean closed;

  public ServerProcess(Process process, DirectoryLock lock, ServerHome home) {
    this.process = process;
    this.lock = lock;
    this.home = home;
  }

  /// Has the server closed when the JVM ends, where its home says so.
  public synchronized void endWithJvm(String name, Runnable close) {
    hook = home.shutdownHook(name, close);
  }

  public long id() {
    return process.pid();
  }

  public boolean isRunning() {
    return process.isAlive();
  }

  /// Ends the process this way unless it has been ended before, and removes the directory unless
  /// the data are kept or another server runs on it by now. Idempotent.
  public synchronized void close(Consumer<Process> way) {
    if (closed) {
      return;
    }
    closed = true;
    var remove = !home.keepData();
    if (!ended) {
      end(way, remove);
    } else if (remove) {
      Directories.deleteUnlessLocked(home.directory());
    }
    if (hook != null) {
      hook.remove();
    }
  }

  /// Ends the process this way. The data stay until [#close]; the directory is free for another
  /// start.
  public synchronized void end(Consumer<Process> way) {
    if (!ended) {
      end(way, false);
    }
  }

  private void end(Consumer<Process> way, boolean remove) {
    ended = true;
    try (lock) {
      way.accept(process);
      Processes.awaitExit(process, Duration.ofSeconds(1));
      if (remove) {
        Directories.delete(home.directory());
      }
    }
  }
}
