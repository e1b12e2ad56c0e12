package org.pgoffload.operations.removal;

import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.pgoffload.operations.retention.RemoveOldRequests;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.platform.DatabaseFault;
import org.pgoffload.platform.Query;
import org.pgoffload.schema.InstallException;
import org.pgoffload.schema.InstallSchema;
import org.pgoffload.schema.OwnObjects;
import org.postgresql.util.PSQLException;

/// Removes what [InstallSchema] has made, in one transaction: the objects of the public schema, the
/// schema `pgoffload`, the publication, and the roles that nothing else uses.
///
/// Nothing is dropped with CASCADE: if a user's object depends on an object of ours, nothing is
/// removed, and the user's object is named.
///
/// Longer than 300 lines because each kind of object (tables, functions, types, roles, settings) is
/// found in its own catalogue and dropped by its own statement.
public final class RemoveSchema {
  private static final List<String> ROLES =
      List.of(
          "pgoffload_producer",
          "pgoffload_worker",
          "pgoffload_results",
          "pgoffload_operator",
          "llm_user",
          "pgbackground_role");

  /// More are not counted.
  private static final int MOST_COUNTED = 100_000;

  private static final String DEPENDENT_OBJECTS = "2BP01";

  /// The application name of this command's connections.
  private static final String APPLICATION = "pgoffload uninstall";

  private RemoveSchema() {}

  /// The removal, done or planned.
  ///
  /// @param removed one line for each removed object
  /// @param kept the roles that stay, and why
  /// @param unanswered how many recorded requests have no result
  /// @param slot the replication slot of the installation; empty if nothing is installed
  public record Removal(
      List<String> removed, List<String> kept, long unanswered, Optional<String> slot) {
    public Removal {
      removed = List.copyOf(removed);
      kept = List.copyOf(kept);
    }

    /// In words; not more than were counted.
    public String unansweredWords() {
      return (unanswered >= MOST_COUNTED ? "at least " : "")
          + unanswered
          + (unanswered == 1 ? " request has" : " requests have")
          + " no result";
    }
  }

  /// Tries it, and changes nothing.
  ///
  /// @param database the login that has installed pgoffload
  /// @throws InstallException with what is in the way
  public static Removal plan(DatabaseAddress database) {
    return run(database, true, false);
  }

  /// Does it.
  ///
  /// @param discardUnanswered whether requests without a result may go
  /// @throws InstallException with what is in the way; nothing has changed then
  public static Removal run(DatabaseAddress database, boolean discardUnanswered) {
    return run(database, discardUnanswered, true);
  }

  private static Removal run(DatabaseAddress database, boolean discardUnanswered, boolean commit) {
    try (var connection = database.connectAsPart(APPLICATION)) {
      var publicSchema = InstallSchema.publicSchemaOf(connection);
      if (publicSchema.isEmpty()) {
        return new Removal(List.of(), List.of(), 0, Optional.empty());
      }
      InstallSchema.refuseUnreleased(connection, database);
      if (RemoveOldRequests.number(
              connection,
              "select pg_has_role(n.nspowner, 'usage')::int from pg_namespace n where n.nspname = 'pgoffload'")
          == 0) {
        throw new InstallException(
            "only the login that has installed pgoffload in "
                + database
                + " can remove it, or a member of its role. Nothing has changed",
            null);
      }
      var ours = InstallSchema.ownObjects(database, publicSchema.get());
      connection.setAutoCommit(false);
      // objects are named with their schema
      Query.execute(connection, "set search_path = pg_catalog");
      // behind a lock that is waited for, others wait as well
      Query.execute(connection, "set lock_timeout = '10s'");
      refuseRunningParts(connection, database);
      var slot =
          Query.row(
              connection,
              "select value from pgoffload.setting where name = 'slot'",
              row -> row.getString(1));
      Query.execute(
          connection,
          "lock table "
              + publicSchema.get()
              + ".llm_request, "
              + publicSchema.get()
              + ".sql_request in exclusive mode");
      long unanswered =
          RemoveOldRequests.number(
              connection,
              "select count(*) from (select from pgoffload.unanswered(0, 9223372036854775807) limit "
                  + MOST_COUNTED
                  + ") u");
      var counted = new Removal(List.of(), List.of(), unanswered, Optional.empty());
      if (unanswered > 0 && !discardUnanswered) {
        throw new InstallException(
            counted.unansweredWords()
                + ". Have workers answer them, or discard them with --discard-unanswered. Nothing has"
                + " changed",
            null);
      }
      var removed = new ArrayList<String>();
      removed.addAll(dropObjects(connection, database, ours));
      resetSettings(connection);
      var users =
          Query.rows(
              connection,
              "select rolname from pg_roles where rolname in"
                  + " ('llm_user', 'pgbackground_role', 'pgoffload_operator')",
              row -> row.getString(1));
      for (var role : users) {
        Query.execute(connection, "revoke usage on schema " + publicSchema.get() + " from " + role);
      }
      var kept = new ArrayList<String>();
      for (var role : ROLES) {
        dropRole(connection, role, removed, kept);
      }
      if (commit) {
        connection.commit();
      } else {
        connection.rollback();
      }
      return new Removal(removed, kept, unanswered, Optional.of(slot));
    } catch (SQLException e) {
      throw new InstallException(
          "pgoffload could not be removed from "
              + database
              + "; nothing has changed: "
              + e.getMessage(),
          e);
    }
  }

