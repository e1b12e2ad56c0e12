package org.pgoffload.schema;

import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.platform.Query;

/// Which pg_background the one name follows that means different things in its versions:
/// `pg_background_launch(text, integer)` returns a pid in 1.x, and a handle in 2.x.
///
/// @param standing what is installed, or null if nothing is
/// @param wanted what is to be installed
record PgBackgroundApi(@Nullable String standing, String wanted) {
  static final String DEFAULT = "1";
  private static final Set<String> KNOWN = Set.of(DEFAULT, "2");

  PgBackgroundApi {
    if (!KNOWN.contains(wanted)) {
      throw new InstallException(
          "pg_background_api is '"
              + wanted
              + "': it must be 1, for a pid as in pg_background 1.x, or 2, for a handle as in 2.x",
          null);
    }
  }

  /// @param asked for with this installation, or null to leave it as it is
  /// @throws InstallException if there is no such version, or the database cannot be asked
  static PgBackgroundApi of(DatabaseAddress database, @Nullable String asked) {
    try (var connection = database.connectAsPart("pgoffload install")) {
      var standing = standing(connection);
      return new PgBackgroundApi(
          standing, asked != null ? asked : standing != null ? standing : DEFAULT);
    } catch (SQLException e) {
      throw new InstallException("cannot connect to " + database + ": " + e.getMessage(), e);
    }
  }

  private static @Nullable String standing(Connection connection) throws SQLException {
    return Query.exists(
            connection, "select where pg_catalog.to_regclass('pgoffload.setting') is not null")
        ? Query.first(
                connection,
                "select value from pgoffload.setting where name = 'pg_background_api'",
                row -> row.getString(1))
            .orElse(null)
        : null;
  }

  /// Users' functions that call the changed name. PostgreSQL keeps no record of what the text of a
  /// function's body uses, so that nothing stops them from failing.
  ///
  /// @return a line that names them, if the version has changed and there are any
  List<String> callersToLookAt(DatabaseAddress database) {
    if (standing == null || standing.equals(wanted)) {
      return List.of();
    }
    try (var connection = database.connectAsPart("pgoffload install")) {
      var callers =
          Query.first(
              connection,
              """
              select pg_catalog.string_agg(p.oid::pg_catalog.regprocedure::text, ', ' order by p.oid)
              from pg_catalog.pg_proc p
              where p.prosrc ~* '\\mpg_background_launch[[:space:]]*[(]'
                and p.pronamespace not in ('pgoffload'::pg_catalog.regnamespace, 'pg_catalog'::pg_catalog.regnamespace)
                and p.proname !~ '^pg_background_'
              """,
              row -> row.getString(1));
      return callers
          .map(names ->
              "look at these functions, whose text calls pg_background_launch, which returns "
                  + (wanted.equals(DEFAULT) ? "an integer" : "a handle")
                  + " now: "
                  + names)
          .stream()
          .toList();
    } catch (SQLException e) {
      throw new InstallException("cannot connect to " + database + ": " + e.getMessage(), e);
    }
  }
}
