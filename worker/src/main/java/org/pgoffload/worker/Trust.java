package org.pgoffload.worker;

import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.HashMap;
import javax.sql.DataSource;
import org.pgoffload.protocol.Secret;
import org.pgoffload.protocol.SigningKeys;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// What the worker trusts: the installation's id and its signing keys, read from the database at
/// the start and again when a key turns up that is not known.
///
/// Safe to share between threads.
final class Trust {
  private static final Logger LOG = LoggerFactory.getLogger(Trust.class);

  /// Records of unknown keys may be garbage: they must not make the database busy.
  private static final Duration BETWEEN_READS = Duration.ofSeconds(1);

  private record State(String installation, Duration oldest, SigningKeys keys, Instant readAt) {}

  private final DataSource database;
  private final InstantSource clock;
  private volatile State state;

  /// @throws SQLException if the database cannot be asked
  Trust(DataSource database, InstantSource clock) throws SQLException {
    this.database = database;
    this.clock = clock;
    this.state = read();
  }

  String installation() {
    return state.installation;
  }

  /// Requests older than this are not executed.
  Duration oldest() {
    return state.oldest;
  }

  /// The keys, read again if this one is not among them.
  SigningKeys keysThatKnow(int keyId) {
    var current = state;
    if (!current.keys.knows(keyId) && clock.instant().isAfter(current.readAt.plus(BETWEEN_READS))) {
      try {
        state = read();
      } catch (SQLException e) {
        LOG.warn("The signing keys could not be read again: {}", e.getMessage());
      }
    }
    return state.keys;
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
      return new State(installation, oldest, SigningKeys.ofHex(keys), clock.instant());
    }
  }
}
