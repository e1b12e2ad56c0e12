package org.pgoffload.worker.vendors.entra;

import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import org.pgoffload.worker.models.LlmErrorCode;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The one token that all calls share. However many want it, it is asked for once; it is renewed
/// ahead of its end while the present one is still given out; and if that fails, the present one
/// serves until it ends. Safe for any number of threads.
final class SharedToken implements AutoCloseable {

  /// For one answer of the source. A source that hangs costs a thread of its own, and no longer.
  static final Duration PATIENCE = Duration.ofSeconds(30);

  /// After a failure, which is told meanwhile to whoever asks: thousands of calls must not become
  /// thousands of refused logins.
  static final Duration PAUSE_AFTER_FAILURE = Duration.ofSeconds(5);

  private static final Logger LOG = LoggerFactory.getLogger(SharedToken.class);

  private static final TokenOutcome.NoToken CLOSING =
      new TokenOutcome.NoToken(LlmErrorCode.CONNECTION_LOST, "the provider is being closed");

  private final TokenSource source;
  private final InstantSource clock;
  private final Duration patience;
  private final Duration pauseAfterFailure;
  private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();

  private final ReentrantLock lock = new ReentrantLock();
  private volatile TokenOutcome.@Nullable Token present;
  // The fields below are read and written under the lock.
  private @Nullable CompletableFuture<TokenOutcome> asking;
  private TokenOutcome.@Nullable NoToken failure;
  private Instant notAgainBefore = Instant.MIN;

  SharedToken(TokenSource source, InstantSource clock) {
    this(source, clock, PATIENCE, PAUSE_AFTER_FAILURE);
  }

  SharedToken(
      TokenSource source, InstantSource clock, Duration patience, Duration pauseAfterFailure) {
    this.source = source;
    this.clock = clock;
    this.patience = patience;
    this.pauseAfterFailure = pauseAfterFailure;
  }

  /// The token: at once if there is a usable one, else when the source has answered.
  ///
  /// @param timeout how long the caller waits
  /// @throws InterruptedException if the thread is interrupted; others go on waiting for the token
  TokenOutcome within(Duration timeout) throws InterruptedException {
    var token = present;
    if (token != null && clock.instant().isBefore(token.renewAt())) {
      return token;
    }
    var answer = tokenOrQuestion();
    try {
      return answer.get(TimeUnit.NANOSECONDS.convert(timeout), TimeUnit.NANOSECONDS);
    } catch (TimeoutException late) {
      return new TokenOutcome.NoToken(
          LlmErrorCode.TIMEOUT, "no token within " + timeout.toMillis() + " ms");
    } catch (ExecutionException impossible) {
      throw new IllegalStateException("asking for a token ends with an outcome", impossible);
    }
  }

  /// What can be had at once, else the question under way; asks it if it is time to.
  private CompletableFuture<TokenOutcome> tokenOrQuestion() {
    lock.lock();
    try {
      var now = clock.instant();
      var token = usable(now);
      if (token != null && now.isBefore(token.renewAt())) {
        return CompletableFuture.completedFuture(token);
      }
      var question = asking;
      if (question == null && !now.isBefore(notAgainBefore)) {
        question = new CompletableFuture<TokenOutcome>();
        try {
          threads.execute(this::ask);
          asking = question;
        } catch (RejectedExecutionException closed) {
          question.complete(CLOSING);
        }
      }
      if (token != null) {
        return CompletableFuture.completedFuture(token);
      }
      return question == null
          ? CompletableFuture.completedFuture(Objects.requireNonNull(failure))
          : question;
    } finally {
      lock.unlock();
    }
  }

  private void ask() {
    var outcome = answer();
    lock.lock();
    try {
      var now = clock.instant();
      switch (outcome) {
        case TokenOutcome.Token token -> {
          if (failure != null) {
            LOG.info("There is a token again: calls that need one go on");
          }
          failure = null;
          notAgainBefore = Instant.MIN;
          present = token;
        }
        case TokenOutcome.NoToken none -> {
          if (failure == null) {
            tell(none, now);
          }
          failure = none;
          notAgainBefore = now.plus(pauseAfterFailure);
        }
      }
      var question = asking;
      asking = null;
      if (question != null) {
        question.complete(outcome);
      }
    } finally {
      lock.unlock();
    }
  }

  private TokenOutcome.@Nullable Token usable(Instant now) {
    var token = present;
    return token != null && now.isBefore(token.usableUntil()) ? token : null;
  }

  /// Once for a row of failures.
  private void tell(TokenOutcome.NoToken none, Instant now) {
    var token = usable(now);
    if (token != null) {
      LOG.warn(
          "No new token ({}): calls go on with the present one until {}",
          none.code().code(),
          token.usableUntil());
    } else {
      LOG.warn("No token ({}): calls that need one fail", none.code().code());
    }
  }

  private TokenOutcome answer() {
    @Nullable Future<TokenOutcome> answer = null;
    try {
      answer = threads.submit(source::ask);
      return answer.get(TimeUnit.NANOSECONDS.convert(patience), TimeUnit.NANOSECONDS);
    } catch (TimeoutException late) {
      return new TokenOutcome.NoToken(
          LlmErrorCode.PROVIDER_UNREACHABLE,
          "the source of tokens did not answer within " + patience.toMillis() + " ms");
    } catch (InterruptedException | RejectedExecutionException closing) {
      return CLOSING;
    } catch (ExecutionException defect) {
      // Its message may be anything, so it is not passed on.
      return new TokenOutcome.NoToken(
          LlmErrorCode.AUTHENTICATION_FAILED,
          "asking for a token failed: " + kind(defect.getCause()));
    } finally {
      if (answer != null) {
        answer.cancel(true);
      }
    }
  }

  private static String kind(@Nullable Throwable defect) {
    return defect == null ? "unknown" : defect.getClass().getSimpleName();
  }

  /// Ends the question under way; who waits for it gets no token. May be called more than once.
  @Override
  public void close() {
    threads.shutdownNow();
  }
}
