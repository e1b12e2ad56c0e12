package org.pgoffload.console.requests;

import java.sql.SQLException;
import java.util.Optional;
import org.pgoffload.console.web.Page;
import org.pgoffload.console.web.Problem;
import org.pgoffload.console.web.Routes;
import org.pgoffload.console.web.View;
import org.pgoffload.console.web.Visit;

/// The list of requests, filtered and paged by what stands in the address.
public final class RequestsPage implements Page {
  static final String PATH = "/requests";

  private final boolean textsHidden;

  /// @param textsHidden whether prompts and answers are shown only when a reader asks for them
  public RequestsPage(boolean textsHidden) {
    this.textsHidden = textsHidden;
  }

  @Override
  public Optional<Entry> entry() {
    return Optional.of(new Entry("Requests", PATH));
  }

  @Override
  public void addTo(Routes routes) {
    routes.get(PATH, this::show);
  }

  private View show(Visit visit) throws SQLException {
    var filter = RequestFilter.of(visit);
    var before = visit.parameter("before").map(RequestsPage::id);
    var found =
        visit
            .database()
            .look(session ->
                new FindRequests(session, filter)
                    .below(before.orElse(Long.MAX_VALUE), FindRequests.PAGE + 1));
    boolean goesOn = found.requests().size() > FindRequests.PAGE;
    var requests = goesOn ? found.requests().subList(0, FindRequests.PAGE) : found.requests();
    return new View(
        "requests.jte",
        "Requests",
        new RequestList(
            filter,
            requests,
            goesOn ? requests.getLast().id() : null,
            found.searchedDownTo(),
            before.orElse(null),
            textsHidden));
  }

  private static long id(String text) {
    try {
      return Long.parseLong(text);
    } catch (NumberFormatException e) {
      throw Problem.badRequest("The parameter before is the id of a request.");
    }
  }
}
