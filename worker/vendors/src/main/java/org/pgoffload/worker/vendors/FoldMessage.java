package org.pgoffload.worker.vendors;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import org.pgoffload.worker.models.PieceListener;
import org.pgoffload.worker.vendors.http.Json;

/// Folds the events of Anthropic's Messages API
/// (platform.claude.com/docs/en/build-with-claude/streaming): an empty message, deltas of its
/// blocks, then why it ended. Only blocks of text are gathered, all as one.
final class FoldMessage implements FoldEvents {
  private final StringBuilder text = new StringBuilder();
  private ObjectNode message = Json.object();

  @Override
  public boolean take(JsonNode event, PieceListener pieces) {
    switch (event.path("type").asText()) {
      case "message_start" -> {
        if (event.path("message") instanceof ObjectNode begun) {
          message = begun;
        }
      }
      case "content_block_start" -> add(event.path("content_block"), "text", pieces);
      case "content_block_delta" -> add(event.path("delta"), "text_delta", pieces);
      case "message_delta" -> {
        message = Json.merged(message, event.path("delta"));
        // The counts are of the whole message so far. Those that stay are not repeated, or as
        // nothing.
        message.set("usage", Json.merged(message.path("usage"), counted(event.path("usage"))));
      }
      case "message_stop" -> {
        return true;
      }
      default -> {
        // Pings, ends of blocks, and kinds to come.
      }
    }
    return false;
  }

  @Override
  public boolean isComplete() {
    return message.hasNonNull("stop_reason");
  }

  @Override
  public JsonNode body() {
    message.putArray("content").addObject().put("type", "text").put("text", text.toString());
    return message;
  }

  private void add(JsonNode part, String type, PieceListener pieces) {
    if (part.path("type").asText().equals(type)) {
      var piece = part.path("text").asText("");
      text.append(piece);
      pieces.piece(piece);
    }
  }

  private static ObjectNode counted(JsonNode usage) {
    var counted = Json.object();
    for (var count : usage.properties()) {
      if (!count.getValue().isNumber() || count.getValue().asDouble() != 0) {
        counted.set(count.getKey(), count.getValue());
      }
    }
    return counted;
  }
}
