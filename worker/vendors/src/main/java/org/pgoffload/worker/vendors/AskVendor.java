package org.pgoffload.worker.vendors;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.pgoffload.worker.models.EmbedCall;
import org.pgoffload.worker.models.JoinPieces;
import org.pgoffload.worker.models.LlmCall;
import org.pgoffload.worker.models.LlmError;
import org.pgoffload.worker.models.LlmErrorCode;
import org.pgoffload.worker.models.LlmOutcome;
import org.pgoffload.worker.models.PieceListener;
import org.pgoffload.worker.models.Usage;
import org.pgoffload.worker.vendors.http.BrokenExchange;
import org.pgoffload.worker.vendors.http.Credentials;
import org.pgoffload.worker.vendors.http.Json;
import org.pgoffload.worker.vendors.http.OpenReply;
import org.pgoffload.worker.vendors.http.RedactWords;
import org.pgoffload.worker.vendors.http.StreamedEvents;
import org.pgoffload.worker.vendors.http.VendorBody;
import org.pgoffload.worker.vendors.http.VendorError;
import org.pgoffload.worker.vendors.http.VendorReply;

/// One call to a vendor, from the question to the outcome, alike for all of them.
record AskVendor(HttpProvider provider, String model, RedactWords words) {
  static LlmOutcome ask(HttpProvider provider, LlmCall call, PieceListener pieces)
      throws InterruptedException {
    var model = Objects.requireNonNullElse(call.model(), provider.defaultModel());
    var refusal = provider.refuses(call);
    if (refusal != null) {
      return failed(provider, LlmErrorCode.UNSUPPORTED_OPTION, refusal, model);
    }
    var begin = System.nanoTime();
    return switch (provider.credentials(call.timeout())) {
      case Credentials.Missing(var code, var why) -> failed(provider, code, why, model);
      case Credentials.Headers credentials -> {
        var asking = new AskVendor(provider, model, words(provider, credentials, call.texts()));
        yield asking.post(
            provider.endpoint(call, model),
            credentials,
            provider.question(call, model),
            left(call.timeout(), begin),
            reply ->
                // Some servers stream whatever they were asked for.
                call.stream() || reply.isEventStream()
                    ? asking.readStream(reply, call.stream() ? pieces : PieceListener.NONE)
                    : asking.readWhole(reply, provider::answer));
      }
    };
  }

  static LlmOutcome embed(HttpProvider provider, EmbeddingFormat format, EmbedCall call)
      throws InterruptedException {
    var model = call.model() == null ? provider.defaultEmbeddingModel() : call.model();
    if (model == null) {
      var why =
          "no model for embeddings: set %s, or name one in the request"
              .formatted(format.modelSetting());
      return failed(provider, LlmErrorCode.EMBEDDINGS_NOT_SUPPORTED, why, provider.defaultModel());
    }
    var begin = System.nanoTime();
    return switch (provider.credentials(call.timeout())) {
      case Credentials.Missing(var code, var why) -> failed(provider, code, why, model);
      case Credentials.Headers credentials -> {
        var asking = new AskVendor(provider, model, words(provider, credentials, call.inputs()));
        yield asking.post(
            format.endpoint(model),
            credentials,
            format.question(call, model),
            left(call.timeout(), begin),
            reply -> asking.readWhole(reply, body -> embedded(body, format, call)));
      }
    };
  }

  private static LlmOutcome embedded(VendorReply reply, EmbeddingFormat format, EmbedCall call) {
    var failure = reply.failure(Usage.NONE);
    return failure == null ? format.answer(reply, call) : failure;
  }

  /// What no error may show: the key, what was said, and the secrets of the address.
  private static RedactWords words(
      HttpProvider provider, Credentials.Headers credentials, List<String> said) {
    return new RedactWords(credentials.secret(), provider.baseUrl().secrets(), said);
  }

  private static Duration left(Duration timeout, long begin) {
    return timeout.minusMillis(TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - begin));
  }

  @FunctionalInterface
  private interface ReadReply {
    LlmOutcome read(OpenReply reply) throws IOException, InterruptedException;
  }

  @FunctionalInterface
  private interface ReadBody {
    LlmOutcome read(VendorReply reply);
  }

  private LlmOutcome post(
      URI endpoint,
      Credentials.Headers credentials,
      ObjectNode question,
      Duration timeout,
      ReadReply reader)
      throws InterruptedException {
    if (timeout.toMillis() < 1) {
      // The credentials took it all; what is begun now could only be broken off, and be paid for.
      return failed(
          provider, LlmErrorCode.TIMEOUT, "no time was left to call when it was let in", model);
    }
    var body = Json.bytes(question);
    try (var reply = provider.http().open(endpoint, credentials.headers(), body, timeout)) {
      try {
        return reader.read(reply);
      } catch (BrokenExchange broken) {
        return vendorReply(reply, Json.object()).broken(broken.code(), broken.words());
      }
    } catch (BrokenExchange neverBegun) {
      return failed(provider, neverBegun.code(), words.redact(neverBegun.words()), model);
    } catch (InterruptedIOException interrupted) {
      throw new InterruptedException(interrupted.getMessage());
    } catch (IOException impossible) {
      throw new UncheckedIOException("every read of a reply says how it broke", impossible);
    }
  }

  private LlmOutcome readWhole(OpenReply reply, ReadBody reader) throws IOException {
    var body = VendorBody.read(reply.readAll());
    var vendorReply = vendorReply(reply, body.json());
    if (reply.status() != 200) {
      return vendorReply.vendorFailed(body.error(), Usage.NONE);
    }
    return body.fault() == null
        ? reader.read(vendorReply)
        : vendorReply.malformed("the reply " + body.fault());
  }

  private LlmOutcome readStream(OpenReply reply, PieceListener listener)
      throws IOException, InterruptedException {
    var pieces = new JoinPieces(listener);
    if (reply.status() != 200 || provider.framing().isWhole(reply)) {
      var outcome = readWhole(reply, provider::answer);
      pieces.complete(outcome);
      return outcome;
    }
    var body = fold(reply, pieces);
    reply.finish();
    var vendorReply = vendorReply(reply, body);
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

  private VendorReply vendorReply(OpenReply reply, JsonNode body) {
    var told =
        Stream.of("model", "modelVersion")
            .map(field -> Json.text(body, field))
            .filter(name -> name != null && !name.isBlank())
            .findFirst()
            .orElse(model);
    var requestId =
        provider.requestIdHeaders().stream()
            .flatMap(name -> reply.headers().firstValue(name).stream())
            .findFirst()
            // Gemini alone tells it in the body.
            .orElse(Json.text(body, "responseId"));
    return new VendorReply(
        provider.name(),
        told,
        reply.status(),
        reply.headers(),
        provider.http().now(),
        body,
        requestId,
        words);
  }

  private static LlmOutcome failed(
      HttpProvider provider, LlmErrorCode code, String why, String model) {
    return new LlmOutcome.Failed(
        new LlmError(code, provider.name() + ": " + why, null, null, null),
        model,
        Usage.NONE,
        List.of());
  }
}
