package org.pgoffload.worker.vendors;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.pgoffload.worker.models.EmbedCall;
import org.pgoffload.worker.models.JoinPieces;
import org.pgoffload.worker.models.LlmCall;
import org.pgoffload.worker.models.LlmErrorCode;
import org.pgoffload.worker.models.LlmOutcome;
import org.pgoffload.worker.models.PieceListener;
import org.pgoffload.worker.models.Usage;
import org.pgoffload.worker.vendors.call.CallVendor;
import org.pgoffload.worker.vendors.http.BrokenExchange;
import org.pgoffload.worker.vendors.http.Json;
import org.pgoffload.worker.vendors.http.OpenReply;
import org.pgoffload.worker.vendors.http.StreamedEvents;
import org.pgoffload.worker.vendors.http.VendorBody;
import org.pgoffload.worker.vendors.http.VendorError;
import org.pgoffload.worker.vendors.http.VendorReply;

/// One question to a model, or some texts to embed, alike for all vendors.
record AskVendor(HttpProvider provider, CallVendor call) {
  static LlmOutcome ask(HttpProvider provider, LlmCall call, PieceListener pieces)
      throws InterruptedException {
    var model = Objects.requireNonNullElse(call.model(), provider.defaultModel());
    var refusal = provider.refuses(call);
    if (refusal != null) {
      return CallVendor.failed(provider, LlmErrorCode.UNSUPPORTED_OPTION, refusal, model);
    }
    return CallVendor.call(
        provider,
        model,
        new CallVendor.Question(
            provider.endpoint(call, model), provider.question(call, model), call.texts()),
        call.timeout(),
        (made, reply) ->
            // Some servers stream whatever they were asked for.
            call.stream() || reply.isEventStream()
                ? new AskVendor(provider, made)
                    .readStream(reply, call.stream() ? pieces : PieceListener.NONE)
                : made.readWhole(reply, provider::answer));
  }

  static LlmOutcome embed(HttpProvider provider, EmbeddingFormat format, EmbedCall call)
      throws InterruptedException {
    var model = call.model() == null ? provider.defaultEmbeddingModel() : call.model();
    if (model == null) {
      var why =
          "no model for embeddings: set %s, or name one in the request"
              .formatted(format.modelSetting());
      return CallVendor.failed(
          provider, LlmErrorCode.EMBEDDINGS_NOT_SUPPORTED, why, provider.defaultModel());
    }
    return CallVendor.call(
        provider,
        model,
        new CallVendor.Question(
            format.endpoint(model), format.question(call, model), call.inputs()),
        call.timeout(),
        (made, reply) -> made.readWhole(reply, body -> embedded(body, format, call)));
  }

  private static LlmOutcome embedded(VendorReply reply, EmbeddingFormat format, EmbedCall call) {
    var failure = reply.failure(Usage.NONE);
    return failure == null ? format.answer(reply, call) : failure;
  }

  private LlmOutcome readStream(OpenReply reply, PieceListener listener)
      throws IOException, InterruptedException {
    var pieces = new JoinPieces(listener);
    if (reply.status() != 200 || provider.framing().isWhole(reply)) {
      var outcome = call.readWhole(reply, provider::answer);
      pieces.complete(outcome);
      return outcome;
    }
    var body = fold(reply, pieces);
    reply.finish();
    var vendorReply = call.vendorReply(reply, body);
    var outcome = provider.answer(vendorReply);
    return pieces.complete(outcome)
        ? outcome
        : vendorReply.malformed("the stream ends with another answer than it was made of");
  }

  /// The body that the events fold into. An event that tells of a failure is the last one, for
  /// every vendor, and the body tells of it.
  private JsonNode fold(OpenReply reply, PieceListener pieces) throws IOException {
    var fold = provider.fold();
    var events = provider.framing().read(reply);
    for (var data = next(events, fold); data != null; data = next(events, fold)) {
      if (data.strip().equals(StreamedEvents.END)) {
        fold.end();
        break;
      }
      var event = VendorBody.read(data);
      if (event.fault() != null) {
        if (fold.isComplete()) {
          break;
        }
        throw new BrokenExchange(
            LlmErrorCode.MALFORMED_RESPONSE, "an event of the stream " + event.fault());
      }
      if (VendorError.isIn(event.json())) {
        return Json.merged(fold.body(), event.json());
      }
      if (fold.take(event.json(), pieces)) {
        return fold.body();
      }
    }
    if (!fold.isComplete()) {
      throw new BrokenExchange(
          LlmErrorCode.CONNECTION_LOST, "the stream ended before the answer did");
    }
    return fold.body();
  }

  /// The next event; null where there is none, or where one that the answer does not need did not
  /// come: the answer is whole, and would be paid for again.
  private static @Nullable String next(StreamedEvents events, FoldEvents fold) throws IOException {
    try {
      return events.next();
    } catch (BrokenExchange broken) {
      if (fold.isComplete()) {
        return null;
      }
      throw broken;
    }
  }
}
