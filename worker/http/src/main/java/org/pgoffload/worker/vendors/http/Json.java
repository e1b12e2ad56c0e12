package org.pgoffload.worker.vendors.http;

import static java.nio.charset.StandardCharsets.UTF_16;
import static java.nio.charset.StandardCharsets.UTF_16BE;
import static java.nio.charset.StandardCharsets.UTF_16LE;
import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import com.fasterxml.jackson.core.util.JsonParserDelegate;
import com.fasterxml.jackson.core.util.JsonRecyclerPools;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.MissingNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.math.BigInteger;
import java.nio.charset.Charset;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// Reading and writing the vendors' JSON. What stands in a field that is not read loses no answer:
/// the size of a reply is bounded where it is received, so the parser bounds the levels alone, and
/// takes what some servers write though JSON does not have it.
public final class Json {
  /// More than any model counts for one call. Sums of such counts stay far below 64 bits.
  public static final long MOST_COUNTED = 1_000_000_000;

  /// A tree is read without recursion, so its depth costs no stack; but a level takes a hundred
  /// times the room of the bracket that it is written as.
  public static final int MOST_LEVELS = 100_000;

  /// Beyond this many digits a whole number is only large.
  private static final int MOST_DIGITS = 400;

  private static final BigInteger LARGE = BigInteger.TEN.pow(MOST_DIGITS);

  private static final ObjectMapper MAPPER =
      JsonMapper.builder(
              JsonFactory.builder()
                  // by default each virtual thread keeps its buffers, also while it waits for a
                  // vendor
                  .recyclerPool(JsonRecyclerPools.sharedBoundedPool())
                  .streamReadConstraints(
                      StreamReadConstraints.builder()
                          .maxNestingDepth(MOST_LEVELS)
                          .maxNumberLength(Integer.MAX_VALUE)
                          .maxStringLength(Integer.MAX_VALUE)
                          .maxNameLength(Integer.MAX_VALUE)
                          .build())
                  // Names that a vendor makes up would fill a table that lives on.
                  .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
                  .enable(JsonReadFeature.ALLOW_UNESCAPED_CONTROL_CHARS)
                  // As Python writes them.
                  .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
                  .build())
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build();

  private Json() {}

  public static ObjectNode object() {
    return MAPPER.createObjectNode();
  }

  /// Half a surrogate pair is written as an escape, so that every text can be sent.
  public static byte[] bytes(ObjectNode node) {
    try {
      return MAPPER.writeValueAsBytes(node);
    } catch (JsonProcessingException impossible) {
      throw new IllegalStateException("a tree of plain values can always be written", impossible);
    }
  }

  /// The text of a reply, in UTF-8 or UTF-16. Bytes that are none become U+FFFD.
  public static String decode(byte[] bytes) {
    var text = new String(bytes, encoding(bytes));
    return text.startsWith("\uFEFF") ? text.substring(1) : text;
  }

  /// JSON begins with a character of ASCII, so a zero tells the encoding.
  private static Charset encoding(byte[] bytes) {
    if (bytes.length < 2) {
      return UTF_8;
    }
    var mark = ((bytes[0] & 0xFF) << 8) | (bytes[1] & 0xFF);
    if (mark == 0xFEFF || mark == 0xFFFE) {
      return UTF_16;
    }
    if (bytes[0] == 0) {
      return UTF_16BE;
    }
    return bytes[1] == 0 ? UTF_16LE : UTF_8;
  }

  /// The one value that the text holds; missing if there is none.
  ///
  /// @throws JsonProcessingException if it is not JSON, with the place
  public static JsonNode read(String text) throws JsonProcessingException {
    try (var parser = new BoundedNumbers(MAPPER.createParser(text))) {
      JsonNode node = MAPPER.readTree(parser);
      return node == null ? MAPPER.missingNode() : node;
    } catch (JsonProcessingException notJson) {
      throw notJson;
    } catch (IOException impossible) {
      throw new UncheckedIOException("a text can always be read", impossible);
    }
  }

  /// The object that the text holds; empty if it holds anything else.
  public static Optional<JsonNode> readObject(String text) {
    try {
      return Optional.of(read(text)).filter(JsonNode::isObject);
    } catch (JsonProcessingException notJson) {
      return Optional.empty();
    }
  }

  /// A whole number of a million digits would take minutes to become one.
  private static final class BoundedNumbers extends JsonParserDelegate {
    BoundedNumbers(JsonParser parser) {
      super(parser);
    }

    @Override
    public BigInteger getBigIntegerValue() throws IOException {
      if (getTextLength() <= MOST_DIGITS) {
        return super.getBigIntegerValue();
      }
      return getText().startsWith("-") ? LARGE.negate() : LARGE;
    }
  }

  /// The fields of both objects; of equal names that of the later one, unless it is null.
  public static ObjectNode merged(JsonNode earlier, JsonNode later) {
    var merged = object();
    for (var node : List.of(earlier, later)) {
      for (var field : node.properties()) {
        if (!field.getValue().isNull()) {
          merged.set(field.getKey(), field.getValue());
        }
      }
    }
    return merged;
  }

  /// The choice of index 0, or without an index: the worker asks for one choice, and an event may
  /// bring part of another.
  public static JsonNode first(JsonNode choices) {
    for (var choice : choices) {
      if (choice.path("index").asInt() == 0) {
        return choice;
      }
    }
    return MissingNode.getInstance();
  }

  /// The text of a field; null where it is missing, null or no text.
  public static @Nullable String text(JsonNode node, String field) {
    return node.path(field).textValue();
  }

  /// An array of numbers; null if it is anything else.
  public static float @Nullable [] floats(JsonNode array) {
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

  /// A count from 0 to [#MOST_COUNTED], of a number or a text with one; 0 where it is anything
  /// else.
  public static long count(JsonNode node, String field) {
    return count(node.path(field));
  }

  /// The same of a value.
  public static long count(JsonNode value) {
    var count = value.asDouble();
    return Double.isNaN(count) ? 0 : (long) Math.clamp(count, 0, MOST_COUNTED);
  }
}
