package org.pgoffload.operations;

import java.sql.Connection;
import java.sql.SQLException;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.platform.Query;
import org.pgoffload.schema.InstallException;

/// Makes a copied or restored database an installation of its own: gives it an identity and a
/// signing key, and ends the requests that it was copied with and that have no result, because only
/// the installation that they were asked in executes them.
public final class AdoptCopy {
  /// Each page is a transaction of its own, so that none is long.
  private static final int PAGE = 5_000;

  private AdoptCopy() {}

  /// The adoption that was done.
  ///
  /// @param installation the new identity
  /// @param ended how many requests had come without a result
  public record Adopted(String installation, long ended) {}

  /// Adopts the database. Where it is interrupted, another call ends the requests that are left.
  ///
  /// @param database the owner's login
  /// @throws InstallException if the database refuses
  public static Adopted run(DatabaseAddress database) {
    try (var connection = database.connectAsPart("pgoffload adopt")) {
      return new Adopted(
          Query.row(connection, "select pgoffload.adopt()", row -> row.getString(1)),
          endCopied(connection, PAGE));
    } catch (SQLException e) {
      throw new InstallException(
          "the database could not be adopted: " + e.getMessage() + "; run pgoffload adopt again",
          e);
    }
  }

  static long endCopied(Connection connection, int page) throws SQLException {
    long ended = 0;
    long last = -1;
    try (var statement =
        connection.prepareStatement("select ended, last_id from pgoffload.end_copied(?, ?)")) {
      while (true) {
        statement.setLong(1, last);
        statement.setInt(2, page);
        var row = statement.executeQuery();
        row.next();
        ended += row.getLong(1);
        last = row.getLong(2);
        if (row.wasNull()) {
          return ended;
        }
      }
    }
  }
}
