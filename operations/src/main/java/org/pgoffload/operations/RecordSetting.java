package org.pgoffload.operations;

import java.sql.SQLException;
import org.pgoffload.platform.ConnectAsPart;
import org.pgoffload.platform.Query;
import org.pgoffload.schema.InstallException;

/// Records in `pgoffload.setting` what the installer has found or made. A value that is there
/// already is not written again.
final class RecordSetting {
  private RecordSetting() {}

  /// @param database the owner's login
  /// @throws InstallException if it cannot be recorded
  static void run(ConnectAsPart database, String name, String value) {
    try (var connection = database.connectAsPart("pgoffload install")) {
      Query.execute(
          connection,
          "update pgoffload.setting set value = ? where name = ? and value <> ?",
          value,
          name,
          value);
    } catch (SQLException e) {
      throw new InstallException(
          "the setting " + name + " cannot be recorded: " + e.getMessage(), e);
    }
  }
}