  /// The settings that an installation has made for the database, if they are unchanged.
  private static void resetSettings(Connection connection) throws SQLException {
    var resets =
        Query.rows(
            connection,
            """
            select format('alter database %I reset %s', current_database(), split_part(c, '=', 1))
            from pg_db_role_setting s, unnest(s.setconfig) c
            where s.setdatabase = (select d.oid from pg_database d where d.datname = current_database()) and s.setrole = 0
              and c in ('pg_background.max_workers=16', 'pg_background.default_queue_size=64kB', 'pg_background.worker_timeout=0')
            """,
            row -> row.getString(1));
    for (var reset : resets) {
      Query.execute(connection, reset);
    }
  }

  private static void refuseRunningParts(Connection connection, DatabaseAddress database)
      throws SQLException {
    var parts =
        Query.rows(
            connection,
            """
            select 'worker ' || w.name from pgoffload.worker w where pgoffload.worker_is_alive(w.name, w.epoch)
            union all
            select 'replication slot ' || s.slot_name || ', which pid ' || s.active_pid || ' reads'
            from pg_replication_slots s join pgoffload.setting t on t.name = 'slot' and t.value = s.slot_name
            where s.active_pid is not null and s.database = current_database()
            order by 1
            """,
            row -> row.getString(1));
    if (!parts.isEmpty()) {
      throw new InstallException(
          "parts of pgoffload still run on "
              + database
              + ":\n  - "
              + String.join("\n  - ", parts)
              + "\nEnd them first. Nothing has changed",
          null);
    }
  }

  /// A thing to drop.
  ///
  /// @param type as `drop` takes it
  private record Target(String type, String identity, String description) {}

  private static List<String> dropObjects(
      Connection connection, DatabaseAddress database, OwnObjects ours) throws SQLException {
    var left = targets(connection, ours);
    int functions = 0;
    var removed = new ArrayList<String>();
    // dependent objects go first: an object that cannot be dropped yet is tried again
    for (var blocked = new LinkedHashMap<Target, String>(); !left.isEmpty(); blocked.clear()) {
      for (var target : left) {
        var refusal =
            attempt(connection, "drop " + target.type + " " + target.identity + " restrict");
        if (refusal.isPresent()) {
          blocked.put(target, refusal.get());
        } else if (target.type.equals("function") || target.type.equals("aggregate")) {
          functions++;
        } else if (!target.identity.startsWith("pgoffload.")) {
          removed.add(target.description);
        }
      }
      if (blocked.size() == left.size()) {
        throw dependents(connection, database, blocked);
      }
      left = List.copyOf(blocked.keySet());
    }
    removed.add(functions + " functions");
    Query.execute(connection, "drop table pgoffload.schema_history");
    Query.execute(connection, "drop publication if exists pgoffload");
    removed.add("publication pgoffload");
    var refusal = attempt(connection, "drop schema pgoffload restrict");
    if (refusal.isPresent()) {
      throw new InstallException(
          "objects that are not pgoffload's are in its schema, or depend on it, in "
              + database
              + ": "
              + refusal.get()
              + ". Move or drop them first. Nothing has changed",
          null);
    }
    removed.add("schema pgoffload");
    return removed;
  }

