package org.pgoffload.operations.keys;

import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.pgoffload.operations.RecordCaptureBreak;
import org.pgoffload.operations.retention.RemoveOldRequests;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.platform.Query;
import org.pgoffload.schema.InstallException;

/// Changes the key with which the database signs requests. Works with the owner's login.
/// [RemoveOldKeys] removes those that are no longer needed.
public final class RotateKeys {
  /// The break of the capture whose sweep signs again what was committed, and ends the rest.
  private static final String REVOKED = "key_revoked";

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
