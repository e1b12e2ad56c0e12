package org.pgoffload.worker;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.Envelope;
import org.pgoffload.protocol.RequestKind;
import org.pgoffload.protocol.Result;
import org.pgoffload.worker.llm.LlmCall;
import org.pgoffload.worker.llm.LlmErrorCode;
import org.pgoffload.worker.llm.LlmOptions;
import org.pgoffload.worker.llm.LlmOutcome;
import org.pgoffload.worker.llm.LlmProvider;
import org.pgoffload.worker.llm.PieceListener;
import org.pgoffload.worker.llm.Turn;

/// Makes the call that a claimed request asks for, and its result of whatever comes back. Runs on
/// the request's own virtual thread.
///
/// Stateless; safe to share between threads.
final class AnswerRequest {
  private static final String UNSUPPORTED_KIND = "unsupported_kind";
  private static final String NOT_CLAIMABLE = "not_claimable";
  private static final String INTERNAL_ERROR = "internal_error";

  private final String worker;
  private final LlmProvider provider;
  private final InstantSource clock;

  AnswerRequest(String worker, LlmProvider provider, InstantSource clock) {
    this.worker = worker;
    this.provider = provider;
    this.clock = clock;
  }

  /// Blocks until the request has ended; at the latest at its deadline.
  ///
  /// @throws InterruptedException if the worker is closing: there is no result, and the next worker
  ///   takes the request over
  Result answer(Envelope envelope, Claim.Claimed claim) throws InterruptedException {
    var begun = System.nanoTime();
    var ending = end(envelope, claim);
    return result(envelope, claim, ending, (System.nanoTime() - begun) / 1e6);
  }

  /// The result of a request that met a fault of this worker.
  Result fault(Envelope envelope, Claim.Claimed claim) {
    var ending =
        Ending.failed(
            INTERNAL_ERROR,
            "the worker met a fault of its own; its log has the place under this id");
    return result(envelope, claim, ending, 0);
  }

  /// The result of a request that the database will not let anybody claim.
  Result unclaimable(Envelope envelope, String sqlState) {
    var ending =
        Ending.failed(
            NOT_CLAIMABLE, "the database refused to have it claimed, with SQLSTATE " + sqlState);
    return result(envelope, new Claim.Claimed(1, envelope.signedAt()), ending, 0);
  }

  private Result result(Envelope envelope, Claim.Claimed claim, Ending ending, double ranMs) {
    var queuedMs = Duration.between(envelope.signedAt(), claim.claimedAt()).toNanos() / 1e6;
    return new Result(
        Result.VERSION,
        envelope.id(),
        envelope.kind(),
        ending.status(),
        envelope.requestedBy().user(),
        envelope.requestedBy().userOid(),
        ending.answer(),
        ending.errorCode(),
        ending.errorMessage(),
        ending.finishReason(),
        provider.name(),
        ending.model(),
        ending.providerRequestId(),
        ending.usage().inputTokens(),
        ending.usage().cachedInputTokens(),
        ending.usage().outputTokens(),
        ending.usage().reasoningTokens(),
        claim.attempt(),
        Math.max(0, queuedMs),
        ranMs,
        worker,
        clock.instant().truncatedTo(ChronoUnit.MICROS).toString(),
        null,
        null,
        null,
        null);
  }

  private Ending end(Envelope envelope, Claim.Claimed claim) throws InterruptedException {
    if (RequestKind.ofWireName(envelope.kind()).filter(RequestKind.ASK::equals).isEmpty()) {
      return Ending.failed(
          UNSUPPORTED_KIND,
          "this worker does not know requests of kind '" + envelope.kind() + "'; upgrade it");
    }
    var timeout = Objects.requireNonNull(envelope.timeout(), "an LLM request has a timeout");
    var left = Duration.between(claim.claimedAt(), envelope.signedAt().plus(timeout));
    if (!left.isPositive()) {
      return Ending.expired(timeout);
    }
    LlmCall call;
    try {
      call = call(envelope, left);
    } catch (IllegalArgumentException e) {
      return Ending.failed(LlmErrorCode.INVALID_REQUEST.code(), String.valueOf(e.getMessage()));
    }
    return switch (provider.ask(call, PieceListener.NONE)) {
      case LlmOutcome.Answered answered -> Ending.succeeded(answered);
      case LlmOutcome.Embedded _ -> throw new IllegalStateException("a question was embedded");
      // the call had all the time that was left: what ran out is the request's
      case LlmOutcome.Failed failed when failed.error().code() == LlmErrorCode.TIMEOUT ->
          Ending.expired(timeout);
      case LlmOutcome.Failed failed -> Ending.failed(failed);
    };
  }

  private static LlmCall call(Envelope envelope, Duration timeout) {
    var payload = envelope.payload();
    var turns = new ArrayList<Turn>();
    var messages = payload.get("messages");
    if (messages != null) {
      for (var message : messages) {
        var text = message.path("content").asText();
        turns.add(
            message.path("role").asText().equals("assistant")
                ? Turn.assistant(text)
                : Turn.user(text));
      }
    }
    var prompt = text(payload, "prompt");
    if (prompt != null) {
      turns.add(Turn.user(prompt));
    }
    var options = payload.path("options");
    return new LlmCall(
        envelope.id(),
        text(payload, "model"),
        text(payload, "system"),
        turns,
        new LlmOptions(
            options.has("temperature") ? options.get("temperature").asDouble() : null,
            options.has("max_output_tokens") ? options.get("max_output_tokens").asInt() : null,
            List.of(),
            null,
            null),
        false,
        timeout);
  }

  private static @Nullable String text(JsonNode payload, String field) {
    var value = payload.get(field);
    return value == null || value.isNull() ? null : value.asText();
  }
}
