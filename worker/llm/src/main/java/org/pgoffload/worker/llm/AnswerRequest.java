package org.pgoffload.worker.llm;

import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.Call;
import org.pgoffload.protocol.Envelope;
import org.pgoffload.protocol.LlmPiece;
import org.pgoffload.protocol.RequestChannel;
import org.pgoffload.protocol.RequestKind;
import org.pgoffload.protocol.Result;
import org.pgoffload.protocol.ResultHead;
import org.pgoffload.worker.delivery.ConsumedRequest;
import org.pgoffload.worker.delivery.lease.ClaimLostException;
import org.pgoffload.worker.llm.calls.CallProgress;
import org.pgoffload.worker.llm.calls.CallsMade;
import org.pgoffload.worker.llm.calls.Deadline;
import org.pgoffload.worker.llm.calls.EmbedTogether;
import org.pgoffload.worker.llm.calls.MakeCalls;
import org.pgoffload.worker.models.FinishReason;
import org.pgoffload.worker.models.LlmCall;
import org.pgoffload.worker.models.LlmErrorCode;
import org.pgoffload.worker.models.LlmOutcome;
import org.pgoffload.worker.models.LlmProviders;
import org.pgoffload.worker.models.ModelTarget;
import org.pgoffload.worker.models.Origin;
import org.pgoffload.worker.models.PieceListener;
import org.pgoffload.worker.models.Turn;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Has the calls made that a claimed request asks for, and makes its result of whatever comes back.
/// Runs on the request's own virtual thread.
///
/// Longer than 300 lines because every way in which a request ends becomes a result here.
///
/// Safe to share between threads.
final class AnswerRequest {
  private static final Logger LOG = LoggerFactory.getLogger(AnswerRequest.class);

  private static final String UNSUPPORTED_KIND = "unsupported_kind";
  private static final String NOT_CLAIMABLE = "not_claimable";
  private static final String INTERNAL_ERROR = "internal_error";

  /// Between two looks at whether the request that was followed has its answer.
  private static final Duration FIRST_LOOK = Duration.ofMillis(20);

  private static final Duration LAST_LOOK = Duration.ofSeconds(1);

  private final String worker;
  private final LlmProviders providers;
  private final MakeCalls make;
  private final EmbedTogether embed;
  private final Cache cache;
  private final Function<LlmPiece, Future<?>> publish;
  private final ScheduledExecutorService timer;
  private final InstantSource clock;

  /// @param publish begins to publish a piece of a streamed answer
  /// @param timer for when to publish them
  /// @param clock the database's
  AnswerRequest(
      String worker,
      LlmProviders providers,
      MakeCalls make,
      EmbedTogether embed,
      Cache cache,
      Function<LlmPiece, Future<?>> publish,
      ScheduledExecutorService timer,
      InstantSource clock) {
    this.worker = worker;
    this.providers = providers;
    this.make = make;
    this.embed = embed;
    this.cache = cache;
    this.publish = publish;
    this.timer = timer;
    this.clock = clock;
  }

  /// Knows which questions have been answered, or are being asked, already.
  @FunctionalInterface
  interface Cache {
    /// Says what to do for a request.
    ///
    /// @param key the same for the same question
    /// @param maxAge of an answer, as an interval's text
    /// @throws SQLException if the database could not be asked
    Advice consult(long id, byte[] key, String maxAge) throws SQLException;

    /// What to do.
    sealed interface Advice {
      /// Take this answer.
      record Hit(Result result) implements Advice {}

      /// Make the call.
      record Lead() implements Advice {}

      /// Another request makes the call: ask again later.
      record Follow(long leader) implements Advice {}
    }
  }

  /// Blocks until the request has ended; at the latest at its deadline.
  ///
  /// @throws ClaimLostException if another worker has it by now: it has no result here
  /// @throws InterruptedException if it is cancelled, or the worker is closing
  Result answer(InFlightRequest asked, LlmAttempt claim) throws InterruptedException {
    var begun = System.nanoTime();
    var envelope = asked.request().envelope();
    var ending = execute(asked, envelope, claim);
    return result(asked, claim, ending, (System.nanoTime() - begun) / 1e6);
  }

