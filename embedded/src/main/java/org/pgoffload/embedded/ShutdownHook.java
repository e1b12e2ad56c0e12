package org.pgoffload.embedded;

/// Ends a server when the JVM ends normally, unless it was closed before.
final class ShutdownHook {

  private final Thread thread;

  private ShutdownHook(Thread thread) {
    this.thread = thread;
  }

  static ShutdownHook register(String name, Runnable end) {
    var thread = Thread.ofPlatform().name(name).unstarted(end);
    Runtime.getRuntime().addShutdownHook(thread);
    return new ShutdownHook(thread);
  }

  /// Forgets the hook; while the JVM is ending it can no longer be forgotten, and need not be.
  void remove() {
    try {
      Runtime.getRuntime().removeShutdownHook(thread);
    } catch (IllegalStateException e) {
      return; // the JVM is ending
    }
  }
}
