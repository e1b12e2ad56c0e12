package org.pgoffload.worker.delivery.scheduling;

import java.time.Instant;
import org.jspecify.annotations.Nullable;

/// A request in its scheduler: where it waits, runs, or is held by another worker. Kept small,
/// because a million of them may wait.
///
/// @param <P> the place that the request takes while it runs
public final class Turn<P> {
  private final long id;
  private final long arrival;
  private final P place;
  private final Pausable pausable;
  private final @Nullable String orderingKey;
  private final long deadline;
  private State state = State.WAITING;

  /// Whether it stands among those that its place may be given to.
  private boolean eligible;

  /// Whether it only ends: it is cancelled, or its deadline has passed.
  private boolean ends;

  enum State {
    WAITING,
    RUNNING,
    HELD
  }

  Turn(
      long id,
      long arrival,
      P place,
      Pausable pausable,
      @Nullable String orderingKey,
      @Nullable Instant deadline) {
    this.id = id;
    this.arrival = arrival;
    this.place = place;
    this.pausable = pausable;
    this.orderingKey = orderingKey;
    this.deadline = deadline == null ? Long.MAX_VALUE : millis(deadline);
  }

  /// A time that milliseconds cannot name is never.
  static long millis(Instant time) {
    long seconds = time.getEpochSecond();
    return seconds >= Long.MAX_VALUE / 1000 - 1 ? Long.MAX_VALUE : time.toEpochMilli();
  }

  /// The request's id.
  public long id() {
    return id;
  }

  /// Grows with each request that comes.
  public long arrival() {
    return arrival;
  }

  public P place() {
    return place;
  }

  Pausable pausable() {
    return pausable;
  }

  @Nullable String orderingKey() {
    return orderingKey;
  }

  /// In milliseconds of the epoch; the greatest number for none.
  long deadline() {
    return deadline;
  }

  State state() {
    return state;
  }

  void state(State now) {
    state = now;
  }

  boolean eligible() {
    return eligible;
  }

  void eligible(boolean now) {
    eligible = now;
  }

  boolean ends() {
    return ends;
  }

  void end() {
    ends = true;
  }
}
