package org.pgoffload.worker.vendors;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.Set;

/// A response schema as Anthropic's structured outputs take it
/// (platform.claude.com/docs/en/build-with-claude/structured-outputs), fitted as Anthropic's own
/// clients do: objects with named properties allow no others, and limits that the vendor refuses
/// stand in the description, for the model to read. What meets the fitted schema and the described
/// limits meets the given one; every answer is validated against that anyway.
final class AnthropicSchema {
  private static final Set<String> DESCRIBED =
      Set.of(
          "minimum",
          "maximum",
          "exclusiveMinimum",
          "exclusiveMaximum",
          "multipleOf",
          "minLength",
          "maxLength",
          "maxItems",
          "uniqueItems",
          "minProperties",
          "maxProperties");

  private AnthropicSchema() {}

  /// A fitted copy.
  static JsonNode of(JsonNode schema) {
    var copy = schema.deepCopy();
    fit(copy);
    return copy;
  }

  private static void fit(JsonNode node) {
    if (!(node instanceof ObjectNode schema)) {
      return;
    }
    describeLimits(schema);
    if (schema.path("properties").isObject() && !schema.has("additionalProperties")) {
      schema.put("additionalProperties", false);
    }
    for (var ofNames : new String[] {"properties", "$defs", "definitions"}) {
      schema.path(ofNames).forEach(AnthropicSchema::fit);
    }
    fit(schema.path("items"));
    // The parts of an allOf are left alone: closed ones would exclude each other.
    if (schema.path("anyOf") instanceof ArrayNode alternatives) {
      alternatives.forEach(AnthropicSchema::fit);
    }
  }

  private static void describeLimits(ObjectNode schema) {
    var limits = new ArrayList<String>();
    for (var field : schema.properties()) {
      var refused =
          DESCRIBED.contains(field.getKey())
              || (field.getKey().equals("minItems") && field.getValue().asInt() > 1);
      if (refused) {
        limits.add(field.getKey() + ": " + field.getValue());
      }
    }
    if (limits.isEmpty()) {
      return;
    }
    limits.forEach(limit -> schema.remove(limit.substring(0, limit.indexOf(':'))));
    var described = schema.path("description").asText("");
    var words = "{" + String.join(", ", limits) + "}";
    schema.put("description", described.isEmpty() ? words : described + " " + words);
  }
}
