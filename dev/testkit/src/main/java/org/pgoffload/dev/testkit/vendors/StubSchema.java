package org.pgoffload.dev.testkit.vendors;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Set;

/// Refuses response schemas as the vendors do.
final class StubSchema {
  private static final Set<String> LIMITS =
      Set.of("minimum", "maximum", "multipleOf", "minLength", "maxLength", "maxItems");

  private StubSchema() {}

  /// Every object names its properties and allows no others.
  static JsonNode closed(JsonNode schema, String field) throws Violation {
    if (schema.path("properties").isObject() && !isFalse(schema.path("additionalProperties"))) {
      throw new Violation(
          "Invalid schema for '"
              + field
              + "': 'additionalProperties' is required to be supplied and to be false.");
    }
    for (var property : schema.path("properties")) {
      closed(property, field);
    }
    return schema;
  }

  /// As closed ones, and every property is required.
  static JsonNode strict(JsonNode schema, String field) throws Violation {
    closed(schema, field);
    if (schema.path("required").size() != schema.path("properties").size()) {
      throw new Violation("Invalid schema for '" + field + "': 'required' is incomplete.");
    }
    return schema;
  }

  /// As closed ones, without limits of values.
  static JsonNode unlimited(JsonNode schema, String field) throws Violation {
    closed(schema, field);
    for (var name : LIMITS) {
      if (schema.has(name)) {
        throw new Violation(field + ": property '" + name + "' is not supported");
      }
    }
    for (var property : schema.path("properties")) {
      unlimited(property, field);
    }
    return schema;
  }

  private static boolean isFalse(JsonNode value) {
    return value.isBoolean() && !value.booleanValue();
  }
}
