package org.pgoffload.worker.llm;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.net.URI;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.Secret;

/// A vendor that is asked by one HTTP POST of JSON: what differs between vendors is to implement,
/// what is common is here. Adding a vendor is one record that implements this, and its line in
/// [ResolveProvider].
interface HttpProvider extends LlmProvider {

  /// What the calls go through.
  PostJson http();

  /// What the vendor knows us by, to be kept out of every error; null where none is needed.
  @Nullable Secret key();

  /// Where the question is posted.
  URI endpoint();

  /// The headers of the vendor, the key among them.
  Map<String, String> headers();

  /// The headers that may bear the vendor's id of the call, the best first.
  List<String> requestIdHeaders();

  /// The question in the vendor's format.
  ///
  /// @param model the model to ask
  ObjectNode question(LlmCall call, String model);

  /// Reads a reply of status 200. A success is believed only if the body says so.
  LlmOutcome answer(VendorReply reply);

  @Override
  default LlmOutcome ask(LlmCall call, PieceListener pieces) throws InterruptedException {
    var model = Objects.requireNonNullElse(call.model(), defaultModel());
    var words = new RedactWords(key(), call);
    var question = Json.bytes(question(call, model));
    return switch (http().post(endpoint(), headers(), question, call.timeout())) {
      case HttpOutcome.Broken(var code, var why) -> failed(code, words.redact(why), model);
      case HttpOutcome.Reply reply -> conclude(reply, model, words);
    };
  }

  @Override
  default void close() {
    http().close();
  }

  private LlmOutcome conclude(HttpOutcome.Reply reply, String asked, RedactWords words) {
    var requestId =
        requestIdHeaders().stream()
            .flatMap(name -> reply.headers().firstValue(name).stream())
            .findFirst()
            .orElse(null);
    var body = Json.readObject(reply.body());
    var told = body.map(json -> Json.text(json, "model")).orElse(asked);
    var vendorReply =
        new VendorReply(name(), told, reply, body.orElseGet(Json::object), requestId, words);
    if (reply.status() != 200) {
      var error = VendorError.read(vendorReply.body());
      return vendorReply.vendorFailed(error.classify(reply.status()), error, Usage.NONE);
    }
    return body.isEmpty()
        ? vendorReply.malformed("the reply is not a JSON object")
        : answer(vendorReply);
  }

  private LlmOutcome failed(LlmErrorCode code, String message, String model) {
    return new LlmOutcome.Failed(
        new LlmError(code, name() + ": " + message, null, null, null),
        model,
        Usage.NONE,
        List.of());
  }
}
