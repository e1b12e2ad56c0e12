package org.pgoffload.console.deadletters;

import java.sql.SQLException;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.pgoffload.console.database.RoleSession;
import org.pgoffload.console.signin.RoleRights;
import org.pgoffload.console.web.Next;
import org.pgoffload.console.web.Page;
import org.pgoffload.console.web.Problem;
import org.pgoffload.console.web.Routes;
import org.pgoffload.console.web.View;
import org.pgoffload.console.web.Visit;
import org.pgoffload.operations.deadletters.DeadLetter;
import org.pgoffload.operations.deadletters.LetterPlace;
import org.pgoffload.operations.deadletters.LetterTopic;
import org.pgoffload.operations.deadletters.ListedLetter;
import org.pgoffload.operations.deadletters.ReadDeadLetters;
import org.pgoffload.operations.deadletters.SettleLetters;
import org.pgoffload.operations.deadletters.SettledLetter;
import org.pgoffload.operations.deadletters.UnreadableLettersException;
import org.pgoffload.platform.DatabaseFault;

/// The dead letters, and the page of each with its buttons. Kafka knows no role of the reader's:
/// the database is asked before each look and each action whether it is an operator.
public final class DeadLettersPage implements Page {
  static final String PATH = "/dead-letters";

  private static final int MOST = 50;

  /// Pages of settled letters alone that are passed over at a time.
  private static final int MOST_EMPTY = 5;

  /// Each has a client of Kafka's, and some letters in memory.
  private static final int READERS = 3;

  private static final Duration PATIENCE = Duration.ofSeconds(5);
  private static final String ONE = PATH + "/{partition}/{offset}";

  private final @Nullable LetterTopic topic;
  private final boolean textsHidden;
  private final Semaphore places = new Semaphore(READERS, true);

  /// @param topic null where the console does not know Kafka: the page says so
  /// @param textsHidden whether a letter's content is shown only when the reader asks for it
  public DeadLettersPage(@Nullable LetterTopic topic, boolean textsHidden) {
    this.topic = topic;
    this.textsHidden = textsHidden;
  }

  @Override
  public Optional<Entry> entry() {
    return Optional.of(new Entry("Dead letters", PATH, RoleRights::operates));
  }

  @Override
  public void addTo(Routes routes) {
    routes.get(PATH, this::all);
    routes.get(ONE, this::one);
    routes.post(ONE + "/replay", this::replay);
    routes.post(ONE + "/discard", this::discard);
  }

  private View all(Visit visit) throws SQLException {
    visit.requireOperating();
    if (topic == null) {
      return new View("dead-letters.jte", "Dead letters", DeadLetters.UNKNOWN);
    }
    var below = below(visit.parameter("below").orElse(""));
    return new View(
        "dead-letters.jte",
        "Dead letters",
        read(
            topic,
            letters -> {
              var from = below;
              int left = 0;
              for (int i = 1; ; i++) {
                var page = letters.newest(from, MOST);
                var shown = notSettled(visit, page.letters());
                left += page.letters().size() - shown.size();
                if (!shown.isEmpty() || page.older().isEmpty() || i == MOST_EMPTY) {
                  return new DeadLetters(true, shown, left, below.isEmpty(), page.older());
                }
                from = page.older();
              }
            }));
  }

  private static List<ListedLetter> notSettled(Visit visit, List<ListedLetter> letters)
      throws SQLException {
    var isSettled =
        visit
            .database()
            .look(session ->
                SettledLetter.among(
                    letters,
                    (sql, positions) -> session.rows(sql, SettledLetter::read, positions)));
    return letters.stream().filter(isSettled.negate()).toList();
  }

  private static Map<Integer, Long> below(String text) {
    var below = new HashMap<Integer, Long>();
    try {
      for (var each : text.isEmpty() ? new String[0] : text.split(",", -1)) {
        int colon = each.indexOf(':');
        below.put(
            Integer.valueOf(each.substring(0, Math.max(colon, 0))),
            Long.valueOf(each.substring(colon + 1)));
      }
      return below;
    } catch (NumberFormatException e) {
      throw Problem.badRequest("below is a list of partition:offset.");
    }
  }

