package org.pgoffload.console.requests;

import java.sql.SQLException;
import java.util.List;
import org.pgoffload.console.database.RoleDatabase;
import org.pgoffload.console.database.RoleSession;
import org.pgoffload.console.web.Problem;
import org.pgoffload.platform.Query;

/// Asks again what a request has asked, as the role that is signed in.
final class RepeatRequest {
  private RepeatRequest() {}

  /// Asks again; the id of the new request.
  static long of(RoleSession session, long id, boolean isSql) throws SQLException {
    // before a task's settings are in force
    CancelRequests.note(session, "retry", List.of(id));
    return isSql ? sql(session, id) : llm(session, id);
  }

  /// Asks all of them again; how many were. Background SQL of other roles is left out.
  ///
  /// Tasks whose settings differ have sessions of their own: what was set for one would be the next
  /// one's too, and a setting of the application cannot be taken back within a session.
  static int all(RoleDatabase database, List<ListedRequest> requests) throws SQLException {
    int done = 0;
    var asked = requests.stream().filter(each -> !each.isSql()).map(ListedRequest::id).toList();
    if (!asked.isEmpty()) {
      done += database.act(session -> together(session, asked, RepeatRequest::llm));
    }
    var launched = requests.stream().filter(ListedRequest::isSql).map(ListedRequest::id).toList();
    if (!launched.isEmpty()) {
      for (var alike : database.look(session -> ownBySettings(session, launched))) {
        done += database.act(session -> together(session, alike, RepeatRequest::sql));
      }
    }
    return done;
  }

  private interface Repeat {
    long repeat(RoleSession session, long id) throws SQLException;
  }

  private static int together(RoleSession session, List<Long> ids, Repeat repeat)
      throws SQLException {
    CancelRequests.note(session, "retry", ids);
    for (long id : ids) {
      repeat.repeat(session, id);
    }
    return ids.size();
  }

  /// The tasks among these that the role has launched, by the settings that they were launched
  /// with.
  private static List<List<Long>> ownBySettings(RoleSession session, List<Long> ids)
      throws SQLException {
    return session.rows(
        """
        select array_agg(q.id order by q.id) from ${public_schema}.sql_request q
        where q.id = any (?)
          and q.requested_by_oid = (select o.oid from pg_roles o where o.rolname = current_user)
        group by q.settings order by 1
        """,
        row -> List.of((Long[]) row.getArray(1).getArray()),
        Query.array("bigint", ids, id -> id));
  }

  private static long llm(RoleSession session, long id) throws SQLException {
    return session.row("select ${public_schema}.llm_retry(?)", row -> row.getLong(1), id);
  }

  /// A task takes over the settings of the session that launches it. So the console's session gets
  /// those of the first launch, for this transaction. They decide what the command means, its
  /// search path above all: another role's task is not repeated, because that role would decide
  /// what is done with the reader's rights. Afterwards no name stands without its schema.
  private static long sql(RoleSession session, long id) throws SQLException {
    if (!isOwn(session, id)) {
      throw new Problem(
          403,
          "42501",
          "Only the role that has launched a command can repeat it.",
          "Read it first, and launch it yourself if it is to run with your rights.");
    }
    session.rows(
        """
        select pg_catalog.set_config(s.name, s.value, true)
        from ${public_schema}.sql_request q
        cross join lateral (
          select a.name, a.value from pgoffload.settings_to_apply(q.settings) a
          union all
          -- those of the application, which the launcher has named in pgoffload.forward_settings
          select c.key, c.value from pg_catalog.jsonb_each_text(q.settings) c
          where c.key operator(pg_catalog.~) '[.]' and c.key operator(pg_catalog.!~*) '^pgoffload[.]') s
        where q.id operator(pg_catalog.=) ?
        """,
        row -> row.getString(1),
        id);
    return session.row(
        """
        insert into ${public_schema}.sql_request (command, label, timeout, ordering_key, tags)
        select q.command, q.label, q.timeout, q.ordering_key, q.tags
        from ${public_schema}.sql_request q where q.id operator(pg_catalog.=) ?
        returning id
        """,
        row -> row.getLong(1),
        id);
  }

  private static boolean isOwn(RoleSession session, long id) throws SQLException {
    return session.exists(
        """
        select from ${public_schema}.sql_request q
        where q.id operator(pg_catalog.=) ? and q.requested_by_oid operator(pg_catalog.=)
          (select o.oid from pg_catalog.pg_roles o where o.rolname operator(pg_catalog.=) current_user)
        """,
        id);
  }
}
