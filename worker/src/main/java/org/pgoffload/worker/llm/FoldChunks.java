package org.pgoffload.worker.llm;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;

/// Folds the chunks of a streamed chat completion: deltas of the message, its finish reason, then
/// the tokens in a chunk without a choice, or with some servers in the last one that has one.
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
    var piece = ChatCompletionsFormat.text(choice.path("delta").path("content"));
    text.append(piece);
    pieces.piece(piece);
    refusal.append(choice.path("delta").path("refusal").asText(""));
    if (choice.hasNonNull("finish_reason")) {
      finishReason = choice.get("finish_reason").asText();
    }
    var counted = chunk.path("usage").isObject();
    if (counted) {
      body.set("usage", chunk.get("usage"));
    }
    return counted && isComplete();
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
