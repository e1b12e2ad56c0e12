package org.pgoffload.operations.checks;

import java.sql.SQLException;
import java.util.Optional;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.platform.Query;
import org.pgoffload.schema.InstallException;

/// Says what the servers need so that a standby can take over with the slot.
public final class StandbyCheck {
  private StandbyCheck() {}

  /// What to set, as far as the primary can see it; empty where there is no standby, or nothing to
  /// do.
  ///
  /// @param database the owner's login
  /// @throws InstallException if it cannot be asked
  public static Optional<String> advice(DatabaseAddress database, String slot) {
    try (var connection = database.connectAsPart("pgoffload install")) {
      return Query.first(
          connection,
          "select detail || '. ' || advice from pgoffload.standby_health(?)",
          row -> row.getString(1),
          slot);
    } catch (SQLException e) {
      throw new InstallException("the standbys cannot be looked at: " + e.getMessage(), e);
    }
  }
}
