package org.pgoffload.worker;

import java.sql.SQLException;
import java.time.Duration;
import java.util.HashMap;
import javax.sql.DataSource;
import org.pgoffload.protocol.Secret;
import org.pgoffload.protocol.SigningKeys;

/// What the worker trusts: the installation's id and its signing keys, read from the database at
/// the start and again when a key turns up that is not known.
///
/// Safe to share between threads.
final class Trust {
  private record State(String installation, Duration oldest, SigningKeys keys) {}

  private final DataSource database;
  private volatile State state;

  /// @throws SQLException if the database cannot be asked
  Trust(DataSource database) throws SQLException {
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

  /// Reads everything again.
  ///
  /// @throws SQLException if the database cannot be asked; what was read last stays
  void readAgain() throws SQLException {
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
