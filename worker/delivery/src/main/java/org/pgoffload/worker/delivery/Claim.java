package org.pgoffload.worker.delivery;

/// The database's answer for one request that this worker asked to claim.
///
/// @param <A> the attempt, with what the request's handler needs to execute it
public sealed interface Claim<A extends Attempt> {
  /// This worker executes the request.
  record Claimed<A extends Attempt>(A attempt) implements Claim<A> {}

  /// This worker has claimed the request before, under the same lease.
  ///
  /// @param attempt as if it were claimed now
  record Own<A extends Attempt>(A attempt) implements Claim<A> {}

  /// The request is this worker's, to be ended without being executed.
  ///
  /// @param attempt with the reason
  record Refused<A extends Attempt>(A attempt) implements Claim<A> {}

  /// The request has its result.
  record Answered<A extends Attempt>() implements Claim<A> {}

  /// Another live worker has the request: it is watched until it is answered or its holder is dead.
  record Held<A extends Attempt>() implements Claim<A> {}

  /// The database has lost the request in a fail-over, or has another one under its id: as if it
  /// had never been asked.
  record Unasked<A extends Attempt>() implements Claim<A> {}

  /// The database has no record of the request: it was removed, or is not visible yet.
  record Missing<A extends Attempt>() implements Claim<A> {}
}
