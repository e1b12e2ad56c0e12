package org.pgoffload.worker.delivery;

import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.pgoffload.protocol.RequestChannel;

/// What differs between the kinds of requests: which topic they are read from, which of their
/// requests may begin, how they are claimed, and what running one means. [ConsumeRequests] does for
/// all of them what is the same, and calls everything here on its one thread.
public interface RequestHandler {
  /// The topic of its requests.
  String topic();

  /// Which kinds of requests belong there.
  RequestChannel kinds();

  /// Takes a request; it waits until it may begin, or until it is claimed in order to be ended.
  /// Must not throw.
  void received(ConsumedRequest request);

  /// So many unfinished records make it take no more.
  int window();

  /// How long a poll may take while something waits; empty when nothing does.
  Optional<Duration> pollWhileWaiting();

  /// How many may be claimed now.
  int claimable();

  /// Up to this many that may begin now, in the order of their arrival. They are to be claimed.
  List<ConsumedRequest> mayBegin(int atMost);

  /// Claims requests, begins what was claimed, and finishes or sets aside the rest.
  ///
  /// @throws SQLException if the database could not be asked; nothing has begun then
  void claim(List<ConsumedRequest> requests) throws SQLException;

  /// Ends a request that the database will not let anybody claim.
  ///
  /// @throws SQLException if the database could not be asked; it is claimed again then
  void endUnclaimable(ConsumedRequest request, String sqlState) throws SQLException;

  /// Makes known to the database what has to wait. Called after each round of claims.
  ///
  /// @throws SQLException if the database could not be asked; to be called again
  default void recordWaiting() throws SQLException {}

  /// Begins nothing more, lets what runs finish within the time and leaves the rest to the next
  /// worker.
  void drain(Duration patience);
}
