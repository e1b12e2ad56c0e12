package org.pgoffload.worker.delivery;

/// Is told the state of each pending request: that it waits once it does, each later state before
/// it takes effect. Methods may be called on any thread, and must not block or throw.
public interface PendingListener {
  /// For a handler that keeps no order of its own.
  PendingListener NONE = new PendingListener() {};

  /// A request was consumed: it waits to be claimed.
  default void waits(ConsumedRequest request) {}

  /// It was claimed, and is executed here.
  default void running(long id) {}

  /// Another worker has it.
  default void held(long id) {}

  /// It needs nothing any more.
  default void finished(long id) {}
}
