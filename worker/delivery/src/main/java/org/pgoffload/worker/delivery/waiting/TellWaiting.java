package org.pgoffload.worker.delivery.waiting;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// What waits at this worker, as one JSON object that is told with each renewal of the lease. A
/// worker may hold a million requests: they are told by the places that they wait for, at most
/// [#MOST] of each kind, and by their ids only where few can be named.
///
/// Safe to share between threads.
public final class TellWaiting {
  /// Of each kind of what is told by name; those where most waits.
  public static final int MOST = 50;

  private static final Logger LOG = LoggerFactory.getLogger(TellWaiting.class);

  private final List<Consumer<ObjectNode>> parts = new CopyOnWriteArrayList<>();

  /// Has a part of the worker add what it knows. It must not wait for anything.
  public void add(Consumer<ObjectNode> part) {
    parts.add(part);
  }

  /// Everything that is known now. A part that fails is left out.
  public ObjectNode tell() {
    var told = JsonNodeFactory.instance.objectNode();
    for (var part : parts) {
      try {
        part.accept(told);
      } catch (RuntimeException e) {
        LOG.warn("What waits at this worker could not be told in full", e);
      }
    }
    return told;
  }
}
