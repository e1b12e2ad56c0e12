package org.pgoffload.platform;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;

/// Opens sessions of a part, with its pinned settings: with the recorded primary
/// ([org.pgoffload.platform.primary.FollowPrimary]), or with an address as it is
/// ([DatabaseAddress]).
@FunctionalInterface
public interface ConnectAsPart {
  /// Opens a session.
  ///
  /// @param application shown in pg_stat_activity
  /// @param silence of the server after which the session is given up
  /// @param statementTimeout of each statement; zero for none
  Connection connect(String application, Duration silence, Duration statementTimeout)
      throws SQLException;

  /// As above, without a limit to a statement's time.
  default Connection connect(String application, Duration silence) throws SQLException {
    return connect(application, silence, Duration.ZERO);
  }

  /// As above, for statements that may take long.
  default Connection connectAsPart(String application) throws SQLException {
    return connect(application, Duration.ZERO);
  }
}
