package org.pgoffload.console.maintained;

import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.OffsetDateTime;
import java.util.Optional;
import org.pgoffload.console.database.RoleSession;
import org.pgoffload.console.signin.RoleRights;
import org.pgoffload.console.web.Next;
import org.pgoffload.console.web.Page;
import org.pgoffload.console.web.Problem;
import org.pgoffload.console.web.Routes;
import org.pgoffload.console.web.View;
import org.pgoffload.console.web.Visit;

/// The maintained columns, and the page of each with its failures and its buttons.
public final class MaintainedPage implements Page {
  static final String PATH = "/maintained";

  private static final int SHOWN_FAILURES = 100;

  @Override
  public Optional<Entry> entry() {
    return Optional.of(new Entry("Maintained columns", PATH, RoleRights::asks));
  }

  @Override
  public void addTo(Routes routes) {
    routes.get(PATH, MaintainedPage::all);
    routes.get(PATH + "/column", MaintainedPage::one);
    routes.post(PATH + "/pause", visit -> act(visit, "pause", " is paused."));
    routes.post(PATH + "/resume", visit -> act(visit, "resume", " goes on."));
    routes.post(PATH + "/backfill", visit -> act(visit, "backfill", " compares all rows."));
    routes.post(PATH + "/retry", MaintainedPage::retry);
  }

  private static View all(Visit visit) throws SQLException {
    visit.requireAsking();
    return new View(
        "maintained.jte",
        "Maintained columns",
        new MaintainedColumns(visit.database().look(MaintainedColumn::all)));
  }

  private static View one(Visit visit) throws SQLException {
    visit.requireAsking();
    var name = name(visit);
    var shown =
        visit
            .database()
            .look(session -> {
              var column = MaintainedColumn.of(session, name);
              var failures =
                  session.rows(
                      """
                      select f.key::text, f.error, f.failed_at, f.attempts from pgoffload.maintained_failure f
                      where f.name = ? order by f.failed_at desc limit ?
                      """,
                      MaintainedPage::failure,
                      name,
                      SHOWN_FAILURES + 1);
              boolean hasMore = failures.size() > SHOWN_FAILURES;
              return column.map(found ->
                  new ShownColumn(
                      found, hasMore ? failures.subList(0, SHOWN_FAILURES) : failures, hasMore));
            })
            .orElseThrow(() ->
                Problem.notFound("There is no maintained column of this name that you may see."));
    return new View("maintained-column.jte", "Maintained column " + name, shown);
  }

  private static ShownColumn.Failure failure(ResultSet row) throws SQLException {
    return new ShownColumn.Failure(
        row.getString("key"),
        row.getString("error"),
        row.getObject("failed_at", OffsetDateTime.class).toInstant(),
        row.getInt("attempts"));
  }

  private static Next act(Visit visit, String what, String done) throws SQLException {
    var name = name(visit);
    visit
        .database()
        .act(session -> {
          note(session, what, name);
          return session.exists("select ${public_schema}.llm_maintain_" + what + "(?)::text", name);
        });
    return new Next(MaintainedColumn.path(name), name + done);
  }

  /// In the log of actions, with the transaction of the action.
  private static void note(RoleSession session, String what, String name) throws SQLException {
    session.row(
        "select pgoffload.note_action(?, null, array[?])",
        row -> row.getLong(1),
        what + "_column",
        name);
  }

  private static Next retry(Visit visit) throws SQLException {
    var name = name(visit);
    long rows =
        visit
            .database()
            .act(session -> {
              note(session, "retry", name);
              return session.row(
                  "select ${public_schema}.llm_maintain_retry(?)", row -> row.getLong(1), name);
            });
    return new Next(
        MaintainedColumn.path(name),
        name
            + (rows == 1
                ? ": 1 row is asked about again."
                : ": " + rows + " rows are asked about again."));
  }

  private static String name(Visit visit) {
    return visit
        .parameter("name")
        .orElseThrow(
            () -> Problem.badRequest("The parameter name is that of a maintained column."));
  }
}
