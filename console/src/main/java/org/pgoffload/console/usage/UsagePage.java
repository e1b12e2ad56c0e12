package org.pgoffload.console.usage;

import java.sql.SQLException;
import java.util.Optional;
import org.pgoffload.console.signin.RoleRights;
import org.pgoffload.console.web.Page;
import org.pgoffload.console.web.Routes;
import org.pgoffload.console.web.View;
import org.pgoffload.console.web.Visit;

/// Usage by role, provider and model over time, its cost, and what is left of budgets.
public final class UsagePage implements Page {
  static final String PATH = "/usage";

  @Override
  public Optional<Entry> entry() {
    return Optional.of(new Entry("Usage", PATH, RoleRights::asks));
  }

  @Override
  public void addTo(Routes routes) {
    routes.get(PATH, UsagePage::show);
  }

  private static View show(Visit visit) throws SQLException {
    visit.requireAsking();
    var filter = UsageFilter.of(visit);
    return new View(
        "usage.jte",
        "Usage",
        visit.database().look(session -> new ReadUsage(session, filter).all()));
  }
}
