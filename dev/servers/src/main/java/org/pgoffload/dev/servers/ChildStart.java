package org.pgoffload.dev.servers;

import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// The start of a child process, from before it is spawned until the server is handed over or the
/// start has failed. A JVM that ends in between ends the child: nobody else knows it yet.
///
/// One child at a time. Thread-safe.
public final class ChildStart implements AutoCloseable {

  /// Bounds a start that hangs. The recovery after a crash is no hang, and takes long beside
  /// clients that keep a small machine busy.
  public static final Duration TIMEOUT = Duration.ofMinutes(3);

  /// With the rest below the five seconds in which a server ends.
  private static final Duration ORDERLY = Duration.ofSeconds(3);

  private final ShutdownHook hook;
  private final CountDownLatch closed = new CountDownLatch(1);
  private @Nullable Process child;
  private boolean jvmEnds;

  /// Watches over the children to come.
  ///
  /// @throws EmbeddedException with START_FAILED if the JVM is ending already
  public ChildStart() {
    this.hook = ShutdownHook.register("end-what-is-starting", this::endWithJvm);
  }

  /// Spawns the next child; its predecessor has ended.
  ///
  /// @throws EmbeddedException with START_FAILED if the JVM is ending by now
  /// @throws IOException if the command cannot be executed
  synchronized Process spawn(ProcessBuilder builder) throws IOException {
    if (jvmEnds) {
      throw ShutdownHook.tooLate();
    }
    var spawned = builder.start();
    child = spawned;
    return spawned;
  }

  /// Ends the child in an orderly way, or by force after a short time, with what it spawned itself.
  synchronized void endChild() {
    var process = child;
    if (process == null || !process.isAlive()) {
      return;
    }
    // before it ends: afterwards its children have no parent
    var descendants = process.descendants().toList();
    process.destroy();
    if (!Processes.awaitExit(process, ORDERLY)) {
      process.destroyForcibly();
      Processes.awaitExit(process, Duration.ofSeconds(1));
    }
    descendants.forEach(ProcessHandle::destroyForcibly);
  }

  /// Hands the child over to its new owner.
  ///
  /// @throws EmbeddedException with START_FAILED if the JVM is ending by now, and the child with it
  public synchronized void handOver() {
    if (!hook.remove()) {
      endChild();
      throw ShutdownHook.tooLate();
    }
    child = null;
  }

  /// Ends the child, unless it was handed over.
  @Override
  public void close() {
    endChild();
    hook.remove();
    closed.countDown();
  }

  private void endWithJvm() {
    synchronized (this) {
      jvmEnds = true;
      endChild();
    }
    try {
      // The start fails now, and removes what it would not leave behind, such as a password's file.
      closed.await(500, TimeUnit.MILLISECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