  /// The result of a request that met a fault of this worker.
  Result fault(InFlightRequest asked, LlmAttempt claim) {
    var ending =
        RequestOutcome.failed(
            INTERNAL_ERROR,
            "the worker met a fault of its own; its log has the place under this id");
    return result(asked, claim, ending, 0);
  }

  /// The result of a request that was cancelled while it was seen to.
  Result cancelled(InFlightRequest asked, LlmAttempt claim) {
    var ranMs = Duration.between(claim.claimedAt(), clock.instant()).toNanos() / 1e6;
    return result(asked, claim, RequestOutcome.cancelled(""), Math.max(0, ranMs));
  }

  /// The result of a request that was cancelled before anybody had begun it.
  Result cancelled(ObeyCancellations.CancelledRequest request) {
    var queuedMs = Duration.between(request.createdAt(), request.claimedAt()).toNanos() / 1e6;
    return result(
        request.id(),
        request.kind(),
        request.requestedBy(),
        request.requestedByOid(),
        request.attempt(),
        Math.max(0, queuedMs),
        RequestOutcome.cancelled(""),
        List.of(),
        0);
  }

  /// The result of a request that is ended without a call.
  Result refused(Envelope envelope, LlmAttempt claim, LlmAttempt.Refusal refusal) {
    var ending =
        switch (refusal.reason()) {
          case CANCELLED -> RequestOutcome.cancelled(refusal.detail());
          case OVER_BUDGET ->
              RequestOutcome.failed(RequestOutcome.BUDGET_EXCEEDED, refusal.detail());
        };
    return result(envelope, claim, ending, List.of(), 0);
  }

  /// The result of a request whose record may not be executed.
  Result notExecuted(Envelope envelope, LlmAttempt claim, ConsumedRequest.Refusal refusal) {
    var ending = RequestOutcome.failed(refusal.reason().code(), refusal.words());
    return result(envelope, claim, ending, List.of(), 0);
  }

  /// The result of a request that the database will not let anybody claim with what it asks for.
  Result unclaimable(Envelope envelope, LlmAttempt claim, String sqlState) {
    var ending =
        RequestOutcome.failed(
            NOT_CLAIMABLE, "the database refused to have it claimed, with SQLSTATE " + sqlState);
    return result(envelope, claim, ending, List.of(), 0);
  }

  /// Names who was asked last, whatever it ended with.
  private Result result(
      InFlightRequest asked, LlmAttempt claim, RequestOutcome ending, double ranMs) {
    var whom = asked.lastAsked();
    var named =
        ending.provider() == null && whom != null
            ? ending.by(new Origin(whom.provider(), whom.model(), ending.providerRequestId()))
            : ending;
    return result(asked.request().envelope(), claim, named, asked.callsMade(), ranMs);
  }

  private Result result(
      Envelope envelope, LlmAttempt claim, RequestOutcome ending, List<Call> calls, double ranMs) {
    var queuedMs = Duration.between(envelope.createdAt(), claim.claimedAt()).toNanos() / 1e6;
    return result(
        envelope.id(),
        envelope.kind(),
        envelope.requestedBy().user(),
        envelope.requestedBy().userOid(),
        claim.attempt(),
        Math.max(0, queuedMs),
        ending,
        calls,
        ranMs);
  }

  private Result result(
      long id,
      String kind,
      String requestedBy,
      long requestedByOid,
      int attempt,
      double queuedMs,
      RequestOutcome ending,
      List<Call> calls,
      double ranMs) {
    return new Result(
        new ResultHead(Result.VERSION, id, kind, ending.status(), requestedBy, requestedByOid),
        new Result.Outcome(
            ending.answer(), ending.errorCode(), ending.errorMessage(), ending.finishReason()),
        new Result.Origin(ending.provider(), ending.model(), ending.providerRequestId()),
        Result.Tokens.of(CallsMade.tokens(calls)),
        new Result.Run(
            attempt,
            queuedMs,
            ranMs,
            worker,
            clock.instant().truncatedTo(ChronoUnit.MICROS).toString()),
        ending.embeddings(),
        new Result.Provenance(
            ending.cachedFrom(), calls.isEmpty() ? null : calls, ending.lastSeq()));
  }

