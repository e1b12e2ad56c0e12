package org.pgoffload.worker.vendors;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import org.pgoffload.worker.models.FinishReason;
import org.pgoffload.worker.models.PieceListener;
import org.pgoffload.worker.vendors.http.Json;
import org.pgoffload.worker.vendors.http.VendorError;

/// Folds the chunks of a streamed chat completion: deltas of the message, its finish reason, then
/// the tokens in a chunk without a choice, or with some servers in one that has a choice, in the
/// choice itself, or in a field of their own. Some give a finish reason and tokens with each piece:
/// as long as there is a choice, more of the text may come.
final class FoldChunks implements FoldEvents {
  private final ObjectNode body = Json.object();
  private final StringBuilder text = new StringBuilder();
  private final StringBuilder refusal = new StringBuilder();
  private String finishReason = "";

  @Override
  public boolean take(JsonNode chunk, PieceListener pieces) {
    if (chunk.hasNonNull("model")) {
      body.set("model", chunk.get("model"));
    }
    var choice = Json.first(chunk.path("choices"));
    if (VendorError.isIn(choice)) {
      body.set("error", choice);
    }
    // A server that only plays a stream may send the whole message at once.
    var delta = choice.path(choice.has("delta") ? "delta" : "message");
    var piece = ChatCompletionsFormat.text(delta.path("content"));
    text.append(piece);
    pieces.piece(piece);
    refusal.append(delta.path("refusal").asText(""));
    if (choice.hasNonNull("finish_reason")) {
      finishReason = choice.get("finish_reason").asText();
    }
    var counted = false;
    for (var usage :
        List.of(chunk.path("usage"), choice.path("usage"), chunk.path("x_groq").path("usage"))) {
      if (!counted && isCounted(usage)) {
        body.set("usage", usage);
        counted = true;
      }
    }
    return body.has("error") || (counted && choice.isMissingNode() && isComplete());
  }

  /// Some servers send zeros until the last chunk.
  private static boolean isCounted(JsonNode usage) {
    return usage.valueStream().anyMatch(count -> count.asDouble() > 0);
  }

  @Override
  public void end() {
    if (!isComplete() && !text.isEmpty()) {
      // As an answer in one piece that gives no reason.
      finishReason = FinishReason.OTHER.word();
    }
  }

  @Override
  public boolean isComplete() {
    return !finishReason.isEmpty();
  }

  @Override
  public JsonNode body() {
    if (isComplete()) {
      var choice = body.putArray("choices").addObject().put("finish_reason", finishReason);
      choice
          .putObject("message")
          .put("content", text.toString())
          .put("refusal", refusal.toString());
    }
    return body;
  }
}
