package org.pgoffload.worker.llm;

import com.fasterxml.jackson.core.JsonFactoryBuilder;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// Reading and writing the vendors' JSON.
final class Json {
  private static final ObjectMapper MAPPER =
      JsonMapper.builder(
              new JsonFactoryBuilder()
                  // The size of a reply is bounded where it is read; one long answer is legal.
                  .streamReadConstraints(
                      StreamReadConstraints.builder().maxStringLength(Integer.MAX_VALUE).build())
                  .build())
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build();

  private Json() {}

  static ObjectNode object() {
    return MAPPER.createObjectNode();
  }

  /// Half a surrogate pair is written as an escape, so that every text can be sent.
  static byte[] bytes(ObjectNode node) {
    try {
      return MAPPER.writeValueAsBytes(node);
    } catch (JsonProcessingException impossible) {
      throw new IllegalStateException("a tree of plain values can always be written", impossible);
    }
  }

  /// The object that the bytes hold; empty if they hold anything else.
  static Optional<JsonNode> readObject(byte[] bytes) {
    try {
      return Optional.ofNullable(MAPPER.readTree(bytes)).filter(JsonNode::isObject);
    } catch (IOException notJson) {
      return Optional.empty();
    }
  }

  /// The object that the text holds; empty if it holds anything else.
  static Optional<JsonNode> readObject(String text) {
    try {
      return Optional.ofNullable(MAPPER.readTree(text)).filter(JsonNode::isObject);
    } catch (IOException notJson) {
      return Optional.empty();
    }
  }

  /// The text of a field; null where it is missing, null or no text.
  static @Nullable String text(JsonNode node, String field) {
    return node.path(field).textValue();
  }

  /// An array of numbers; null if it is anything else.
  static float @Nullable [] floats(JsonNode array) {
    if (!array.isArray()) {
      return null;
    }
    var numbers = new float[array.size()];
    for (var i = 0; i < numbers.length; i++) {
      if (!array.get(i).isNumber()) {
        return null;
      }
      numbers[i] = array.get(i).floatValue();
    }
    return numbers;
  }

  /// A count; 0 where it is missing, null or no count.
  static long count(JsonNode node, String field) {
    return Math.max(0, node.path(field).asLong());
  }
}