  private RequestOutcome execute(InFlightRequest asked, Envelope envelope, LlmAttempt claim)
      throws InterruptedException {
    var kind = RequestKind.ofWireName(envelope.kind());
    if (kind.isEmpty() || kind.get().channel() != RequestChannel.LLM) {
      return RequestOutcome.failed(
          UNSUPPORTED_KIND,
          "this worker does not know requests of kind '" + envelope.kind() + "'; upgrade it");
    }
    var timeout = Objects.requireNonNull(envelope.timeout(), "an LLM request has a timeout");
    // from the database's times and what has passed since, whatever this machine's clock says
    var left =
        Duration.between(claim.claimedAt(), envelope.createdAt().plus(timeout)).minus(asked.age());
    if (!left.isPositive()) {
      return RequestOutcome.expired(timeout, null);
    }
    var deadline = Deadline.in(left);
    Question question;
    try {
      question = Question.of(envelope, kind.get());
    } catch (IllegalArgumentException e) {
      return RequestOutcome.failed(LlmErrorCode.INVALID_REQUEST, String.valueOf(e.getMessage()));
    }
    if (!waitedOut(asked, deadline)) {
      return RequestOutcome.expired(timeout, null);
    }
    var named = question.provider();
    var provider = named == null ? providers.primary() : providers.find(named).orElse(null);
    if (provider == null) {
      return RequestOutcome.failed(
          RequestOutcome.PROVIDER_NOT_CONFIGURED,
          "no provider '"
              + named
              + "' is configured at the workers; those that are: "
              + String.join(", ", providers.names()));
    }
    return switch (question) {
      case Question.Ask ask -> {
        var first =
            new ModelTarget(
                provider, Objects.requireNonNullElse(ask.model(), provider.defaultModel()));
        var stream = ask.streams() ? pieces(envelope, claim) : null;
        yield cached(
            asked,
            ask,
            first,
            deadline,
            timeout,
            stream,
            () -> ask(asked, ask, targets(first), deadline, timeout, stream));
      }
      case Question.Embed texts -> {
        var model = texts.model() == null ? provider.defaultEmbeddingModel() : texts.model();
        var target =
            new ModelTarget(provider, Objects.requireNonNullElse(model, provider.defaultModel()));
        yield cached(
            asked,
            texts,
            target,
            deadline,
            timeout,
            null,
            () -> embed(asked, texts, target, deadline, timeout));
      }
    };
  }

  /// A request that another worker has left waiting for its next try waits on.
  private boolean waitedOut(InFlightRequest asked, Deadline deadline) throws InterruptedException {
    Instant notBefore = DeferredHeaders.notBefore(asked.request().record().headers());
    if (notBefore == null) {
      return true;
    }
    var wait = Duration.between(clock.instant(), notBefore);
    if (!wait.isPositive()) {
      return true;
    }
    asked.waits(wait);
    var left = deadline.left();
    Thread.sleep(wait.compareTo(left) < 0 ? wait : left);
    return wait.compareTo(left) < 0;
  }

  private List<ModelTarget> targets(ModelTarget first) {
    var targets = new ArrayList<ModelTarget>();
    targets.add(first);
    providers.fallbacks().stream()
        .filter(fallback -> !fallback.toString().equals(first.toString()))
        .forEach(targets::add);
    return targets;
  }

  private StreamPieces pieces(Envelope envelope, LlmAttempt claim) {
    return new StreamPieces(
        publish, timer, envelope.id(), envelope.requestedBy().userOid(), claim.attempt());
  }

  /// What makes the calls when no earlier answer is there to be taken.
  @FunctionalInterface
  private interface Calls {
    RequestOutcome make() throws InterruptedException;
  }

