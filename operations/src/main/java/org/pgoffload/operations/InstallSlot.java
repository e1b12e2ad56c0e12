package org.pgoffload.operations;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.pgoffload.platform.ConnectAsPart;
import org.pgoffload.platform.DatabaseFault;
import org.pgoffload.platform.Query;
import org.pgoffload.schema.InstallException;

/// Creates the logical replication slot, which is the only position of the capture: requests that
/// are committed after its creation are never missed.
///
/// The creation waits for every transaction that is writing at that moment. It names the
/// transactions that it waits for, and gives up in time.
public final class InstallSlot {
  /// The slot when none is configured.
  public static final String DEFAULT_SLOT = "pgoffload";

  private static final int FIRST_WITH_FAILOVER = 170000;

  private InstallSlot() {}

  /// Creates the slot unless it is there.
  ///
  /// @param database a superuser or a login with REPLICATION
  /// @param slot the slot's name
  /// @param patience how long to wait for open transactions
  /// @param say takes a line about every two seconds, with the transactions that it waits for
  /// @return a line saying what changed, or empty
  /// @throws InstallException if it cannot be created, or exists for another database or plugin
  public static Optional<String> run(
      ConnectAsPart database, String slot, Duration patience, Consumer<String> say) {
    try (var connection = database.connectAsPart("pgoffload install")) {
      if (exists(connection, slot)) {
        return Optional.empty();
      }
      try (var watcher = Executors.newSingleThreadScheduledExecutor(Thread.ofVirtual().factory())) {
        var watching =
            watcher.scheduleAtFixedRate(
                () -> sayWhoIsWaitedFor(database, say), 2, 2, TimeUnit.SECONDS);
        create(connection, slot, patience);
        watching.cancel(true);
      }
      return Optional.of("created replication slot " + slot);
    } catch (SQLException e) {
      if (DatabaseFault.is(e, DatabaseFault.QUERY_CANCELED)) {
        throw new InstallException(
            "replication slot "
                + slot
                + " was not created: transactions that were writing did not end within "
                + patience.toSeconds()
                + " s. End them or wait, and run install again",
            e);
      }
      throw new InstallException(
          "replication slot "
              + slot
              + " could not be created in "
              + database
              + ": "
              + e.getMessage(),
          e);
    }
  }

  /// Whether there is no such slot.
  ///
  /// @throws InstallException if it exists for another database or plugin, is lost, or the database
  ///   cannot be asked
  public static boolean isMissing(ConnectAsPart database, String slot) {
    try (var connection = database.connectAsPart("pgoffload install")) {
      return !exists(connection, slot);
    } catch (SQLException e) {
      throw new InstallException("the slots cannot be looked at: " + e.getMessage(), e);
    }
  }

  /// Drops the slot, if it is there and is this database's. Idempotent.
  ///
  /// @param database a superuser or a login with REPLICATION
  /// @return a line saying what was removed, or empty
  /// @throws InstallException if the slot is in use, or may not be dropped
  public static Optional<String> remove(ConnectAsPart database, String slot) {
    try (var connection = database.connectAsPart("pgoffload uninstall")) {
      return Query.first(
          connection,
          """
          select pg_catalog.pg_drop_replication_slot(s.slot_name) from pg_catalog.pg_replication_slots s
          where s.slot_name = ? and s.database = pg_catalog.current_database() and s.plugin = 'pgoutput'
          """,
          _ -> "replication slot " + slot,
          slot);
    } catch (SQLException e) {
      throw new InstallException(
          "replication slot "
              + slot
              + " could not be dropped, and retains WAL until it is: "
              + e.getMessage()
              + ". Run pgoffload uninstall again, with --slot if it has another name than "
              + DEFAULT_SLOT,
          e);
    }
  }

  /// Whether the slot is there and is this database's.
  ///
  /// @throws InstallException if the slots cannot be looked at
  public static boolean isOfThisDatabase(ConnectAsPart database, String slot) {
    try (var connection = database.connectAsPart("pgoffload uninstall")) {
      return Query.exists(
          connection,
          "select from pg_catalog.pg_replication_slots where slot_name = ?"
              + " and database = pg_catalog.current_database() and plugin = 'pgoutput'",
          slot);
    } catch (SQLException e) {
      throw new InstallException("the slots cannot be looked at: " + e.getMessage(), e);
    }
  }

  /// Lets the database know which slot is its own, for `llm_health`.
  ///
  /// @param database the owner's login
  /// @throws InstallException if it cannot be recorded
  public static void record(ConnectAsPart database, String slot) {
    RecordSetting.run(database, "slot", slot);
  }

  private static boolean exists(Connection connection, String slot) throws SQLException {
    try (var statement =
        connection.prepareStatement(
            "select database, plugin, coalesce(wal_status, '') from pg_catalog.pg_replication_slots where slot_name = ?")) {
      statement.setString(1, slot);
      var row = statement.executeQuery();
      if (!row.next()) {
        return false;
      }
      if (!connection.getCatalog().equals(row.getString(1))
          || !"pgoutput".equals(row.getString(2))) {
        throw new InstallException(
            "replication slot "
                + slot
                + " belongs to database "
                + row.getString(1)
                + " with plugin "
                + row.getString(2)
                + ": choose another name with --slot, and for each database topics of its own with"
                + " --topic-prefix",
            null);
      }
      if ("lost".equals(row.getString(3))) {
        throw new InstallException(
            "replication slot "
                + slot
                + " is lost: the server has removed WAL that it needs. Drop it with"
                + " pg_drop_replication_slot and run install again; calls that were only in the WAL are gone",
            null);
      }
      return true;
    }
  }

  private static void create(Connection connection, String slot, Duration patience)
      throws SQLException {
    var failover =
        connection.getMetaData().getDatabaseMajorVersion() * 10000 >= FIRST_WITH_FAILOVER;
    Query.execute(connection, "set statement_timeout = " + patience.toMillis());
    Query.execute(
        connection,
        // failover: the slot is synchronised to a standby that is set up for it
        failover
            ? "select pg_create_logical_replication_slot(?, 'pgoutput', false, false, true)"
            : "select pg_create_logical_replication_slot(?, 'pgoutput')",
        slot);
  }

  private static void sayWhoIsWaitedFor(ConnectAsPart database, Consumer<String> say) {
    try (var connection = database.connectAsPart("pgoffload install")) {
      Query.rows(
              connection,
              // every role sees the locks, but not every role the activity of others
              """
              select distinct a.xact_start, coalesce(l.pid, 0), coalesce(a.usename, 'prepared'),
                     coalesce(a.application_name, ''), coalesce(a.state, 'state not visible'),
                     coalesce(extract(epoch from clock_timestamp() - a.xact_start)::int, 0)
              from pg_catalog.pg_locks l
              left join pg_catalog.pg_stat_activity a on a.pid = l.pid
              where l.locktype = 'transactionid' and l.mode = 'ExclusiveLock' and l.granted
                and l.pid is distinct from pg_catalog.pg_backend_pid()
              order by a.xact_start
              """,
              row ->
                  "waiting for the transaction of pid %d (%s %s, %s, open for %d s)"
                      .formatted(
                          row.getInt(2),
                          row.getString(3),
                          row.getString(4),
                          row.getString(5),
                          row.getInt(6)))
          .forEach(say);
    } catch (SQLException e) {
      say.accept("waiting for open transactions");
    }
  }
}
