package org.pgoffload.dev.servers;

import org.jspecify.annotations.Nullable;

/// A broker in this JVM, for tests: ready sooner than a process and seen by a debugger. A fatal
/// fault in the broker halts the whole JVM, so nothing else should run this way.
public final class BrokerInJvm implements KafkaBroker {

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
      var chosen = options.withFreePorts();
      return new BrokerInJvm(chosen, BrokerServer.start(BrokerSettings.of(chosen)), lock);
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
