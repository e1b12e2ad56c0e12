package org.pgoffload.worker.llm;

import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.Call;
import org.pgoffload.protocol.Envelope;
import org.pgoffload.protocol.MaintainedRequest;
import org.pgoffload.protocol.RequestChannel;
import org.pgoffload.protocol.RequestKind;
import org.pgoffload.protocol.Result;
import org.pgoffload.worker.delivery.lease.ClaimLostException;
import org.pgoffload.worker.llm.calls.CallProgress;
import org.pgoffload.worker.llm.calls.CallsMade;
import org.pgoffload.worker.llm.calls.Deadline;
import org.pgoffload.worker.llm.calls.DeferredHeaders;
import org.pgoffload.worker.llm.calls.EmbedTogether;
import org.pgoffload.worker.llm.calls.MakeCalls;
import org.pgoffload.worker.llm.chunks.SplitText;
import org.pgoffload.worker.llm.questions.Question;
import org.pgoffload.worker.models.FinishReason;
import org.pgoffload.worker.models.LlmCall;
import org.pgoffload.worker.models.LlmErrorCode;
import org.pgoffload.worker.models.LlmOutcome;
import org.pgoffload.worker.models.LlmProviders;
import org.pgoffload.worker.models.ModelTarget;
import org.pgoffload.worker.models.PieceListener;
import org.pgoffload.worker.models.Turn;

/// Has the calls made that a claimed request asks for. Runs on the request's own virtual thread.
///
/// Safe to share between threads.
final class AnswerRequest {
  private static final String UNSUPPORTED_KIND = "unsupported_kind";

  private final LlmProviders providers;
  private final ChooseTarget targets;
  private final MakeCalls make;
  private final EmbedTogether embed;
  private final ReuseAnswers reuse;
  private final OpenStream streams;
  private final InstantSource clock;

  /// @param clock the database's
  AnswerRequest(
      LlmProviders providers,
      MakeCalls make,
      EmbedTogether embed,
      AnswerCache cache,
      OpenStream streams,
      InstantSource clock) {
    this.providers = providers;
    this.targets = new ChooseTarget(providers);
    this.make = make;
    this.embed = embed;
    this.reuse = new ReuseAnswers(cache);
    this.streams = streams;
    this.clock = clock;
  }

  /// Opens the stream of an answer.
  @FunctionalInterface
  interface OpenStream {
    StreamPieces open(Envelope envelope, LlmAttempt claim);
  }

  /// Blocks until the request has ended; at the latest at its deadline.
  ///
  /// @throws ClaimLostException if another worker has it by now: it has no result here
  /// @throws InterruptedException if it is cancelled, or the worker is closing
  RequestOutcome answer(InFlightRequest asked, LlmAttempt claim) throws InterruptedException {
    var envelope = asked.request().envelope();
    var kind = RequestKind.ofWireName(envelope.kind());
    if (kind.isEmpty() || kind.get().channel() != RequestChannel.LLM) {
      return RequestOutcome.failed(
          UNSUPPORTED_KIND,
          "this worker does not know requests of kind '" + envelope.kind() + "'; upgrade it");
    }
    // whatever its time, and its provider: it asks nobody
    var end = MaintainedRequest.end(envelope.payload());
    if (end.isPresent()) {
      return RequestOutcome.withoutCall(end.get());
    }
    var timeout = asked.timeout();
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
    var provider = targets.provider(kind.get(), named);
    if (provider == null) {
      return RequestOutcome.failed(RequestOutcome.PROVIDER_NOT_CONFIGURED, isMissing(named));
    }
    return switch (question) {
      case Question.Ask ask -> {
        var first = ChooseTarget.words(provider, ask.model());
        var stream = ask.streams() ? streams.open(envelope, claim) : null;
        yield reuse.answer(
            asked,
            ask,
            first,
            deadline,
            stream,
            () -> ask(asked, ask, targets(first), deadline, stream));
      }
      case Question.Embed texts -> {
        var target = ChooseTarget.embedding(provider, texts.model());
        yield reuse.answer(
            asked, texts, target, deadline, null, () -> embed(asked, texts, target, deadline));
      }
      case Question.Rerank documents -> {
        var target = ChooseTarget.words(provider, documents.model());
        yield reuse.answer(
            asked,
            documents,
            target,
            deadline,
            null,
            () -> ending(asked, make.rerank(documents.call(), target, deadline, asked)));
      }
    };
  }

  private String isMissing(@Nullable String named) {
    return named == null
        ? "no reranker is configured at the workers: set PGOFFLOAD_RERANK_URL"
        : "no provider '"
            + named
            + "' is configured at the workers; those that are: "
            + String.join(", ", providers.names());
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

  private RequestOutcome ask(
      InFlightRequest asked,
      Question.Ask question,
      List<ModelTarget> targets,
      Deadline deadline,
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
    var ending = ending(asked, made);
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
      InFlightRequest asked, Question.Embed question, ModelTarget target, Deadline deadline)
      throws InterruptedException {
    var chunking = question.chunking();
    List<String> texts;
    try {
      texts =
          chunking == null
              ? question.inputs()
              : SplitText.split(question.inputs().getFirst(), chunking);
    } catch (IllegalArgumentException e) {
      return RequestOutcome.failed(LlmErrorCode.INVALID_REQUEST, String.valueOf(e.getMessage()));
    }
    var ending = ending(asked, embed.embed(texts, question.dimensions(), target, deadline, asked));
    return chunking == null ? ending : ending.ofChunks(texts);
  }

  private static RequestOutcome ending(InFlightRequest asked, CallsMade made) {
    var outcome = made.outcome();
    if (made.expired() || outcome == null) {
      return RequestOutcome.expired(asked.timeout(), outcome);
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
    public void waitsForTurn(Duration atLeast) {
      asked.waitsForTurn(atLeast);
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
