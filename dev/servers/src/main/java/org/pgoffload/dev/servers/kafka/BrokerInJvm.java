package org.pgoffload.dev.servers.kafka;

import java.net.BindException;
import org.jspecify.annotations.Nullable;
import org.pgoffload.dev.servers.Directories;
import org.pgoffload.dev.servers.DirectoryLock;
import org.pgoffload.dev.servers.EmbeddedException;
import org.pgoffload.dev.servers.ShutdownHook;

/// A broker in this JVM, for tests: ready sooner than a process and seen by a debugger. A fatal
/// fault in the broker halts the whole JVM, so nothing else should run this way.
public final class BrokerInJvm implements KafkaBroker {

  private static final int TRIES = 5;

  private final BrokerOptions options;
  private final BrokerServer server;
  private final DirectoryLock lock;
  private final @Nullable ShutdownHook hook;
  private boolean running = true;

  private BrokerInJvm(BrokerOptions options, BrokerServer server, DirectoryLock lock) {
    this.options = options;
    this.server = server;
    this.lock = lock;
    this.hook = options.home().shutdownHook("end-embedded-broker", this::close);
  }

  /// Starts the broker and returns once it takes requests.
  ///
  /// @throws EmbeddedException if the directory is in use or cannot be used, a port that was asked
  ///   for is in use, or the broker does not start
  public static BrokerInJvm start(BrokerOptions options) {
    Directories.create(options.directory());
    var lock = DirectoryLock.acquire(options.directory());
    try {
      BrokerOrphan.end(options.directory());
      options.requireFreePorts(); // after an orphan gave them back
      Directories.create(options.recordsDirectory());
      return launch(options, lock);
    } catch (EmbeddedException | Error e) {
      lock.close();
      throw e;
    } catch (Exception e) { // Kafka is Scala, which declares no exceptions
      lock.close();
      throw new EmbeddedException(
          EmbeddedException.Code.START_FAILED,
          "The broker did not start in " + options.directory() + ": " + e.getMessage(),
          e);
    }
  }

  /// A free port may be taken before the broker has it: then others are tried.
  private static BrokerInJvm launch(BrokerOptions options, DirectoryLock lock) throws Exception {
    for (int tries = 1; ; tries++) {
      var chosen = options.withFreePorts();
      try {
        return new BrokerInJvm(chosen, BrokerServer.start(BrokerSettings.of(chosen)), lock);
      } catch (Exception e) { // Kafka is Scala, which declares no exceptions
        if (tries == TRIES || chosen.equals(options) || !isOfAPort(e)) {
          throw e;
        }
      }
    }
  }

  private static boolean isOfAPort(Throwable fault) {
    for (Throwable cause = fault; cause != null; cause = cause.getCause()) {
      if (cause instanceof BindException) {
        return true;
      }
    }
    return false;
  }

  @Override
  public BrokerOptions options() {
    return options;
  }

  @Override
  public synchronized boolean isRunning() {
    return running;
  }

  @Override
  public synchronized void close() {
    if (!running) {
      return;
    }
    running = false;
    try (lock) {
      server.stop();
      if (!options.home().keepData()) {
        Directories.delete(options.directory());
      }
    }
    if (hook != null) {
      hook.remove();
    }
  }
}
