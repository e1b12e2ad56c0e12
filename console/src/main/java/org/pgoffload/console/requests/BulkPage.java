package org.pgoffload.console.requests;

import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.pgoffload.console.web.Next;
import org.pgoffload.console.web.Page;
import org.pgoffload.console.web.Problem;
import org.pgoffload.console.web.Routes;
import org.pgoffload.console.web.View;
import org.pgoffload.console.web.Visit;

/// Cancels or repeats what a filter lets through. The first page says how many they are; what came
/// since then is left alone.
public final class BulkPage implements Page {
  static final String PATH = RequestsPage.PATH + "/bulk";

  /// At a time. More is asked for again.
  private static final int MOST = 10_000;

  private static final int AT_ONCE = 200;

  /// For the search, before anything is done.
  private static final Duration LONGEST = Duration.ofSeconds(10);

  @Override
  public Optional<Entry> entry() {
    return Optional.empty();
  }

  @Override
  public void addTo(Routes routes) {
    routes.get(PATH, BulkPage::ask);
    routes.post(PATH, BulkPage::act);
  }

  /// What can be done to many requests.
  enum Action {
    CANCEL,
    RETRY;

    /// Whether it can be done to a request.
    private boolean takes(ListedRequest request) {
      return (this == CANCEL) == request.isPending();
    }

    static Action of(Visit visit) {
      return switch (visit.parameter("action").orElse("")) {
        case "cancel" -> CANCEL;
        case "retry" -> RETRY;
        default -> throw Problem.badRequest("The action is cancel or retry.");
      };
    }
  }

  /// What is to be done.
  ///
  /// @param isWhole whether all were found in time, and are no more than can be taken at a time
  private record Chosen(List<ListedRequest> requests, boolean isWhole) {}

  private static Chosen chosen(Visit visit, Action action, long upTo) throws SQLException {
    var found =
        visit
            .database()
            .look(session ->
                new FindRequests(session, RequestFilter.of(visit)).below(upTo, MOST + 1, LONGEST));
    var requests = found.requests().stream().filter(action::takes).limit(MOST).toList();
    return new Chosen(requests, found.searchedDownTo() == null && found.requests().size() <= MOST);
  }

  private static View ask(Visit visit) throws SQLException {
    var action = Action.of(visit);
    var chosen = chosen(visit, action, Long.MAX_VALUE);
    return new View(
        "bulk.jte",
        action == Action.CANCEL ? "Cancel requests" : "Repeat requests",
        new BulkQuestion(
            action == Action.CANCEL,
            chosen.requests().size(),
            chosen.isWhole(),
            chosen.requests().isEmpty() ? 0 : chosen.requests().getFirst().id(),
            RequestFilter.of(visit)));
  }

  private static Next act(Visit visit) throws SQLException {
    var action = Action.of(visit);
    long upTo =
        visit
            .parameter("up_to")
            .filter(text -> text.matches("\\d{1,18}"))
            .map(Long::parseLong)
            .orElseThrow(() -> Problem.badRequest("up_to is the id of a request."));
    // in the order in which they were asked
    var requests = chosen(visit, action, upTo + 1).requests().reversed();
    int done = 0;
    for (int from = 0; from < requests.size(); from += AT_ONCE) {
      var batch = requests.subList(from, Math.min(from + AT_ONCE, requests.size()));
      done +=
          action == Action.CANCEL
              ? visit.database().act(session -> CancelRequests.of(session, batch))
              : RepeatRequest.all(visit.database(), batch);
    }
    int left = requests.size() - done;
    return new Next(
        RequestFilter.of(visit).path(java.util.Map.of()),
        (action == Action.CANCEL
                ? "Cancellation of " + done + " requests is under way."
                : done + " requests were repeated.")
            + (left == 0 ? "" : " " + left + " were left as they are."));
  }
}
