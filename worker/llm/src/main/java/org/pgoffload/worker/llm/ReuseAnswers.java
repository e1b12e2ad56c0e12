package org.pgoffload.worker.llm;

import java.sql.SQLException;
import java.time.Duration;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.Result;
import org.pgoffload.worker.llm.calls.Deadline;
import org.pgoffload.worker.llm.questions.Question;
import org.pgoffload.worker.models.ModelTarget;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Takes an earlier answer to the same question instead of a call, where the request allows one.
/// While another request makes the call, waits for that answer.
///
/// Safe to share between threads.
final class ReuseAnswers {
  private static final Logger LOG = LoggerFactory.getLogger(ReuseAnswers.class);

  /// Between two looks at whether the request that was followed has its answer.
  private static final Duration FIRST_LOOK = Duration.ofMillis(20);

  private static final Duration LAST_LOOK = Duration.ofSeconds(1);

  private final AnswerCache cache;

  ReuseAnswers(AnswerCache cache) {
    this.cache = cache;
  }

  /// Makes the calls when no earlier answer is there to be taken.
  @FunctionalInterface
  interface Calls {
    RequestOutcome make() throws InterruptedException;
  }

  /// Answers a request, on its own thread.
  ///
  /// @param stream takes the answer if it is to be streamed
  RequestOutcome answer(
      InFlightRequest asked,
      Question question,
      ModelTarget target,
      Deadline deadline,
      @Nullable StreamPieces stream,
      Calls calls)
      throws InterruptedException {
    var maxAge = question.cache();
    if (maxAge == null) {
      return calls.make();
    }
    var key = question.cacheKey(target);
    var pause = FIRST_LOOK;
    while (true) {
      try {
        switch (cache.consult(asked.id(), key, maxAge)) {
          case AnswerCache.Advice.Lead _ -> {
            return calls.make();
          }
          case AnswerCache.Advice.Hit(var result) -> {
            return taken(result, stream);
          }
          case AnswerCache.Advice.Follow _ -> {}
        }
      } catch (SQLException e) {
        // as with claims: while the database cannot be asked, nothing is begun
        LOG.debug("The cache could not be asked for request {}: {}", asked.id(), e.getMessage());
        pause = LAST_LOOK;
      }
      if (deadline.hasPassed()) {
        return RequestOutcome.expired(asked.timeout(), null);
      }
      asked.waits(Duration.ZERO);
      var left = deadline.left();
      Thread.sleep(pause.compareTo(left) < 0 ? pause : left);
      pause = pause.multipliedBy(2).compareTo(LAST_LOOK) < 0 ? pause.multipliedBy(2) : LAST_LOOK;
    }
  }

  private static RequestOutcome taken(Result result, @Nullable StreamPieces stream)
      throws InterruptedException {
    var ending = RequestOutcome.taken(result);
    if (stream != null && result.answer() != null) {
      stream.piece(result.answer());
      return ending.streamedTo(stream.finish());
    }
    return ending;
  }
}
