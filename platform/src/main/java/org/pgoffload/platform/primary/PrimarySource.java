package org.pgoffload.platform.primary;

import java.io.PrintWriter;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.SQLFeatureNotSupportedException;
import java.time.Duration;
import java.util.logging.Logger;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/// Opens sessions with the recorded primary, for a pool.
///
/// @param application shown in pg_stat_activity
/// @param silence of the server after which a session is given up
/// @param statementTimeout of each statement
record PrimarySource(
    FollowPrimary primary, String application, Duration silence, Duration statementTimeout)
    implements DataSource {
  @Override
  public Connection getConnection() throws SQLException {
    return primary.connect(application, silence, statementTimeout);
  }

  @Override
  public Connection getConnection(@Nullable String user, @Nullable String password)
      throws SQLException {
    throw new SQLFeatureNotSupportedException("the address says who logs in");
  }

  @Override
  public @Nullable PrintWriter getLogWriter() {
    return null;
  }

  @Override
  public void setLogWriter(@Nullable PrintWriter writer) {
    // nothing is written
  }

  @Override
  public void setLoginTimeout(int seconds) {
    // the address and the silence bound it
  }

  @Override
  public int getLoginTimeout() {
    return 0;
  }

  @Override
  public Logger getParentLogger() throws SQLFeatureNotSupportedException {
    throw new SQLFeatureNotSupportedException("slf4j is used");
  }

  @Override
  public <T> T unwrap(Class<T> type) throws SQLException {
    throw new SQLException("it wraps nothing");
  }

  @Override
  public boolean isWrapperFor(Class<?> type) {
    return false;
  }
}
