package org.pgoffload.dev.servers;

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.util.HashMap;
import java.util.function.Function;

/// How a standby follows its primary. The standby is a [PostgresServer] like any other: it is
/// stopped, killed, and started again with its options, and goes on as a standby until it is
/// promoted.
///
/// A test that needs both:
///
/// ```java
/// try (var primary = PostgresServer.start(PostgresOptions.temporary("secret"));
///     var standby =
///         PostgresStandby.of(primary, "standby")
///             .copy(primary, PostgresOptions.temporary("secret"))) {
///   primary.kill();
///   PostgresStandby.promote(standby);
/// }
/// ```
///
/// From PostgreSQL 17 on, the standby synchronises the primary's logical slots that were made for
/// fail-over. Replication is asynchronous until [#awaitByCommits] says otherwise.
///
/// @param name of the standby in the primary's settings: its `application_name`, and its physical
///   slot, which keeps the WAL that the standby has not got
/// @param port through which the standby reaches its primary on 127.0.0.1: the primary's own, or
///   that of a proxy that can cut replication
public record PostgresStandby(String name, int port) {

  public PostgresStandby {
    if (!name.matches("[a-z0-9_]+")) {
      throw new IllegalArgumentException("A standby's name is also that of a slot: " + name);
    }
  }

  /// A standby that reaches its primary directly.
  public static PostgresStandby of(PostgresServer primary, String name) {
    return new PostgresStandby(name, primary.port());
  }

  /// Starts a new standby on a copy of the running primary's files, and returns once it accepts
  /// connections. A cluster that was in its directory is removed.
  ///
  /// @param options of the standby, with a directory of its own; version and password are those of
  ///   the primary
  public PostgresServer copy(PostgresServer primary, PostgresOptions options) {
    return start(
        primary,
        options,
        session ->
            (cluster, account) ->
                new PostgresCopy(primary.dataDirectory(), cluster, account).make(session, name));
  }

  /// Starts a former primary as a standby of the server that has taken its place. Its last WAL must
  /// be on the new primary, as after an orderly stop; otherwise [#copy] is the way back.
  ///
  /// @param options of the stopped server
  public PostgresServer rejoin(PostgresServer primary, PostgresOptions options) {
    return start(
        primary,
        options,
        _ ->
            (cluster, account) -> {
              // a slot of the former primary's own would keep its namesake from being synchronised
              Directories.empty(cluster.data().resolve("pg_replslot"));
              cluster.beStandby(account);
            });
  }

  /// Starts a server that follows the primary, on files that are prepared in a session there.
  private PostgresServer start(
      PostgresServer primary,
      PostgresOptions options,
      Function<Connection, PostgresServer.Preparation> preparation) {
    return inSession(
        primary,
        session -> {
          keepWal(session);
          return PostgresServer.start(
              following(primary, options), ServerAccount.detect(), preparation.apply(session));
        });
  }

  /// Ends the recovery of a standby, which takes writes when this returns, on a timeline of its
  /// own. Neither its commits nor its slots wait for a standby then.
  public static void promote(PostgresServer standby) {
    awaitNobody(standby);
    var promoted = inSession(standby, session -> text(session, "select pg_promote(true, 60)"));
    if (!promoted.equals("t")) {
      throw new EmbeddedException(
          EmbeddedException.Code.START_FAILED, "The standby was not promoted within a minute.");
    }
  }

  /// From now on each commit on the primary waits until this standby has flushed it.
  public void awaitByCommits(PostgresServer primary) {
    configure(primary, "synchronous_standby_names", name);
  }

  /// From now on logical slots that were made for fail-over deliver what this standby has flushed,
  /// and nothing beyond. Needs PostgreSQL 17.
  public void awaitBySlots(PostgresServer primary) {
    configure(primary, "synchronized_standby_slots", name);
  }

  /// From now on neither commits nor slots of a server wait for a standby.
  public static void awaitNobody(PostgresServer server) {
    configure(server, "synchronous_standby_names", "");
    if (synchronisesSlots(server.options())) {
      configure(server, "synchronized_standby_slots", "");
    }
  }

