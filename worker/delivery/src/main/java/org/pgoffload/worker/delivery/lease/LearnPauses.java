package org.pgoffload.worker.delivery.lease;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.pgoffload.worker.delivery.scheduling.Pauses;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// What is paused, as the database said last: while it cannot be asked, that stays so. Tells it
/// whenever it changes.
///
/// Safe to share between threads.
final class LearnPauses {
  private static final Logger LOG = LoggerFactory.getLogger(LearnPauses.class);

  private final List<Consumer<Pauses>> listeners = new ArrayList<>();
  private @Nullable String last;
  private Pauses now = Pauses.NONE;

  /// Tells it now, and whenever it changes.
  synchronized void add(Consumer<Pauses> listener) {
    listeners.add(listener);
    listener.accept(now);
  }

  /// The database has said so. A fault in that must not cost the lease.
  synchronized void learn(@Nullable String json) {
    if (Objects.equals(json, last)) {
      return;
    }
    last = json;
    try {
      now = Pauses.of(json);
      LOG.info("What is paused has changed: {} models or roles are", now.all().size());
      listeners.forEach(listener -> listener.accept(now));
    } catch (RuntimeException e) {
      LOG.warn("What is paused could not be learnt", e);
    }
  }
}
