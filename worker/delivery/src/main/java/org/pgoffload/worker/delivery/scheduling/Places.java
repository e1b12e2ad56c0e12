package org.pgoffload.worker.delivery.scheduling;

import com.fasterxml.jackson.databind.node.ObjectNode;
import org.jspecify.annotations.Nullable;

/// The places that requests take while they run, and the order in which those that wait get them.
///
/// For one thread at a time: under its scheduler's lock.
///
/// @param <P> one place, or all of the same kind
public interface Places<P> {
  /// A choice begins: [#next] is called until there is none, or enough are chosen.
  default void choosing() {}

  /// A request waits, and may be chosen.
  void add(Turn<P> turn);

  /// It does not wait any longer.
  void remove(Turn<P> turn);

  /// A request begins to run.
  void take(Turn<P> turn);

  /// It has left its place.
  void free(Turn<P> turn);

  /// The request that may begin next, or null. It is taken, or else it is not asked for again
  /// before the next choice.
  @Nullable Turn<P> next();

  /// Adds what waits for which places, and how many of them are taken.
  default void tell(ObjectNode queue) {}
}