  private View one(Visit visit) throws SQLException {
    visit.requireOperating();
    var letter = letter(visit);
    var settled =
        visit
            .database()
            .look(session ->
                session.rows(
                    """
                    select l.replayed_as, l.settled_at, a.role_name
                    from pgoffload.settled_letter l left join pgoffload.action a on a.number = l.action
                    where l.position = ? and l.came_at = ?::timestamptz order by l.action
                    """,
                    row ->
                        new ShownLetter.Settled(
                            row.getObject("replayed_as", Long.class),
                            row.getObject("settled_at", OffsetDateTime.class).toInstant(),
                            row.getString("role_name")),
                    letter.position(),
                    letter.time().toString()));
    return new View(
        "dead-letter.jte",
        "Dead letter",
        ShownLetter.of(
            letter,
            !textsHidden || visit.parameter("texts").isPresent(),
            settled,
            visit.parameter("force").isPresent()));
  }

  private Next replay(Visit visit) throws SQLException {
    visit.requireOperating();
    var letter = sameLetter(visit);
    SettleLetters.obstacle(letter)
        .ifPresent(obstacle -> {
          throw new Problem(
              422, "not_replayed", "It is not sent again: " + obstacle.words(), obstacle.hint());
        });
    boolean force = visit.parameter("force").isPresent();
    try {
      long sent = visit.database().act(session -> settle(session).replay(letter, force));
      return new Next(
          PATH, "Dead letter " + letter.position() + " is sent again as request " + sent + ".");
    } catch (SQLException e) {
      if (DatabaseFault.is(e, SettleLetters.NEEDS_NOTHING)) {
        // sent twice only by a reader who has been told
        return new Next(
            DeadLetters.path(ListedLetter.of(letter)) + "?force=offered",
            "It is not sent again: " + DatabaseFault.words(e) + ".");
      }
      throw e;
    }
  }

  private Next discard(Visit visit) throws SQLException {
    visit.requireOperating();
    var letter = sameLetter(visit);
    visit
        .database()
        .act(session -> {
          settle(session).discard(letter);
          return letter;
        });
    return new Next(PATH, "Dead letter " + letter.position() + " is discarded.");
  }

  private static SettleLetters settle(RoleSession session) {
    return new SettleLetters((sql, parameters) ->
        session.<@Nullable Long>row(sql, row -> row.getObject(1, Long.class), parameters));
  }

  /// The letter that the form was made for: a topic that was made anew meanwhile has another there.
  private DeadLetter sameLetter(Visit visit) throws SQLException {
    var letter = letter(visit);
    if (!visit.parameter("came_at").equals(Optional.of(letter.time().toString()))) {
      throw new Problem(
          409, "another_letter", "Another letter stands there by now.", "Load the list again.");
    }
    return letter;
  }

  private DeadLetter letter(Visit visit) throws SQLException {
    long partition = visit.id("partition");
    if (topic == null || partition < 0 || partition > Integer.MAX_VALUE) {
      throw noLetter();
    }
    var place = new LetterPlace((int) partition, Math.max(0, visit.id("offset")));
    return read(topic, letters -> letters.at(place)).orElseThrow(DeadLettersPage::noLetter);
  }

  private static Problem noLetter() {
    return new Problem(
        404, "not_found", "There is no such dead letter.", "Kafka removes them after retention.");
  }

  @FunctionalInterface
  private interface Read<T> {
    T of(ReadDeadLetters letters) throws SQLException;
  }

  private <T> T read(LetterTopic topic, Read<T> read) throws SQLException {
    try {
      if (!places.tryAcquire(PATIENCE.toMillis(), TimeUnit.MILLISECONDS)) {
        throw new Problem(
            503,
            "53300",
            "As many readers look at dead letters as may at a time.",
            "Try again in a few seconds.");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new Problem(503, "57P01", "The console is ending.", "");
    }
    try (var letters = topic.open()) {
      return read.of(letters);
    } catch (UnreadableLettersException e) {
      throw new Problem(
          503,
          "kafka",
          "Kafka does not answer, or does not let the console read there.",
          "The rest of the console works. Kafka's client says: " + e.getMessage());
    } finally {
      places.release();
    }
  }
}
