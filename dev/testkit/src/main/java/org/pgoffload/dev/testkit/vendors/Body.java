package org.pgoffload.dev.testkit.vendors;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Reads a request's body as strictly as the vendors: no field but those known, each of its type.
record Body(JsonNode json) {

  void allowOnly(Set<String> known) throws Violation {
    for (var names = json.fieldNames(); names.hasNext(); ) {
      var name = names.next();
      if (!known.contains(name)) {
        throw new Violation("Unknown parameter: '" + name + "'.");
      }
    }
  }

  String requiredText(String field) throws Violation {
    var value = text(field);
    if (value == null) {
      throw new Violation("Missing required parameter: '" + field + "'.");
    }
    return value;
  }

  @Nullable String text(String field) throws Violation {
    var value = json.path(field);
    if (value.isMissingNode()) {
      return null;
    }
    if (!value.isTextual() || value.textValue().isEmpty()) {
      throw new Violation("Invalid type for '" + field + "': expected a string.");
    }
    return value.textValue();
  }

  @Nullable Double number(String field) throws Violation {
    var value = json.path(field);
    if (value.isMissingNode()) {
      return null;
    }
    if (!value.isNumber()) {
      throw new Violation("Invalid type for '" + field + "': expected a number.");
    }
    return value.doubleValue();
  }

  @Nullable Integer positiveInteger(String field) throws Violation {
    var value = json.path(field);
    if (value.isMissingNode()) {
      return null;
    }
    if (!value.isInt() || value.intValue() < 1) {
      throw new Violation("Invalid type for '" + field + "': expected a positive integer.");
    }
    return value.intValue();
  }

  boolean flag(String field) throws Violation {
    var value = json.path(field);
    if (!value.isMissingNode() && !value.isBoolean()) {
      throw new Violation("Invalid type for '" + field + "': expected a boolean.");
    }
    return value.booleanValue();
  }

  /// One of these words, or null.
  @Nullable String oneOf(String field, Set<String> words) throws Violation {
    var value = text(field);
    if (value != null && !words.contains(value)) {
      throw new Violation("Invalid value for '" + field + "': '" + value + "'.");
    }
    return value;
  }

  /// The object of a field, which knows these fields alone; an empty one if it is missing.
  Body object(String field, Set<String> known) throws Violation {
    var value = json.path(field);
    if (!value.isMissingNode() && !value.isObject()) {
      throw new Violation("Invalid type for '" + field + "': expected an object.");
    }
    var object = new Body(value);
    object.allowOnly(known);
    return object;
  }

  /// At most so many texts, and no empty one.
  List<String> texts(String field, int most) throws Violation {
    var values = json.path(field);
    if (values.isMissingNode()) {
      return List.of();
    }
    if (!values.isArray() || values.isEmpty() || values.size() > most) {
      throw new Violation("Invalid type for '" + field + "': expected 1 to " + most + " strings.");
    }
    var texts = new ArrayList<String>();
    for (var value : values) {
      if (!value.isTextual() || value.textValue().isEmpty()) {
        throw new Violation("Invalid type for '" + field + "': expected strings.");
      }
      texts.add(value.textValue());
    }
    return texts;
  }

  /// A conversation.
  ///
  /// @param turns as `role: text`
  record Conversation(@Nullable String system, List<String> turns) {}

  /// The conversation of `messages`, of which the first may be the system's.
  Conversation conversation(ContentForm form) throws Violation {
    var turns = messages("messages", Set.of("system", "user", "assistant"), form);
    var prefix = "system: ";
    return turns.getFirst().startsWith(prefix)
        ? new Conversation(
            turns.getFirst().substring(prefix.length()), turns.subList(1, turns.size()))
        : new Conversation(null, turns);
  }

  /// The messages of a field as `role: text`.
  List<String> messages(String field, Set<String> roles, ContentForm form) throws Violation {
    var messages = json.path(field);
    if (!messages.isArray() || messages.isEmpty()) {
      throw new Violation("Invalid type for '" + field + "': expected a non-empty array.");
    }
    var turns = new ArrayList<String>();
    for (var message : messages) {
      var turn = new Body(message);
      var role = turn.requiredText("role");
      if (!roles.contains(role)) {
        throw new Violation("Invalid value for role: '" + role + "'.");
      }
      if (!role.equals("user") && !message.path("content").isTextual()) {
        throw new Violation("Invalid type for 'content': expected a string.");
      }
      turns.add(role + ": " + form.read(turn));
    }
    return turns;
  }
}
