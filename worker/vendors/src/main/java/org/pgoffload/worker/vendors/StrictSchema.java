package org.pgoffload.worker.vendors;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

/// A response schema as OpenAI's APIs take it. They hold the model to it word by word only if it is
/// of the subset that they call strict (developers.openai.com/api/docs/guides/structured-outputs),
/// and refuse any other as strict. So another one is given as advice; every answer is validated
/// against it anyway.
final class StrictSchema {
  private static final Set<String> KNOWN =
      Set.of(
          "$schema",
          "$id",
          "title",
          "description",
          "type",
          "properties",
          "required",
          "additionalProperties",
          "items",
          "anyOf",
          "enum",
          "const",
          "$ref",
          "$defs",
          "definitions",
          "pattern",
          "format",
          "multipleOf",
          "minimum",
          "maximum",
          "exclusiveMinimum",
          "exclusiveMaximum",
          "minItems",
          "maxItems");

  private StrictSchema() {}

  /// Writes name, schema and strictness.
  static void describe(ObjectNode format, JsonNode schema) {
    format.put("name", "answer").put("strict", isStrict(schema)).set("schema", schema);
  }

  static boolean isStrict(JsonNode schema) {
    return schema.path("type").asText().equals("object") && fits(schema);
  }

  private static boolean fits(JsonNode schema) {
    if (!schema.isObject()) {
      return false;
    }
    for (var field : schema.properties()) {
      var value = field.getValue();
      var fits =
          switch (field.getKey()) {
            case "properties", "$defs", "definitions" ->
                value.valueStream().allMatch(StrictSchema::fits);
            case "items" -> fits(value);
            case "anyOf" -> value.isArray() && value.valueStream().allMatch(StrictSchema::fits);
            case String name -> KNOWN.contains(name);
          };
      if (!fits) {
        return false;
      }
    }
    return !describesObject(schema) || isClosed(schema);
  }

  private static boolean describesObject(JsonNode schema) {
    var type = schema.path("type");
    return schema.has("properties")
        || type.asText().equals("object")
        || (type.isArray() && type.valueStream().anyMatch(one -> one.asText().equals("object")));
  }

  /// All its properties are named, and all of them required.
  private static boolean isClosed(JsonNode schema) {
    var additional = schema.path("additionalProperties");
    if (!additional.isBoolean() || additional.booleanValue()) {
      return false;
    }
    var required = new HashSet<String>();
    schema.path("required").forEach(name -> required.add(name.asText()));
    return schema
        .path("properties")
        .propertyStream()
        .map(Map.Entry::getKey)
        .allMatch(required::contains);
  }
}
