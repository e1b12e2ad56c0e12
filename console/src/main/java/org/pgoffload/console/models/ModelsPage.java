package org.pgoffload.console.models;

import java.sql.SQLException;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
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

  private static final Said PAUSED_ROLE =
      new Said(" is paused. What was begun goes on.", " was paused before.");
  private static final Said PAUSED_MODEL =
      new Said(" is paused. Calls that are under way go on.", " was paused before.");
  private static final Said RESUMED = new Said(" goes on.", " was not paused.");

  private static final Map<String, Integer> HOURS = Map.of("hour", 1, "6h", 6, "day", 24);

  @Override
  public Optional<Entry> entry() {
    return Optional.of(new Entry("Models", PATH, rights -> rights.asks() || rights.operates()));
  }

  @Override
  public void addTo(Routes routes) {
    routes.get(PATH, ModelsPage::show);
    routes.post(PATH + "/pause", ModelsPage::pause);
    routes.post(PATH + "/resume", ModelsPage::resume);
  }

  private static View show(Visit visit) throws SQLException {
    if (!visit.rights().operates()) {
      visit.requireAsking();
    }
    var hours = HOURS.get(visit.parameter("over").orElse("6h"));
    if (hours == null) {
      throw Problem.badRequest("over is hour, 6h or day.");
    }
    return new View(
        "models.jte",
        "Models",
        visit.database().look(session -> new ReadModels(session, hours).all(visit.rights())));
  }

  private static Next pause(Visit visit) throws SQLException {
    var reason = visit.parameter("reason").orElse(null);
    return visit.parameter("role").isPresent()
        ? act(visit, "pgoffload_pause_role(" + ROLE + ", ?)", PAUSED_ROLE, role(visit), reason)
        : act(
            visit,
            "pgoffload_pause_model(?, ?, ?)",
            PAUSED_MODEL,
            model(visit),
            provider(visit),
            reason);
  }

  private static Next resume(Visit visit) throws SQLException {
    return visit.parameter("role").isPresent()
        ? act(visit, "pgoffload_resume_role(" + ROLE + ")", RESUMED, role(visit))
        : act(visit, "pgoffload_resume_model(?, ?)", RESUMED, model(visit), provider(visit));
  }

  /// What a call has done, in words.
  private record Said(String done, String otherwise) {}

  /// The server lets members of pgoffload_operator alone call these functions, and logs them.
  private static Next act(Visit visit, String function, Said said, @Nullable String... parameters)
      throws SQLException {
    boolean changed =
        visit
            .database()
            .act(session ->
                session.row(
                    "select ${public_schema}." + function,
                    row -> row.getBoolean(1),
                    (@Nullable Object[]) parameters));
    var what =
        Stream.of(role(visit), model(visit), provider(visit))
            .filter(Objects::nonNull)
            .findFirst()
            .orElse("");
    return new Next(PATH, what + (changed ? said.done : said.otherwise));
  }

  private static @Nullable String role(Visit visit) {
    return visit.parameter("role").orElse(null);
  }

  private static @Nullable String model(Visit visit) {
    return visit.parameter("model").orElse(null);
  }

  private static @Nullable String provider(Visit visit) {
    return visit.parameter("provider").orElse(null);
  }
}
