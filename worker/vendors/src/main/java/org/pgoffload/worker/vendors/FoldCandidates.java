package org.pgoffload.worker.vendors;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import org.pgoffload.worker.models.PieceListener;
import org.pgoffload.worker.vendors.http.Json;

/// Folds the events of the Gemini API's `streamGenerateContent`: each is a reply with the next
/// parts of the text, the last one has the finish reason, and each counts the tokens so far.
final class FoldCandidates implements FoldEvents {
  private final ObjectNode body = Json.object();
  private final ObjectNode candidate = Json.object();
  private final StringBuilder text = new StringBuilder();

  @Override
  public boolean take(JsonNode event, PieceListener pieces) {
    for (var field : event.properties()) {
      if (!field.getKey().equals("candidates")) {
        body.set(field.getKey(), field.getValue());
      }
    }
    var next = Json.first(event.path("candidates"));
    var piece = GeminiFormat.text(next);
    text.append(piece);
    pieces.piece(piece);
    for (var name : new String[] {"finishReason", "finishMessage"}) {
      if (next.hasNonNull(name)) {
        candidate.set(name, next.get(name));
      }
    }
    return false;
  }

  @Override
  public boolean isComplete() {
    return candidate.has("finishReason") || body.path("promptFeedback").has("blockReason");
  }

  @Override
  public JsonNode body() {
    if (candidate.has("finishReason")) {
      candidate.putObject("content").putArray("parts").addObject().put("text", text.toString());
      body.putArray("candidates").add(candidate);
    }
    return body;
  }
}
