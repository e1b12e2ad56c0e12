package org.pgoffload.schema;

import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.flywaydb.core.Flyway;
import org.flywaydb.core.api.FlywayException;
import org.flywaydb.core.api.MigrationInfo;
import org.flywaydb.core.api.exception.FlywayValidateException;
import org.flywaydb.core.api.output.MigrateOutput;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.platform.DatabaseFault;
import org.pgoffload.platform.PinnedSettings;
import org.pgoffload.platform.Query;
import org.postgresql.util.PSQLException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Brings a database to this version's schema: tables by versioned migrations, functions by
/// repeatable migrations, all in one transaction and under Flyway's lock. Idempotent: a database of
/// this version is left alone.
///
/// Longer than 300 lines because every check before the migrations, and the removal of a failed
/// first installation, is part of the same transaction and lock.
public final class InstallSchema {
  /// The schema of the public objects when none is configured.
  public static final String DEFAULT_PUBLIC_SCHEMA = "public";

  /// In SQL text and in string literals a name with one of these would end what it stands in.
  private static final String NOT_IN_NAMES = "'\"\\\\%$";

  private static final int LONGEST_NAME = 63;

  private static final String PUBLIC_SCHEMA = "public_schema";
  private static final String MIGRATIONS = "classpath:org/pgoffload/schema/migrations/";

  private static final Logger LOG = LoggerFactory.getLogger(InstallSchema.class);

  private static final int OLDEST_SERVER = 150000;

  /// Each waits for a lock as long as afterConnect.sql says.
  private static final int MOST_TRIES = 6;

  private static final String APPLIED =
      "select from pgoffload.schema_history where version is not null limit 1";

  private InstallSchema() {}

  /// Why a schema cannot be that of the public objects, whatever the database.
  ///
  /// @return empty if it can be
  public static Optional<String> publicSchemaProblem(String name) {
    if (name.isBlank()
        || name.getBytes(StandardCharsets.UTF_8).length > LONGEST_NAME
        || name.chars().anyMatch(c -> NOT_IN_NAMES.indexOf(c) >= 0 || Character.isISOControl(c))) {
      return Optional.of(
          "must be 1 to 63 bytes without control characters and any of "
              + NOT_IN_NAMES
              + ", not '"
              + name
              + "'");
    }
    if (name.equals("pgoffload") || name.equals("information_schema") || name.startsWith("pg_")) {
      return Optional.of("must be a schema for what users see, which '" + name + "' cannot be");
    }
    return Optional.empty();
  }

  /// Applies what is missing.
  ///
  /// @param database a login that may create roles and schemas; it becomes the owner
  /// @param publicSchema where the public tables and functions go: its name, unquoted
  /// @return one line for each thing that changed; empty when nothing did
  /// @throws InstallException with what to do, when it cannot be applied; nothing has changed then
  public static List<String> run(DatabaseAddress database, String publicSchema) {
    return run(database, publicSchema, null);
  }

  /// Applies what is missing.
  ///
  /// @param database a login that may create roles and schemas; it becomes the owner
  /// @param publicSchema where the public tables and functions go, its name, unquoted
  /// @param pgBackgroundApi the version of pg_background that `pg_background_launch(text, integer)`
  ///   follows from now on, 1 or 2; null: the one that `pgoffload.setting` names
  /// @return one line for each thing that changed; empty when nothing did
  /// @throws InstallException with what to do, when it cannot be applied; nothing has changed then
  public static List<String> run(
      DatabaseAddress database, String publicSchema, @Nullable String pgBackgroundApi) {
    publicSchemaProblem(publicSchema)
        .ifPresent(problem -> {
          throw new InstallException("the public schema " + problem, null);
        });
    var identifier = checkServer(database, publicSchema);
    var api = PgBackgroundApi.of(database, pgBackgroundApi);
    var changes =
        new ArrayList<>(
            migrate(
                database,
                MIGRATIONS,
                Map.of(PUBLIC_SCHEMA, identifier, "pg_background_api", api.wanted())));
    changes.addAll(api.callersToLookAt(database));
    return List.copyOf(changes);
  }

