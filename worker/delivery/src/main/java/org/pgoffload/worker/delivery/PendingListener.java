package org.pgoffload.worker.delivery;

import java.util.function.Consumer;
import org.pgoffload.worker.delivery.scheduling.RequestScheduler;

/// Is told the state of each pending request: that it waits once it does, each later state before
/// it takes effect. Methods may be called on any thread, and must not block or throw.
public interface PendingListener {
  /// Tells no one.
  PendingListener NONE = new PendingListener() {};

  /// Tells a scheduler.
  ///
  /// @param waits adds a request to it
  static PendingListener of(RequestScheduler<?> scheduler, Consumer<ConsumedRequest> waits) {
    return new PendingListener() {
      @Override
      public void waits(ConsumedRequest request) {
        waits.accept(request);
      }

      @Override
      public void running(long id) {
        scheduler.running(id);
      }

      @Override
      public void held(long id) {
        scheduler.held(id);
      }

      @Override
      public void finished(long id) {
        scheduler.finished(id);
      }
    };
  }

  /// A request was consumed: it waits to be claimed.
  default void waits(ConsumedRequest request) {}

  /// It was claimed, and is executed here.
  default void running(long id) {}

  /// Another worker has it.
  default void held(long id) {}

  /// It needs nothing any more.
  default void finished(long id) {}
}
