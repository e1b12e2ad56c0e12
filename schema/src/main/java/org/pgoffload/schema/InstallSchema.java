package org.pgoffload.schema;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.flywaydb.core.Flyway;
import org.flywaydb.core.api.FlywayException;
import org.flywaydb.core.api.output.MigrateOutput;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Brings a database to this version's schema: tables by versioned migrations, functions by
/// repeatable ones, all in one transaction and under Flyway's lock. Idempotent: what is there
/// already is left alone.
public final class InstallSchema {
  /// The schema of the public objects when none is configured.
  public static final String DEFAULT_PUBLIC_SCHEMA = "public";

  /// The regular expression of a public schema's name: one that needs no quoting.
  public static final String PUBLIC_SCHEMA_FORM = "[a-z_][a-z0-9_]{0,62}";

  private static final Logger LOG = LoggerFactory.getLogger(InstallSchema.class);

  private static final int OLDEST_SERVER = 150000;

  /// Each waits for a lock as long as afterConnect.sql says.
  private static final int MOST_TRIES = 6;

  private static final String LOCK_NOT_AVAILABLE = "55P03";

  private InstallSchema() {}

  /// Applies what is missing.
  ///
  /// @param database a login that may create roles and schemas; it becomes the owner
  /// @param publicSchema where the public tables and functions go, a plain lower-case name
  /// @return one line for each thing that changed; empty when nothing did
  /// @throws InstallException with what to do, when it cannot be applied; nothing has changed then
  public static List<String> run(DatabaseAddress database, String publicSchema) {
    return run(database, publicSchema, null);
  }

  /// Applies what is missing.
  ///
  /// @param database a login that may create roles and schemas; it becomes the owner
  /// @param publicSchema where the public tables and functions go, a plain lower-case name
  /// @param pgBackgroundApi the version of pg_background that `pg_background_launch(text, integer)`
  ///   follows from now on, 1 or 2; null: the one that `pgoffload.setting` names
  /// @return one line for each thing that changed; empty when nothing did
  /// @throws InstallException with what to do, when it cannot be applied; nothing has changed then
  public static List<String> run(
      DatabaseAddress database, String publicSchema, @Nullable String pgBackgroundApi) {
    if (!publicSchema.matches(PUBLIC_SCHEMA_FORM)) {
      throw new InstallException(
          "the public schema '" + publicSchema + "' must be a plain lower-case name", null);
    }
    checkServer(database, publicSchema);
    var api = PgBackgroundApi.of(database, pgBackgroundApi);
    var changes =
        new ArrayList<>(
            migrate(
                database,
                "classpath:org/pgoffload/schema/migration",
                Map.of("public_schema", publicSchema, "pg_background_api", api.wanted())));
    changes.addAll(api.callersToLookAt(database));
    return List.copyOf(changes);
  }

  /// Applies migrations; again, if somebody holds a lock that they need for longer than they wait.
  ///
  /// @param location where they are
  /// @param placeholders what stands for what in them. A repeatable one is applied again when they
  ///   have changed.
  static List<String> migrate(
      DatabaseAddress database, String location, Map<String, String> placeholders) {
    for (int tries = 1; ; tries++) {
      try {
        return migrateOnce(database, location, placeholders);
      } catch (InstallException e) {
        if (tries == MOST_TRIES || !isLockedOut(e)) {
          throw e;
        }
        LOG.info(
            "A table was locked for too long, by a transaction that writes to it; trying again");
      }
    }
  }

  private static boolean isLockedOut(Throwable fault) {
    for (var cause = fault; cause != null; cause = cause.getCause()) {
      if (cause instanceof SQLException e && LOCK_NOT_AVAILABLE.equals(e.getSQLState())) {
        return true;
      }
    }
    return false;
  }

  private static List<String> migrateOnce(
      DatabaseAddress database, String location, Map<String, String> placeholders) {
    var login = new HashMap<String, String>();
    var properties = database.partProperties("pgoffload install", Duration.ZERO);
    properties.stringPropertyNames().forEach(name -> login.put(name, properties.getProperty(name)));
    var flyway =
        Flyway.configure()
            .dataSource(database.jdbcUrl(), login.remove("user"), login.remove("password"))
            .jdbcProperties(login)
            .initSql(PinnedSettings.FIRST_STATEMENT)
            .locations(location)
            .schemas("pgoffload")
            .createSchemas(true)
            .table("schema_history")
            // all or nothing: an interrupted installation leaves the version before
            .group(true)
            .placeholders(placeholders)
            // function bodies may contain anything between dollar quotes
            .placeholderPrefix("${")
            .validateMigrationNaming(true)
            .connectRetries(3)
            .load();
    try {
      var result = flyway.migrate();
      var changes = new ArrayList<String>();
      for (MigrateOutput migration : result.migrations) {
        changes.add(
            migration.version == null || migration.version.isEmpty()
                ? "replaced " + migration.description
                : "applied " + migration.version + " " + migration.description);
      }
      return List.copyOf(changes);
    } catch (FlywayException e) {
      var holders = holdersOfTheLock(database);
      if (!holders.isEmpty()) {
        throw new InstallException(
            "another session of "
                + database
                + " holds the lock of installations; nothing has changed. If it is no installation"
                + " that still runs, end it: "
                + String.join("; ", holders),
            e);
      }
      throw new InstallException(
          "the schema could not be installed in "
              + database
              + "; nothing has changed: "
              + e.getMessage(),
          e);
    }
  }