  private static InstallException dependents(
      Connection connection, DatabaseAddress database, Map<Target, String> blocked)
      throws SQLException {
    var ours = new ArrayList<>(partitions(connection));
    blocked.keySet().stream().map(Target::description).forEach(ours::add);
    var words =
        blocked.values().stream()
            .flatMap(String::lines)
            // of ours among each other there is nothing to say
            .filter(line -> ours.stream().noneMatch(own -> isPartOf(own, line)))
            .distinct()
            .sorted()
            .toList();
    return new InstallException(
        "others' objects depend on pgoffload's in "
            + database
            + ":\n  - "
            + String.join("\n  - ", words)
            + "\nDrop or change them first. Nothing has changed",
        null);
  }

  /// Whether it is the object itself that depends, or a default or trigger that goes with it.
  private static boolean isPartOf(String own, String line) {
    return line.startsWith(own + " depends on ")
        || line.contains(" of " + own + " depends on ")
        || line.contains(" on " + own + " depends on ");
  }

  private static List<String> partitions(Connection connection) throws SQLException {
    return Query.rows(
        connection,
        """
        select pg_describe_object('pg_class'::regclass, k.oid, 0)
        from pg_class k where k.relispartition and k.relnamespace = 'pgoffload'::regnamespace
        """,
        row -> row.getString(1));
  }

  private static List<Target> targets(Connection connection, OwnObjects ours) throws SQLException {
    var others = Query.array("text", ours.others());
    return Query.rows(
        connection,
        """
        select case i.type when 'composite type' then 'type' else i.type end, i.identity,
               pg_describe_object(o.class, o.oid, 0)
        from (select c.class, c.oid, c.rank
              from (select 'pg_class'::regclass as class, to_regclass(r.name)::oid as oid, 1 as rank from unnest(?) r(name)) c
              join pg_class k on k.oid = c.oid and k.relkind <> 'c'
              -- a partition goes with its table
              where not k.relispartition
              union all
              select 'pg_proc'::regclass, p.oid, 2 from pg_proc p
              where p.oid::regprocedure::text = any (?)
                -- which declarations have made
                or p.proname ~ '^ask_maintained ' and p.pronamespace = 'pgoffload'::regnamespace
              union all
              select 'pg_type'::regclass, t.oid, 3 from unnest(?) n(name) join pg_type t on t.oid = to_regtype(n.name)
              join pg_class k on k.oid = t.typrelid and k.relkind = 'c') o,
             pg_identify_object(o.class, o.oid, 0) i
        where o.oid is not null
        order by o.rank, 2
        """,
        row -> new Target(row.getString(1), row.getString(2), row.getString(3)),
        others,
        Query.array("text", ours.functions()),
        others);
  }

  private static void dropRole(
      Connection connection, String role, List<String> removed, List<String> kept)
      throws SQLException {
    if (!Query.exists(connection, "select from pg_roles where rolname = ?", role)) {
      return;
    }
    var members =
        Query.first(
            connection,
            """
            select string_agg(distinct m.member::regrole::text, ', ')
            from pg_auth_members m join pg_roles r on r.oid = m.roleid and r.rolname = ?
            -- who has made a role is given it, to grant it to others
            where not (m.member = (select u.oid from pg_roles u where u.rolname = current_user) and m.admin_option)
            """,
            row -> row.getString(1),
            role);
    if (members.isPresent()) {
      kept.add("role " + role + " is kept, which " + members.get() + " is granted");
      return;
    }
    var refusal = attempt(connection, "drop role " + role);
    if (refusal.isPresent()) {
      kept.add("role " + role + " is kept: " + String.join("; ", refusal.get().lines().toList()));
    } else {
      removed.add("role " + role);
    }
  }

  /// @return why it could not be done, if others depend on it or it is not ours to do
  private static Optional<String> attempt(Connection connection, String command)
      throws SQLException {
    var before = connection.setSavepoint();
    try {
      Query.execute(connection, command);
      connection.releaseSavepoint(before);
      return Optional.empty();
    } catch (PSQLException e) {
      connection.rollback(before);
      boolean isRole = command.startsWith("drop role ");
      if (!DatabaseFault.is(e, DEPENDENT_OBJECTS)
          && !(isRole && DatabaseFault.is(e, DatabaseFault.INSUFFICIENT_PRIVILEGE))) {
        throw e;
      }
      var server = e.getServerErrorMessage();
      var detail = server == null ? null : server.getDetail();
      return Optional.of(detail != null ? detail : DatabaseFault.words(e));
    }
  }
}
