package org.pgoffload.operations;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import org.pgoffload.platform.ConnectAsPart;
import org.pgoffload.platform.primary.FollowPrimary;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Sessions with the recorded primary, which are broken off when another server is recorded: a
/// statement that takes long must not go on with the server before.
///
/// Safe to share between threads.
final class PrimarySessions implements ConnectAsPart {
  private static final Logger LOG = LoggerFactory.getLogger(PrimarySessions.class);

  private final FollowPrimary primary;
  private final Set<Connection> open = ConcurrentHashMap.newKeySet();

  PrimarySessions(FollowPrimary primary) {
    this.primary = primary;
    primary.onChange(this::breakOff);
  }

  @Override
  public Connection connect(String application, Duration silence, Duration statementTimeout)
      throws SQLException {
    var token = primary.token();
    return keep(token, primary.connect(application, silence, statementTimeout));
  }

  @Override
  public Connection connectAsPart(String application) throws SQLException {
    var token = primary.token();
    return keep(token, primary.connectAsPart(application));
  }

  /// @param token of the primary when it was asked for: the change is told after the token is new
  private Connection keep(Optional<UUID> token, Connection opened) {
    open.removeIf(PrimarySessions::isClosed);
    open.add(opened);
    if (token.isPresent() && !token.equals(primary.token())) {
      abort(opened);
    }
    return opened;
  }

  private void breakOff() {
    LOG.info("Another server is the recorded primary: what has not ended is done there next time");
    open.forEach(PrimarySessions::abort);
  }

  private static boolean isClosed(Connection session) {
    try {
      return session.isClosed();
    } catch (SQLException e) {
      return true;
    }
  }

  private static void abort(Connection session) {
    try {
      session.abort(Runnable::run);
    } catch (SQLException e) {
      LOG.debug("The session was broken already", e);
    }
  }
}
