package org.pgoffload.operations;

import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.platform.Query;
import org.pgoffload.schema.InstallException;

/// Changes the key with which the database signs requests, and removes keys that are no longer
/// needed. Works with the owner's login.
public final class RotateKeys {
  /// The break of the capture whose sweep signs again what was committed, and ends the rest.
  private static final String REVOKED = "key_revoked";

  /// The one for what was committed after that, by transactions that had begun before.
  private static final String SEALED = "key_sealed";

  private RotateKeys() {}

  /// Makes the key that signs from now on. What the one before has signed is executed as before:
  /// nothing waits, and nothing is lost.
  ///
  /// @return its id
  /// @throws InstallException if the database refuses
  public static int rotate(DatabaseAddress database) {
    try (var connection = connect(database)) {
      return (int) RemoveOldRequests.number(connection, "select pgoffload.rotate_key()");
    } catch (SQLException e) {
      throw failed(e);
    }
  }

  /// The outcome of a revocation.
  ///
  /// @param keyId the key that signs from now on
  /// @param sealed false while transactions are open that may still sign with a revoked key
  public record Revocation(int keyId, boolean sealed) {}

  /// As [#rotate(DatabaseAddress)], and revokes all older keys: workers refuse requests that those
  /// keys have signed, a few seconds later at the latest. The producer then has the database sign
  /// inserted requests without a result again. Immediate requests without a result fail, since a
  /// holder of the key may have made them up.
  ///
  /// @throws InstallException if the database refuses; to be called again
  public static Revocation revoke(DatabaseAddress database) {
    // a planned break refuses immediate requests, which the sweep would end
    RecordCaptureBreak.plan(database, REVOKED);
    try (var connection = connect(database)) {
      int key = (int) RemoveOldRequests.number(connection, "select pgoffload.revoke_keys()");
      RemoveOldRequests.number(connection, "select pgoffload.seal_keys()");
      boolean sealed =
          RemoveOldRequests.number(
                  connection,
                  "select count(*) from pgoffload.signing_key"
                      + " where retired_at is not null and sealed_at is null")
              == 0;
      RecordCaptureBreak.complete(database);
      return new Revocation(key, sealed);
    } catch (SQLException e) {
      throw failed(e);
    }
  }

  /// The keys, the newest first.
  ///
  /// @throws InstallException if the database refuses
  public static List<SigningKey> list(DatabaseAddress database) {
    try (var connection = connect(database)) {
      return List.copyOf(
          Query.rows(
              connection,
              "select key_id, created_at, retired_at, revoked_at from pgoffload.signing_key"
                  + " order by key_id desc",
              RotateKeys::key));
    } catch (SQLException e) {
      throw failed(e);
    }
  }

  /// Seals keys that sign no more, and removes keys that are no longer needed.
  ///
  /// @return one line for each thing that changed
  /// @throws SQLException if the database could not be asked
  static List<String> removeOld(DatabaseAddress database) throws SQLException {
    var changes = new ArrayList<String>();
    try (var connection = connect(database)) {
      connection.setAutoCommit(false);
      if (RemoveOldRequests.number(connection, "select pgoffload.seal_keys()") > 0) {
        // with the sealing or not at all: it is said once
        Query.execute(connection, "select pgoffload.plan_capture_break(?)", SEALED);
      }
      connection.commit();
      connection.setAutoCommit(true);
      // also by a round that was interrupted before it could complete what it had planned
      if (Query.exists(
          connection,
          "select from pgoffload.capture_break where first_id is null and reason = ?",
          SEALED)) {
        RecordCaptureBreak.complete(database).ifPresent(changes::add);
      }
      changes.addAll(
          Query.rows(
              connection,
              "select * from pgoffload.remove_old_keys()",
              row -> "removed signing key " + row.getInt(1)));
    }
    return changes;
  }

  private static Connection connect(DatabaseAddress database) throws SQLException {
    return database.connectAsPart("pgoffload rotate-key");
  }

  private static SigningKey key(ResultSet row) throws SQLException {
    var retiredAt = instant(row, 3);
    var revokedAt = instant(row, 4);
    return new SigningKey(
        row.getInt(1),
        revokedAt != null
            ? SigningKey.State.REVOKED
            : retiredAt != null ? SigningKey.State.ACCEPTED : SigningKey.State.SIGNS,
        row.getObject(2, OffsetDateTime.class).toInstant(),
        retiredAt,
        revokedAt);
  }

  private static @Nullable Instant instant(ResultSet row, int column) throws SQLException {
    var time = row.getObject(column, OffsetDateTime.class);
    return time == null ? null : time.toInstant();
  }

  private static InstallException failed(SQLException e) {
    return new InstallException("the signing keys could not be changed: " + e.getMessage(), e);
  }
}
