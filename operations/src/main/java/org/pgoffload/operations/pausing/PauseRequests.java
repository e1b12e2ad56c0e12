package org.pgoffload.operations.pausing;

import java.sql.SQLException;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.ConnectAsPart;
import org.pgoffload.platform.DatabaseFault;
import org.pgoffload.platform.Query;
import org.pgoffload.schema.InstallException;

/// Pauses and resumes the requests of a model or of a role.
public final class PauseRequests {
  private PauseRequests() {}

  /// What is paused or resumed: a model, all models of a provider, or a role.
  ///
  /// @param role null for a model
  public record Target(@Nullable String model, @Nullable String provider, @Nullable String role) {
    /// @throws IllegalArgumentException if it names nothing, or a model and a role
    public Target {
      if ((model == null && provider == null) == (role == null)) {
        throw new IllegalArgumentException("name a model, a provider, both of them, or a role");
      }
    }

    /// In words.
    public String words() {
      if (role != null) {
        return "role " + role;
      }
      return model == null
          ? "provider " + provider
          : "model " + (provider == null ? "" : provider + ":") + model;
    }
  }

  /// Pauses it.
  ///
  /// @param database a login that is a member of pgoffload_operator
  /// @return false if it was paused
  /// @throws InstallException if the database refuses it, or does not answer, in words
  public static boolean pause(ConnectAsPart database, Target target, @Nullable String reason) {
    return target.role == null
        ? call(
            database,
            "pgoffload pause",
            "pgoffload_pause_model(?::text, ?::text, ?::text)",
            target.model,
            target.provider,
            reason)
        : call(
            database,
            "pgoffload pause",
            "pgoffload_pause_role(pg_catalog.quote_ident(?::text)::pg_catalog.regrole, ?::text)",
            target.role,
            reason);
  }

  /// Resumes it.
  ///
  /// @param database a login that is a member of pgoffload_operator
  /// @return false if it was not paused
  /// @throws InstallException if the database refuses it, or does not answer, in words
  public static boolean resume(ConnectAsPart database, Target target) {
    return target.role == null
        ? call(
            database,
            "pgoffload resume",
            "pgoffload_resume_model(?::text, ?::text)",
            target.model,
            target.provider)
        : call(
            database,
            "pgoffload resume",
            "pgoffload_resume_role(pg_catalog.quote_ident(?::text)::pg_catalog.regrole)",
            target.role);
  }

  private static boolean call(
      ConnectAsPart database, String name, String function, @Nullable Object... arguments) {
    try (var connection = database.connectAsPart(name)) {
      // an operator need not be able to read the settings
      var schema =
          Query.row(
              connection,
              "select pg_catalog.quote_ident(n.nspname) from pg_catalog.pg_proc p"
                  + " join pg_catalog.pg_namespace n on n.oid = p.pronamespace"
                  + " where p.proname = 'pgoffload_pause_model'",
              row -> row.getString(1));
      return Query.row(
          connection, "select " + schema + "." + function, row -> row.getBoolean(1), arguments);
    } catch (SQLException e) {
      throw new InstallException("the database has refused: " + DatabaseFault.words(e), e);
    }
  }
}