  /// Applies migrations. Tries again if another session holds a needed lock for too long, or waits
  /// for one that this session holds.
  ///
  /// @param location of the migrations, as Flyway takes it, with a slash at its end
  /// @param placeholders the values of the migrations' placeholders. A repeatable migration is
  ///   applied again when the values have changed.
  public static List<String> migrate(
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
      if (cause instanceof SQLException e
          && (DatabaseFault.is(e, DatabaseFault.LOCK_NOT_AVAILABLE)
              || DatabaseFault.is(e, DatabaseFault.DEADLOCK_DETECTED))) {
        return true;
      }
    }
    return false;
  }

  private static List<String> migrateOnce(
      DatabaseAddress database, String location, Map<String, String> placeholders) {
    boolean first = isFirst(database);
    try {
      var ours = ownObjects(database, location, placeholders);
      refuseWhatIsInTheWay(database, ours.publicOnes(), first);
      var changes = new ArrayList<String>();
      for (MigrateOutput migration :
          flyway(database, location, placeholders, ours).migrate().migrations) {
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
              + "; "
              + (first ? leaveNothing(database) : "nothing has changed")
              + ": "
              + words(e),
          e);
    }
  }

  /// @param ours the objects of the migrations; the last migrations comment on them and revoke
  ///   PUBLIC's rights
  private static Flyway flyway(
      DatabaseAddress database,
      String location,
      Map<String, String> placeholders,
      OwnObjects ours) {
    var login = new HashMap<String, String>();
    var properties = database.partProperties("pgoffload install", Duration.ZERO);
    properties.stringPropertyNames().forEach(name -> login.put(name, properties.getProperty(name)));
    var values = new HashMap<>(placeholders);
    // of afterConnect.sql
    values.put("first_statement", PinnedSettings.FIRST_STATEMENT);
    values.put("content", ours.digest());
    values.put("own_comments", ours.comments());
    values.put(
        "own_functions",
        ours.functions().stream()
            .sorted()
            .map(function -> "'" + function + "'")
            .collect(Collectors.joining(", ")));
    return Flyway.configure()
        .dataSource(database.jdbcUrl(), login.remove("user"), login.remove("password"))
        .jdbcProperties(login)
        .locations(location)
        .schemas("pgoffload")
        .createSchemas(true)
        .table("schema_history")
        // all or nothing: an interrupted installation leaves the version before
        .group(true)
        .placeholders(values)
        // function bodies may contain anything between dollar quotes
        .placeholderPrefix("${")
        .validateMigrationNaming(true)
        .connectRetries(3)
        .load();
  }

  /// The objects that all migrations of this version make.
  ///
  /// @param publicSchema as an SQL identifier
  public static OwnObjects ownObjects(DatabaseAddress database, String publicSchema) {
    return ownObjects(
        database,
        MIGRATIONS,
        Map.of(PUBLIC_SCHEMA, publicSchema, "pg_background_api", PgBackgroundApi.DEFAULT));
  }

  private static OwnObjects ownObjects(
      DatabaseAddress database, String location, Map<String, String> placeholders) {
    var notYetRead = new OwnObjects(Set.of(), Set.of(), "", "");
    var files =
        Stream.of(flyway(database, location, placeholders, notYetRead).info().all())
            .map(MigrationInfo::getScript)
            .filter(Objects::nonNull)
            .filter(script -> script.endsWith(".sql"))
            .distinct()
            .sorted()
            .toList();
    return OwnObjects.read(location, files, String.valueOf(placeholders.get(PUBLIC_SCHEMA)));
  }

  private static boolean exists(Connection connection, String table) throws SQLException {
    return Query.exists(connection, "select where pg_catalog.to_regclass(?) is not null", table);
  }

  /// Whether no migration was ever applied here.
  private static boolean isFirst(DatabaseAddress database) {
    try (var connection = database.connectAsPart("pgoffload install")) {
      return !exists(connection, "pgoffload.schema_history") || !Query.exists(connection, APPLIED);
    } catch (SQLException e) {
      throw new InstallException(
          "the history of the schema cannot be read in " + database + ": " + e.getMessage(), e);
    }
  }

  /// Existing objects with a name of ours that belong to the user: on a first installation all of
  /// them, and later functions without a comment, since all our functions have comments.
  private static void refuseWhatIsInTheWay(
      DatabaseAddress database, OwnObjects ours, boolean first) {
    try (var connection = database.connectAsPart("pgoffload install")) {
      // objects are then named with their schema
      Query.execute(connection, "set search_path = pg_catalog");
      var functions = Query.array("text", ours.functions());
      var others = Query.array("text", ours.others());
      var inTheWay =
          Query.rows(
              connection,
              """
              select pg_catalog.pg_describe_object(o.class, o.oid, 0)
              from (select 'pg_proc'::regclass as class, p.oid from pg_catalog.pg_proc p
                    where p.oid::regprocedure::text = any (?)
                      and (? or pg_catalog.obj_description(p.oid, 'pg_proc') is null)
                    union all
                    select 'pg_class'::regclass, pg_catalog.to_regclass(r.name)::oid from unnest(?) r(name) where ?
                    union all
                    select 'pg_type'::regclass, pg_catalog.to_regtype(t.name)::oid from unnest(?) t(name)
                    where ? and pg_catalog.to_regclass(t.name) is null
                    union all
                    select 'pg_namespace'::regclass, n.oid from pg_catalog.pg_namespace n
                    where ? and n.nspname = 'pgoffload'
                      and exists (select from pg_catalog.pg_depend d
                                  where d.refclassid = 'pg_namespace'::regclass and d.refobjid = n.oid
                                    and d.objid is distinct from pg_catalog.to_regclass('pgoffload.schema_history'))
                    union all
                    select 'pg_publication'::regclass, p.oid from pg_catalog.pg_publication p where ? and p.pubname = 'pgoffload') o
              where o.oid is not null
              order by 1
              """,
              row -> row.getString(1),
              functions,
              first,
              others,
              first,
              others,
              first,
              first,
              first);
      if (!inTheWay.isEmpty()) {
        throw new InstallException(
            "cannot install into "
                + database
                + ", where these are that pgoffload would replace or meet:\n  - "
                + String.join("\n  - ", inTheWay)
                + "\nRename, move or drop them, or install into another schema"
                + " (PGOFFLOAD_PUBLIC_SCHEMA). Nothing has changed",
            null);
      }
    } catch (SQLException e) {
      throw new InstallException(
          "what is in the way of the schema cannot be looked for in "
              + database
              + ": "
              + e.getMessage(),
          e);
    }
  }

  /// The sessions that hold Flyway's advisory lock, which any role can take, each as what ends it.
  public static List<String> holdersOfTheLock(DatabaseAddress database) {
    try (var connection = database.connectAsPart("pgoffload install")) {
      return Query.rows(
          connection,
          // its number is 77431708279161 and a hash of 32 bits
          """
          select l.pid, a.usename
          from pg_catalog.pg_locks l left join pg_catalog.pg_stat_activity a on a.pid = l.pid
          where l.locktype = 'advisory' and l.granted and l.objsubid = 1
            and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database())
            and l.classid::bigint between 18027 and 18029
          """,
          row -> "select pg_terminate_backend(" + row.getInt(1) + "), of role " + row.getString(2));
    } catch (SQLException e) {
      LOG.debug("Nobody can say who holds the lock", e);
      return List.of();
    }
  }

  /// Removes the beginnings of a failed first installation: the schema with its empty history.
  /// Another installation that is under way holds a lock on the schema.
  ///
  /// @return the remaining objects, in words
  private static String leaveNothing(DatabaseAddress database) {
    try (var connection = database.connectAsPart("pgoffload install")) {
      connection.setAutoCommit(false);
      Query.execute(
          connection, "lock table pgoffload.schema_history in access exclusive mode nowait");
      if (Query.exists(connection, APPLIED)) {
        return "somebody else has installed it meanwhile";
      }
      Query.execute(connection, "drop table pgoffload.schema_history");
      Query.execute(connection, "drop schema pgoffload");
      connection.commit();
      return "nothing has changed";
    } catch (SQLException e) {
      LOG.debug("The empty schema pgoffload stays", e);
      return "the schema pgoffload is there with an empty history, and nothing else has changed";
    }
  }

  /// In our words, and the server's.
  private static String words(FlywayException fault) {
    if (fault instanceof FlywayValidateException) {
      return "what is there was not made by the migrations of this version. Install with the version"
          + " that made it, or a newer one";
    }
    for (Throwable cause = fault; cause != null; cause = cause.getCause()) {
      if (cause instanceof SQLException e) {
        return words(e);
      }
    }
    return String.valueOf(fault.getMessage());
  }

  private static String words(SQLException fault) {
    if (DatabaseFault.is(fault, DatabaseFault.LOCK_NOT_AVAILABLE)) {
      return "a table was locked for too long, by a transaction that writes to it. End it or wait, and"
          + " run install again";
    }
    var server = fault instanceof PSQLException e ? e.getServerErrorMessage() : null;
    if (server == null) {
      return String.valueOf(fault.getMessage());
    }
    return Stream.of(server.getMessage(), server.getDetail(), server.getHint())
            .filter(Objects::nonNull)
            .map(line -> line.endsWith(".") ? line.substring(0, line.length() - 1) : line)
            .collect(Collectors.joining(". "))
        + " (SQLSTATE "
        + fault.getSQLState()
        + ")";
  }

  /// @return the public schema as an SQL identifier
  private static String checkServer(DatabaseAddress database, String publicSchema) {
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
      refuseUnreleased(connection, database);
      var identifier = identifier(connection, publicSchema);
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
      if (Query.exists(
          connection, "select from pg_catalog.pg_extension where extname = 'pg_background'")) {
        problems.add(
            "the extension pg_background is installed, whose functions have the same names: drop it first (drop extension pg_background)");
      }
      var installedIn = publicSchemaOf(connection);
      if (installedIn.isPresent() && !installedIn.get().equals(identifier)) {
        problems.add(
            "pgoffload is installed here with its public objects in schema "
                + installedIn.get()
                + ", which cannot be changed to "
                + identifier);
      }
      if (!Query.exists(
          connection, "select from pg_catalog.pg_namespace where nspname = ?", publicSchema)) {
        problems.add("schema " + publicSchema + " does not exist: create it first");
      }
      if (!problems.isEmpty()) {
        throw new InstallException(
            "cannot install into " + database + ":\n  - " + String.join("\n  - ", problems), null);
      }
      return identifier;
    } catch (SQLException e) {
      throw new InstallException("cannot connect to " + database + ": " + e.getMessage(), e);
    }
  }

  /// With quotes where it needs them; a keyword does.
  private static String identifier(Connection connection, String name) throws SQLException {
    return Query.row(connection, "select pg_catalog.quote_ident(?)", row -> row.getString(1), name);
  }

  /// Refuses the schema of a version that was never released: today's table `pgoffload.claim` had
  /// another name there.
  ///
  /// @throws InstallException with the code `unreleased_schema`, and what to do
  public static void refuseUnreleased(Connection connection, DatabaseAddress database)
      throws SQLException {
    if (exists(connection, "pgoffload.execution")) {
      throw new InstallException(
          "unreleased_schema: the schema pgoffload in "
              + database
              + " was made by a version that was never released, and this version neither"
              + " upgrades nor removes it. Remove it with the version that made it (pgoffload"
              + " uninstall), or use a fresh database. Nothing has changed",
          null);
    }
  }

  /// As an SQL identifier, if pgoffload is installed here.
  public static Optional<String> publicSchemaOf(Connection connection) throws SQLException {
    return exists(connection, "pgoffload.setting")
        ? Query.first(
            connection,
            "select value from pgoffload.setting where name = 'public_schema'",
            row -> row.getString(1))
        : Optional.empty();
  }
}
