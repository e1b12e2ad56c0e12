package org.pgoffload.worker.delivery.trust;

import java.sql.SQLException;
import java.time.Duration;
import java.util.HashMap;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import javax.sql.DataSource;
import org.pgoffload.protocol.Secret;
import org.pgoffload.protocol.SigningKeys;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// What the worker trusts: the installation's id and its signing keys, read from the database at
/// the start, again when a key turns up that is not known, and every few seconds, since a key may
/// be revoked.
///
/// Safe to share between threads.
public final class SigningKeyCache {
  private static final Logger LOG = LoggerFactory.getLogger(SigningKeyCache.class);

  /// The sweep after a revocation waits for twice as long (pgoffload.next_sweep).
  private static final int SECONDS = 3;

  private record State(String installation, Duration oldest, SigningKeys keys) {}

  private final DataSource database;
  private volatile State state;

  /// @throws SQLException if the database cannot be asked
  public SigningKeyCache(DataSource database) throws SQLException {
    this.database = database;
    this.state = read();
  }

  String installation() {
    return state.installation;
  }

  /// Requests older than this are not executed.
  Duration oldest() {
    return state.oldest;
  }

  /// The keys as they were read last.
  SigningKeys keys() {
    return state.keys;
  }

  /// Begins to read everything again every few seconds.
  public void readAgainEveryFewSeconds(ScheduledExecutorService timer) {
    var _ =
        timer.scheduleWithFixedDelay(
            () -> {
              try {
                readAgain();
              } catch (SQLException | RuntimeException e) {
                LOG.debug("The signing keys could not be read again; the last ones stand", e);
              }
            },
            SECONDS,
            SECONDS,
            TimeUnit.SECONDS);
  }

  /// Reads everything again. One after another: a slow reader must not put back what a later one
  /// has found, since a consumer refuses what the keys that it has just read do not know.
  ///
  /// @throws SQLException if the database cannot be asked; what was read last stays
  synchronized void readAgain() throws SQLException {
    state = read();
  }

  private State read() throws SQLException {
    try (var connection = database.getConnection();
        var statement = connection.createStatement()) {
      String installation;
      Duration oldest;
      try (var row =
          statement.executeQuery(
              """
              select i.id, extract(epoch from s.value::interval)::bigint / 2, pgoffload.is_copy()
              from pgoffload.installation i, pgoffload.setting s where s.name = 'retention'
              """)) {
        row.next();
        installation = row.getString(1);
        oldest = Duration.ofSeconds(row.getLong(2));
        if (row.getBoolean(3)) {
          throw new SQLException(
              "this database is a copy of another installation; to run it as one of its own: pgoffload adopt");
        }
      }
      var keys = new HashMap<Integer, Secret>();
      try (var row =
          statement.executeQuery("select key_id, key_hex from pgoffload.signing_keys()")) {
        while (row.next()) {
          keys.put(row.getInt(1), Secret.of(row.getString(2)));
        }
      }
      return new State(installation, oldest, SigningKeys.ofHex(keys));
    }
  }
}