  private RequestOutcome cached(
      InFlightRequest asked,
      Question question,
      ModelTarget target,
      Deadline deadline,
      Duration timeout,
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
          case Cache.Advice.Lead _ -> {
            return calls.make();
          }
          case Cache.Advice.Hit(var result) -> {
            return taken(result, stream);
          }
          case Cache.Advice.Follow _ -> {}
        }
      } catch (SQLException e) {
        // as with claims: while the database cannot be asked, nothing is begun
        LOG.debug("The cache could not be asked for request {}: {}", asked.id(), e.getMessage());
        pause = LAST_LOOK;
      }
      if (deadline.hasPassed()) {
        return RequestOutcome.expired(timeout, null);
      }
      asked.waits(Duration.ZERO);
      var left = deadline.left();
      Thread.sleep(pause.compareTo(left) < 0 ? pause : left);
      pause = pause.multipliedBy(2).compareTo(LAST_LOOK) < 0 ? pause.multipliedBy(2) : LAST_LOOK;
    }
  }

  private static RequestOutcome taken(Result result, @Nullable StreamPieces stream)
      throws InterruptedException {
    var ending =
        new RequestOutcome(
            Result.SUCCEEDED,
            result.answer(),
            result.embeddings(),
            null,
            null,
            result.outcome().finishReason(),
            result.origin().provider(),
            result.origin().model(),
            null,
            result.cachedFrom() == null ? (Long) result.id() : result.cachedFrom(),
            null);
    if (stream != null && result.answer() != null) {
      stream.piece(result.answer());
      return ending.streamedTo(stream.finish());
    }
    return ending;
  }

  private RequestOutcome ask(
      InFlightRequest asked,
      Question.Ask question,
      List<ModelTarget> targets,
      Deadline deadline,
      Duration timeout,
      @Nullable StreamPieces stream)
      throws InterruptedException {
    var progress = stream == null ? asked : new Streaming(asked, stream);
    var pieces = stream == null ? PieceListener.NONE : stream;
    var made = make.ask(question.call(), targets, deadline, pieces, progress);
    var schema = question.schema();
    if (schema != null && made.outcome() instanceof LlmOutcome.Answered first) {
      var wrong = schema.mismatch(first.text());
      if (wrong.isPresent()) {
        var again = askedAgain(question.call(), first, wrong.get());
        made = make.ask(again, targets, deadline, pieces, progress);
        if (made.outcome() instanceof LlmOutcome.Answered second) {
          var stillWrong = schema.mismatch(second.text());
          if (stillWrong.isPresent()) {
            return mismatch(second, stillWrong.get());
          }
        }
      }
    }
    var ending = ending(made, timeout);
    if (stream != null) {
      long last = stream.finish();
      if (ending.status().equals(Result.SUCCEEDED)) {
        return ending.streamedTo(last);
      }
    }
    return ending;
  }

  /// The same question, with the answer that did not fit and why.
  private static LlmCall askedAgain(LlmCall call, LlmOutcome.Answered answer, String wrong) {
    var turns = new ArrayList<>(call.turns());
    if (!answer.text().isBlank()) {
      turns.add(Turn.assistant(answer.text()));
    }
    turns.add(
        Turn.user(
            "Your answer does not match the JSON schema: "
                + wrong
                + "\nAnswer again, with nothing but JSON that matches it."));
    return new LlmCall(
        call.id(),
        call.model(),
        call.system(),
        turns,
        call.options(),
        call.stream(),
        call.timeout());
  }

  private static RequestOutcome mismatch(LlmOutcome.Answered answer, String wrong) {
    var cut =
        answer.finishReason().equals(FinishReason.LENGTH)
            ? "; it was cut short: raise max_output_tokens"
            : "";
    var failed =
        RequestOutcome.failed(
            RequestOutcome.SCHEMA_MISMATCH,
            "the answer, asked for twice, does not match response_schema: " + wrong + cut);
    return failed.by(answer.origin());
  }

  private RequestOutcome embed(
      InFlightRequest asked,
      Question.Embed question,
      ModelTarget target,
      Deadline deadline,
      Duration timeout)
      throws InterruptedException {
    return ending(
        embed.embed(question.inputs(), question.dimensions(), target, deadline, asked), timeout);
  }

  private static RequestOutcome ending(CallsMade made, Duration timeout) {
    var outcome = made.outcome();
    if (made.expired() || outcome == null) {
      return RequestOutcome.expired(timeout, outcome);
    }
    return RequestOutcome.of(outcome, made.provider());
  }

  /// Tells the stream when a call begins.
  private record Streaming(InFlightRequest asked, StreamPieces stream) implements CallProgress {
    @Override
    public void waits(Duration atLeast) {
      asked.waits(atLeast);
    }

    @Override
    public boolean mayCall(Duration patience) throws InterruptedException {
      return asked.mayCall(patience);
    }

    @Override
    public void calls(ModelTarget target) {
      stream.begin();
      asked.calls(target);
    }

    @Override
    public void called(Call call) {
      asked.called(call);
    }
  }
}
