package org.pgoffload.dev.servers;

/// Ends a server when the JVM ends normally, unless it was closed before.
public final class ShutdownHook {

  private final Thread thread;

  private ShutdownHook(Thread thread) {
    this.thread = thread;
  }

  /// Has `end` called when the JVM ends.
  ///
  /// @throws EmbeddedException with START_FAILED if the JVM is ending already
  static ShutdownHook register(String name, Runnable end) {
    var thread = Thread.ofPlatform().name(name).unstarted(end);
    try {
      Runtime.getRuntime().addShutdownHook(thread);
    } catch (IllegalStateException e) {
      throw tooLate();
    }
    return new ShutdownHook(thread);
  }

  static EmbeddedException tooLate() {
    return new EmbeddedException(
        EmbeddedException.Code.START_FAILED, "This JVM is ending: no server is started any more.");
  }

  /// Forgets the hook; false if the JVM is ending, when it can no longer be forgotten.
  public boolean remove() {
    try {
      Runtime.getRuntime().removeShutdownHook(thread);
      return true;
    } catch (IllegalStateException e) {
      return false; // the JVM is ending
    }
  }
}