  /// The sessions that hold Flyway's advisory lock, which any role can take, each as what ends it.
  static List<String> holdersOfTheLock(DatabaseAddress database) {
    var holders = new ArrayList<String>();
    try (var connection = database.connect("pgoffload install");
        var statement = connection.createStatement();
        var row =
            statement.executeQuery(
                // its number is 77431708279161 and a hash of 32 bits
                """
                select l.pid, a.usename
                from pg_catalog.pg_locks l left join pg_catalog.pg_stat_activity a on a.pid = l.pid
                where l.locktype = 'advisory' and l.granted and l.objsubid = 1
                  and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database())
                  and l.classid::bigint between 18027 and 18029
                """)) {
      while (row.next()) {
        holders.add(
            "select pg_terminate_backend(" + row.getInt(1) + "), of role " + row.getString(2));
      }
    } catch (SQLException e) {
      LOG.debug("Nobody can say who holds the lock", e);
    }
    return holders;
  }

  private static void checkServer(DatabaseAddress database, String publicSchema) {
    try (var connection = database.connectAsPart("pgoffload install");
        var statement = connection.createStatement();
        var row =
            statement.executeQuery(
                """
                select current_setting('server_version_num')::int,
                       current_setting('server_version'),
                       current_setting('wal_level'),
                       (select rolsuper or rolcreaterole from pg_catalog.pg_roles where rolname = current_user),
                       current_setting('server_encoding')
                """)) {
      row.next();
      var problems = new ArrayList<String>();
      if (row.getInt(1) < OLDEST_SERVER) {
        problems.add("PostgreSQL " + row.getString(2) + " is too old: 15 or newer is needed");
      }
      if (!row.getString(3).equals("logical")) {
        problems.add(
            "wal_level is "
                + row.getString(3)
                + ": set wal_level = logical in postgresql.conf (managed: rds.logical_replication = 1 or the provider's switch) and restart PostgreSQL");
      }
      if (!row.getBoolean(4)) {
        problems.add(
            "role " + database.user() + " needs CREATEROLE, to make the roles of the parts");
      }
      if (!row.getString(5).equals("UTF8")) {
        problems.add(
            "the database's encoding is "
                + row.getString(5)
                + ": prompts and answers need a database with encoding UTF8");
      }
      if (pgBackgroundIsInstalled(connection)) {
        problems.add(
            "the extension pg_background is installed, whose functions have the same names: drop it first (drop extension pg_background)");
      }
      var installedIn = publicSchemaOf(connection);
      if (installedIn.isPresent() && !installedIn.get().equals(publicSchema)) {
        problems.add(
            "pgoffload is installed here with its public objects in schema "
                + installedIn.get()
                + ", which cannot be changed to "
                + publicSchema);
      }
      if (!schemaExists(connection, publicSchema)) {
        problems.add("schema " + publicSchema + " does not exist: create it first");
      }
      if (!problems.isEmpty()) {
        throw new InstallException(
            "cannot install into " + database + ":\n  - " + String.join("\n  - ", problems), null);
      }
    } catch (SQLException e) {
      throw new InstallException("cannot connect to " + database + ": " + e.getMessage(), e);
    }
  }

  private static boolean pgBackgroundIsInstalled(Connection connection) throws SQLException {
    try (var statement = connection.createStatement();
        var row =
            statement.executeQuery(
                "select from pg_catalog.pg_extension where extname = 'pg_background'")) {
      return row.next();
    }
  }

  private static Optional<String> publicSchemaOf(Connection connection) throws SQLException {
    try (var statement = connection.createStatement()) {
      try (var row = statement.executeQuery("select pg_catalog.to_regclass('pgoffload.setting')")) {
        row.next();
        if (row.getString(1) == null) {
          return Optional.empty();
        }
      }
      try (var row =
          statement.executeQuery(
              "select value from pgoffload.setting where name = 'public_schema'")) {
        return row.next() ? Optional.of(row.getString(1)) : Optional.empty();
      }
    }
  }

  private static boolean schemaExists(Connection connection, String name) throws SQLException {
    try (var statement =
        connection.prepareStatement("select from pg_catalog.pg_namespace where nspname = ?")) {
      statement.setString(1, name);
      return statement.executeQuery().next();
    }
  }
}
