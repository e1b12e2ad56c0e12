package org.pgoffload.console.trying;

import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.Optional;
import org.pgoffload.console.web.Next;
import org.pgoffload.console.web.Page;
import org.pgoffload.console.web.Problem;
import org.pgoffload.console.web.Routes;
import org.pgoffload.console.web.View;
import org.pgoffload.console.web.Visit;

/// Asks a model, or launches a SQL command, as the signed-in role. The answer comes piece by piece;
/// what comes of SQL is on the page of its request.
public final class TryPage implements Page {
  private static final String PATH = "/try";

  /// The last reset and what came after it.
  private static final String ASKED =
      """
      with piece as materialized (select s.seq, s.text, s.reset from ${public_schema}.llm_stream(?) s)
      select q.id, coalesce(q.prompt, '') as prompt, coalesce(q.model, '') as model, coalesce(q.provider, '') as provider, a.status,
             coalesce(a.answer, (select string_agg(p.text, '' order by p.seq) from piece p
                                 where p.seq >= coalesce((select max(r.seq) from piece r where r.reset), 0)), '') as answer,
             concat_ws(': ', a.error_code, a.error_message) as fault,
             concat('insert into llm_request (', concat_ws(', ', 'prompt', case when q.model is not null then 'model' end,
                      case when q.provider is not null then 'provider' end, case when q.options is not null then 'options' end), ')',
                    E'\\nvalues (', concat_ws(', ', quote_literal(q.prompt), quote_literal(q.model), quote_literal(q.provider),
                      quote_literal(q.options::text)), ') returning id') as sql
      from ${public_schema}.llm_request q, lateral ${public_schema}.llm_response(q.id) a
      where q.id = ?
      """;

  private final boolean textsHidden;

  /// @param textsHidden whether prompts and answers are shown only when a reader asks for them:
  ///   then the page of the request shows the answer
  public TryPage(boolean textsHidden) {
    this.textsHidden = textsHidden;
  }

  @Override
  public Optional<Entry> entry() {
    return Optional.of(new Entry("Try it", PATH));
  }

  @Override
  public void addTo(Routes routes) {
    routes.get(PATH, this::show);
    routes.post(PATH + "/ask", this::ask);
    routes.post(PATH + "/sql", TryPage::launch);
  }

  private View show(Visit visit) throws SQLException {
    var wanted = visit.parameter("id");
    if (wanted.isEmpty() || textsHidden) {
      return new View("try.jte", "Try it", new Trial(visit.rights(), null));
    }
    visit.requireAsking();
    long id = id(wanted.get());
    var asked =
        visit
            .database()
            .look(session -> session.first(ASKED, TryPage::asked, id, id))
            .orElseThrow(
                () -> Problem.notFound("There is no request " + id + " that you may see."));
    return new View("try.jte", "Try it", new Trial(visit.rights(), asked));
  }

  private static Trial.Asked asked(ResultSet row) throws SQLException {
    var fault = row.getString("fault");
    return new Trial.Asked(
        row.getLong("id"),
        row.getString("prompt"),
        row.getString("model"),
        row.getString("provider"),
        row.getString("status"),
        row.getString("answer"),
        fault.isEmpty() ? null : fault,
        row.getString("sql"));
  }

  private Next ask(Visit visit) throws SQLException {
    visit.requireAsking();
    var prompt = required(visit, "prompt");
    var model = visit.parameter("model").orElse(null);
    var provider = visit.parameter("provider").orElse(null);
    var options = visit.parameter("stream").isPresent() ? "{\"stream\": true}" : null;
    long id =
        visit
            .database()
            .act(session ->
                session.row(
                    """
                    insert into ${public_schema}.llm_request (prompt, model, provider, options)
                    values (?, coalesce(?, current_setting('llm.model', true)), coalesce(?, current_setting('llm.provider', true)),
                            ?::jsonb)
                    returning id
                    """,
                    row -> row.getLong(1),
                    prompt,
                    model,
                    provider,
                    options));
    return Next.to(textsHidden ? "/requests/" + id + "?texts=shown" : PATH + "?id=" + id);
  }

  private static Next launch(Visit visit) throws SQLException {
    var command = required(visit, "command");
    long id =
        visit
            .database()
            .act(session ->
                session.row(
                    "insert into ${public_schema}.sql_request (command) values (?) returning id",
                    row -> row.getLong(1),
                    command));
    return new Next("/requests/" + id + "?texts=shown", id + " is launched as background SQL.");
  }

  private static String required(Visit visit, String name) {
    return visit
        .parameter(name)
        .orElseThrow(() -> Problem.badRequest("The " + name + " is empty."));
  }

  private static long id(String text) {
    try {
      return Long.parseLong(text);
    } catch (NumberFormatException e) {
      throw Problem.notFound("There is no such request.");
    }
  }
}
