package org.pgoffload.worker.delivery;

import java.util.ArrayDeque;
import java.util.Deque;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// What a worker has opened, to be closed in reverse order.
///
/// Safe to share between threads.
public final class OpenedParts implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(OpenedParts.class);

  private final Deque<AutoCloseable> opened = new ArrayDeque<>();

  /// Closes this part before those that were added earlier.
  ///
  /// @return the part
  public synchronized <T extends AutoCloseable> T add(T part) {
    opened.push(part);
    return part;
  }

  /// Closes all; a part that cannot be closed does not keep the others open. Idempotent.
  @Override
  public synchronized void close() {
    while (!opened.isEmpty()) {
      var part = opened.pop();
      try {
        part.close();
      } catch (Exception e) {
        LOG.warn("{} could not be closed", part.getClass().getSimpleName(), e);
      }
    }
  }
}
