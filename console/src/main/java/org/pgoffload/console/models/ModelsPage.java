package org.pgoffload.console.models;

import java.sql.SQLException;
import java.util.Map;
import java.util.Optional;
import org.pgoffload.console.signin.RoleRights;
import org.pgoffload.console.web.Next;
import org.pgoffload.console.web.Page;
import org.pgoffload.console.web.Problem;
import org.pgoffload.console.web.Routes;
import org.pgoffload.console.web.View;
import org.pgoffload.console.web.Visit;

/// The models, with their pace, their errors and their cost over the last hours, and what is
/// paused.
public final class ModelsPage implements Page {
  static final String PATH = "/models";

  /// Raises undefined_object for a role that does not exist.
  private static final String ROLE = "quote_ident(?)::regrole";

  private static final Map<String, Integer> HOURS = Map.of("hour", 1, "6h", 6, "day", 24);

  @Override
  public Optional<Entry> entry() {
    return Optional.of(new Entry("Models", PATH, RoleRights::asks));
  }

  @Override
  public void addTo(Routes routes) {
    routes.get(PATH, ModelsPage::show);
    routes.post(PATH + "/pause", ModelsPage::pause);
    routes.post(PATH + "/resume", ModelsPage::resume);
  }

  private static View show(Visit visit) throws SQLException {
    visit.requireAsking();
    var hours = HOURS.get(visit.parameter("over").orElse("6h"));
    if (hours == null) {
      throw Problem.badRequest("over is hour, 6h or day.");
    }
    return new View(
        "models.jte",
        "Models",
        visit.database().look(session -> new ReadModels(session, hours).all()));
  }

  /// The server lets members of pgoffload_operator alone call these functions, and logs them.
  private static Next pause(Visit visit) throws SQLException {
    var reason = visit.parameter("reason").orElse(null);
    var role = visit.parameter("role");
    if (role.isPresent()) {
      return said(
          role.get(),
          visit
              .database()
              .act(session ->
                  session.row(
                      "select ${public_schema}.pgoffload_pause_role(" + ROLE + ", ?)",
                      row -> row.getBoolean(1),
                      role.get(),
                      reason)),
          " is paused. What was begun goes on.",
          " was paused before.");
    }
    var model = visit.parameter("model").orElse(null);
    var provider = visit.parameter("provider").orElse(null);
    return said(
        model == null ? String.valueOf(provider) : model,
        visit
            .database()
            .act(session ->
                session.row(
                    "select ${public_schema}.pgoffload_pause_model(?, ?, ?)",
                    row -> row.getBoolean(1),
                    model,
                    provider,
                    reason)),
        " is paused. Calls that are under way go on.",
        " was paused before.");
  }

  private static Next resume(Visit visit) throws SQLException {
    var role = visit.parameter("role");
    if (role.isPresent()) {
      return said(
          role.get(),
          visit
              .database()
              .act(session ->
                  session.row(
                      "select ${public_schema}.pgoffload_resume_role(" + ROLE + ")",
                      row -> row.getBoolean(1),
                      role.get())),
          " goes on.",
          " was not paused.");
    }
    var model = visit.parameter("model").orElse(null);
    var provider = visit.parameter("provider").orElse(null);
    return said(
        model == null ? String.valueOf(provider) : model,
        visit
            .database()
            .act(session ->
                session.row(
                    "select ${public_schema}.pgoffload_resume_model(?, ?)",
                    row -> row.getBoolean(1),
                    model,
                    provider)),
        " goes on.",
        " was not paused.");
  }

  private static Next said(String what, boolean changed, String done, String otherwise) {
    return new Next(PATH, what + (changed ? done : otherwise));
  }
}
