package org.pgoffload.producer;

import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.common.KafkaException;
import org.pgoffload.platform.KafkaFault;
import org.pgoffload.platform.Query;
import org.pgoffload.platform.primary.ControlState;
import org.pgoffload.platform.primary.FollowPrimary;
import org.pgoffload.platform.primary.ReadControl;
import org.pgoffload.platform.primary.ReplacePrimary;
import org.pgoffload.platform.primary.TimelineHistory;
import org.pgoffload.protocol.ControlRecord.Fork;
import org.pgoffload.protocol.ControlRecord.Primary;
import org.pgoffload.protocol.ControlRecord.Server;
import org.pgoffload.protocol.WalPosition;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Makes a promoted standby the recorded primary, where nothing says that it could be a copy:
///
/// 1. the recorded timeline is in its history, with the recorded history before it, and was left at
///    most `failover_permitted_lag` before the position that the recorded primary is known to have
///    reached;
/// 2. no part has renewed against the recorded primary for 3 seconds, by the records in the topic;
/// 3. the record that is replaced is the one that was looked at.
///
/// The database is changed first, and can be asked again: where this ends in between, the next look
/// does the same. For one thread.
final class AcceptPromotion {
  private static final Logger LOG = LoggerFactory.getLogger(AcceptPromotion.class);

  /// A part renews each second.
  private static final Duration QUIET = Duration.ofSeconds(3);

  private static final Duration SILENCE = Duration.ofSeconds(10);
  private static final Duration BETWEEN_LOOKS = Duration.ofSeconds(1);

  private final ProducerConfiguration configuration;
  private final FollowPrimary primary;
  private final CountDownLatch closing;
  private String refusal = "";
  private long lookAgain = System.nanoTime();

  /// @param closing opens when it is to end
  AcceptPromotion(
      ProducerConfiguration configuration, FollowPrimary primary, CountDownLatch closing) {
    this.configuration = configuration;
    this.primary = primary;
    this.closing = closing;
  }

  /// A reason why a promotion is not accepted.
  private static final class RefusedException extends Exception {
    private static final long serialVersionUID = 1L;

    RefusedException(String words) {
      super(words);
    }
  }

  /// Accepts the promoted server that was found last, if there is one.
  ///
  /// @return why it is not accepted, or empty: if it is, or there is none
  String acceptFound() {
    var promoted = primary.promoted();
    if (promoted.isEmpty()) {
      return "";
    }
    if (System.nanoTime() - lookAgain < 0) {
      return refusal;
    }
    try {
      accept(promoted.get());
      refusal = "";
    } catch (RefusedException e) {
      refusal =
          "promotion_refused: "
              + e.getMessage()
              + ". If the server on "
              + promoted.get().server()
              + " is the new primary: pgoffload promote --accept; if it is a copy: pgoffload adopt";
    } catch (SQLException e) {
      refusal = "promotion_refused: the promoted server cannot be asked: " + e.getMessage();
    } catch (KafkaException e) {
      refusal = "the promotion cannot be recorded: " + KafkaFault.words(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      closing.countDown();
    }
    lookAgain = System.nanoTime() + BETWEEN_LOOKS.toNanos();
    return refusal;
  }

  private void accept(FollowPrimary.Found promoted)
      throws SQLException, RefusedException, InterruptedException {
    var recorded = primary.state().primary();
    if (recorded == null || recorded.server().timeline() >= promoted.identity().timeline()) {
      return;
    }
    var address = configuration.database().at(promoted.server());
    var history = TimelineHistory.read(address, promoted.identity().timeline(), SILENCE);
    try (var database = address.connectAsPart("pgoffload producer accept", SILENCE)) {
      long lag =
          Query.row(database, "select pgoffload.failover_permitted_lag()", row -> row.getLong(1));
      refuse(ancestry(recorded, primary.state().reached(), history, lag));
      awaitQuiet(recorded.token());
      try (var replace = ReplacePrimary.begin(configuration.kafka(), configuration.topics())) {
        if (!replace.state().token().equals(Optional.of(recorded.token()))) {
          // the next look compares with that one
          return;
        }
        int timeline = promoted.identity().timeline();
        Query.execute(database, "select pgoffload.prepare_timeline()");
        var token =
            Query.row(
                database,
                "select pgoffload.begin_timeline(?, ?::pg_catalog.pg_lsn, 'promoted')",
                row -> row.getObject(1, UUID.class),
                timeline,
                history.isEmpty() ? null : history.getLast().switchedAt().toString());
        replace.write(
            new Primary(
                recorded.installation(),
                new Server(recorded.server().systemIdentifier(), timeline, history),
                token,
                promoted.identity().confirmed(),
                recorded.topics()));
        LOG.info(
            "The server on {} was promoted to timeline {}, and is the recorded primary now: the"
                + " requests that may have been lost on their way are looked for",
            promoted.server(),
            timeline);
      }
    }
  }

  private static void refuse(Optional<String> words) throws RefusedException {
    if (words.isPresent()) {
      throw new RefusedException(words.get());
    }
  }

  /// Why a server with this history need not be the recorded one's successor; empty if it is.
  ///
  /// @param reached how far the recorded primary is known to have come
  /// @param lag how far before that it may have been left, in bytes
  static Optional<String> ancestry(
      Primary recorded, WalPosition reached, List<Fork> history, long lag) {
    int timeline = recorded.server().timeline();
    var known = recorded.server().history();
    int place = 0;
    while (place < history.size() && history.get(place).timeline() != timeline) {
      place++;
    }
    if (place == history.size() || (!known.isEmpty() && !known.equals(history.subList(0, place)))) {
      return Optional.of(
          "the recorded timeline " + timeline + " is no ancestor of the server's timeline");
    }
    var left = history.get(place).switchedAt();
    return left.compareTo(reached.before(lag)) < 0
        ? Optional.of(
            "it left timeline "
                + timeline
                + " at "
                + left
                + ", and the recorded primary had come to "
                + reached
                + ", which is more than failover_permitted_lag later")
        : Optional.empty();
  }

  private void awaitQuiet(UUID token) throws RefusedException, InterruptedException {
    try (var read = new ReadControl(configuration.kafka(), configuration.topics())) {
      long from = read.readToEnd();
      if (closing.await(QUIET.toMillis(), TimeUnit.MILLISECONDS)) {
        throw new InterruptedException("it is being closed");
      }
      read.readToEnd();
      refuse(stillAtWork(read.state(), token, from));
    }
  }

  private static Optional<String> stillAtWork(ControlState state, UUID token, long from) {
    return state.parts().values().stream()
        .filter(seen -> seen.offset() >= from && seen.part().token().equals(token))
        .findFirst()
        .map(seen -> seen.part().name() + " is at work with the recorded primary still");
  }
}
