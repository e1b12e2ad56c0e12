package org.pgoffload.console.overview;

import java.sql.SQLException;
import java.util.Optional;
import org.pgoffload.console.web.Events;
import org.pgoffload.console.web.Page;
import org.pgoffload.console.web.Routes;
import org.pgoffload.console.web.View;
import org.pgoffload.console.web.Visit;

/// The first page, which keeps itself up to date while it is open.
public final class OverviewPage implements Page {
  private static final String PATH = "/overview";

  private final SharedSamples samples = new SharedSamples();

  @Override
  public Optional<Entry> entry() {
    return Optional.of(new Entry("Overview", PATH, _ -> true));
  }

  @Override
  public void addTo(Routes routes) {
    routes.get(PATH, this::show);
    routes.events(PATH + "/events", this::tell);
  }

  private View show(Visit visit) throws SQLException {
    return new View("overview.jte", "Overview", samples.of(visit));
  }

  private void tell(Visit visit, Events events) throws SQLException, InterruptedException {
    while (!events.ended()) {
      events.show("show", new View("tag/overview.jte", "Overview", samples.of(visit)));
      events.pause(SharedSamples.INTERVAL);
    }
  }
}
