package org.pgoffload.dev.testkit.vendors;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;

/// A value that a response schema allows, of the keywords that pgoffload's own functions use: of
/// alternatives and enums the first, 1, `Paris`, a day in May; true of what tells of a crash.
final class MeetSchema {
  private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

  private MeetSchema() {}

  static JsonNode value(JsonNode schema, String said) {
    if (schema.has("anyOf")) {
      return value(schema.path("anyOf").path(0), said);
    }
    if (schema.has("enum")) {
      return schema.path("enum").path(0);
    }
    return switch (schema.path("type").asText()) {
      case "object" -> {
        var object = JSON.objectNode();
        schema
            .path("properties")
            .properties()
            .forEach(field -> object.set(field.getKey(), value(field.getValue(), said)));
        yield object.isEmpty() ? object.put("city", "Paris") : object;
      }
      case "array" -> JSON.arrayNode().add(value(schema.path("items"), said));
      case "boolean" -> JSON.booleanNode(said.contains("crash"));
      case "number", "integer" -> JSON.numberNode(1);
      default -> JSON.textNode(schema.has("format") ? "2027-05-01" : "Paris");
    };
  }
}