  /// Whether the standby has replayed everything that the primary had written before this call.
  public static boolean hasReplayed(PostgresServer standby, PostgresServer primary) {
    var written = inSession(primary, session -> text(session, "select pg_current_wal_lsn()"));
    return inSession(
        standby,
        session ->
            text(session, "select pg_last_wal_replay_lsn() >= '" + written + "'").equals("t"));
  }

  /// Whether a logical slot of the primary is synchronised to the standby, and outlives a
  /// promotion.
  public static boolean hasSlot(PostgresServer standby, String slot) {
    return inSession(
        standby,
        session ->
            text(
                    session,
                    "select exists (select from pg_replication_slots where slot_name = '"
                        + slot
                        + "' and synced and not temporary and invalidation_reason is null)")
                .equals("t"));
  }

  /// The timeline that a server writes, or a standby replays. The control file would name it only
  /// after a checkpoint.
  public static int timeline(PostgresServer server) {
    var name =
        inSession(
            server,
            session ->
                text(
                    session,
                    "select case when pg_is_in_recovery() then (select lpad(to_hex("
                        + "received_tli), 8, '0') from pg_stat_get_wal_receiver()) else"
                        + " pg_walfile_name(pg_current_wal_lsn()) end"));
    return Integer.parseInt(name.substring(0, 8), 16);
  }

  private static boolean synchronisesSlots(PostgresOptions options) {
    return options.version().compareTo(PostgresVersion.V17) >= 0;
  }

  private PostgresOptions following(PostgresServer primary, PostgresOptions options) {
    var settings = new HashMap<>(options.settings());
    settings.put("primary_conninfo", connectionInfo(primary));
    settings.put("primary_slot_name", name);
    // rows that the standby's slots still need are not removed by the primary
    settings.put("hot_standby_feedback", "on");
    // 5 s by default, after a cut that has ended
    settings.put("wal_retrieve_retry_interval", "200ms");
    if (synchronisesSlots(primary.options())) {
      settings.put("sync_replication_slots", "on");
    }
    return options.withVersion(primary.options().version()).withSettings(settings);
  }

  private String connectionInfo(PostgresServer primary) {
    var info =
        "host=127.0.0.1 port="
            + port
            + " user=postgres application_name="
            + name
            + " sslmode=disable password='"
            + primary.options().superuserPassword().replace("\\", "\\\\").replace("'", "\\'")
            + "'";
    // the worker that synchronises slots asks in a database
    return synchronisesSlots(primary.options()) ? info + " dbname=postgres" : info;
  }

  /// Makes the physical slot if there is none.
  private void keepWal(Connection session) throws SQLException {
    execute(
        session,
        "select pg_create_physical_replication_slot('"
            + name
            + "', true) where not exists (select from pg_replication_slots where slot_name = '"
            + name
            + "')");
  }

  /// Beside the options, which are those of the start.
  private static void configure(PostgresServer server, String setting, String value) {
    var _ =
        inSession(
            server,
            session -> {
              execute(session, "alter system set " + setting + " = '" + value + "'");
              return text(session, "select pg_reload_conf()");
            });
  }

  private static void execute(Connection session, String sql) throws SQLException {
    try (var statement = session.createStatement()) {
      statement.execute(sql);
    }
  }

  static String text(Connection session, String sql) throws SQLException {
    try (var statement = session.createStatement();
        var row = statement.executeQuery(sql)) {
      row.next();
      return String.valueOf(row.getString(1));
    }
  }

  private interface InSession<T> {
    T run(Connection session) throws SQLException;
  }

  private static <T> T inSession(PostgresServer server, InSession<T> work) {
    try (var session = DriverManager.getConnection(server.superuserUrl())) {
      return work.run(session);
    } catch (SQLException e) {
      throw new EmbeddedException(
          EmbeddedException.Code.START_FAILED,
          "PostgreSQL on port " + server.port() + " refuses: " + e.getMessage(),
          e);
    }
  }
}
