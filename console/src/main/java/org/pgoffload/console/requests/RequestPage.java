package org.pgoffload.console.requests;

import java.sql.SQLException;
import java.util.List;
import java.util.Optional;
import org.pgoffload.console.database.RoleSession;
import org.pgoffload.console.web.Next;
import org.pgoffload.console.web.Page;
import org.pgoffload.console.web.Problem;
import org.pgoffload.console.web.Routes;
import org.pgoffload.console.web.View;
import org.pgoffload.console.web.Visit;

/// The page of one request, with its cancellation and its repetition.
public final class RequestPage implements Page {
  private static final String PATH = RequestsPage.PATH + "/{id}";

  private final boolean textsHidden;

  /// @param textsHidden whether prompts and answers are shown only when a reader asks for them
  public RequestPage(boolean textsHidden) {
    this.textsHidden = textsHidden;
  }

  @Override
  public Optional<Entry> entry() {
    return Optional.empty();
  }

  @Override
  public void addTo(Routes routes) {
    routes.get(PATH, this::show);
    routes.post(PATH + "/cancel", RequestPage::cancel);
    routes.post(PATH + "/retry", RequestPage::retry);
  }

  private View show(Visit visit) throws SQLException {
    long id = visit.id("id");
    boolean withTexts = !textsHidden || visit.parameter("texts").isPresent();
    var request =
        visit
            .database()
            .look(session ->
                isSql(session, id)
                    ? new ReadSqlRequest(session, withTexts).of(id)
                    : new ReadLlmRequest(session, withTexts).of(id));
    return new View("request.jte", "Request " + id, request);
  }

  private static Next cancel(Visit visit) throws SQLException {
    long id = visit.id("id");
    boolean cancelled =
        visit
            .database()
            .act(session -> {
              CancelRequests.note(session, "cancel", List.of(id));
              return session.row(
                  isSql(session, id)
                      ? "select ${public_schema}.sql_cancel(?)"
                      : "select ${public_schema}.llm_cancel(?)",
                  row -> row.getBoolean(1),
                  id);
            });
    return new Next(
        path(id),
        cancelled ? "Cancellation of " + id + " is under way." : id + " had ended before.");
  }

  private static Next retry(Visit visit) throws SQLException {
    long id = visit.id("id");
    long again = visit.database().act(session -> RepeatRequest.of(session, id, isSql(session, id)));
    return new Next(path(again), again + " repeats " + id + ".");
  }

  private static String path(long id) {
    return RequestsPage.PATH + "/" + id;
  }

  /// @throws Problem if the role sees no request of this id
  private static boolean isSql(RoleSession session, long id) throws SQLException {
    return session
        .first(
            """
            select 'sql' as kind from ${public_schema}.sql_request q where q.id = ?
            union all select 'llm' from ${public_schema}.llm_request q where q.id = ?
            """,
            row -> row.getString(1).equals(RequestFilter.SQL),
            id,
            id)
        .orElseThrow(() -> ReadRow.notFound(id));
  }
}
