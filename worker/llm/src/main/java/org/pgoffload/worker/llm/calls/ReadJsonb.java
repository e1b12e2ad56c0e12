package org.pgoffload.worker.llm.calls;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.util.JsonParserDelegate;
import com.fasterxml.jackson.core.util.JsonRecyclerPools;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.NullNode;
import com.fasterxml.jackson.databind.node.ValueNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.math.BigDecimal;
import org.pgoffload.protocol.Text;

/// Reads JSON that is to become PostgreSQL's jsonb, and refuses what jsonb does not hold: numbers
/// beyond those of `numeric`, texts with U+0000 or half a character. Numbers that are short to
/// write and long to read are bounded too: jsonb writes all of their digits.
final class ReadJsonb {
  /// Deeper, a server's stack is at risk; jsonb holds about 8,000 levels with the usual one.
  private static final int MOST_LEVELS = 1_000;

  /// Of `numeric`, ahead of the decimal point and behind it.
  private static final int MOST_WHOLE_DIGITS = 131_072;

  private static final int MOST_FRACTION_DIGITS = 16_383;

  /// By how many characters all numbers together may become longer than they are written.
  private static final long MOST_ADDED = 1_000_000;

  private static final ObjectMapper MAPPER =
      JsonMapper.builder(
              JsonFactory.builder()
                  // as in Json: by default each virtual thread keeps its buffers
                  .recyclerPool(JsonRecyclerPools.sharedBoundedPool())
                  .streamReadConstraints(
                      StreamReadConstraints.builder()
                          .maxNestingDepth(MOST_LEVELS)
                          // The numbers are bounded here, all else by the size of a reply.
                          .maxNumberLength(Integer.MAX_VALUE)
                          .maxStringLength(Integer.MAX_VALUE)
                          .maxNameLength(Integer.MAX_VALUE)
                          .build())
                  // Numbers of a hundred thousand digits are legal.
                  .enable(StreamReadFeature.USE_FAST_BIG_NUMBER_PARSER)
                  .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
                  .build())
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .nodeFactory(new WholeNumbers())
          .build();

  private ReadJsonb() {}

  /// It is JSON, and jsonb does not hold it; the message says why, after "the answer …: ".
  static final class NotHeldException extends Exception {
    private static final long serialVersionUID = 1L;

    NotHeldException(String why) {
      super(why, null, false, false);
    }
  }

  /// The value that a text holds.
  ///
  /// @throws JsonProcessingException if it is no JSON
  /// @throws NotHeldException if jsonb does not hold it
  static JsonNode read(String text) throws JsonProcessingException, NotHeldException {
    try {
      check(text);
      try (var parser = new ExactWhereTooLarge(MAPPER.createParser(text))) {
        JsonNode value = MAPPER.readTree(parser);
        return value == null ? NullNode.instance : value;
      }
    } catch (JsonProcessingException notJson) {
      throw notJson;
    } catch (IOException impossible) {
      throw new UncheckedIOException("a text can always be read", impossible);
    }
  }

  private static void check(String text) throws IOException, NotHeldException {
    var added = 0L;
    try (var parser = MAPPER.createParser(text)) {
      var token = parser.nextToken();
      if (token == null) {
        throw new NotHeldException("it is not JSON: it is empty");
      }
      for (; token != null; token = parser.nextToken()) {
        switch (token) {
          case FIELD_NAME, VALUE_STRING -> {
            var told = parser.getText();
            if (!Text.storable(told).equals(told)) {
              throw new NotHeldException(
                  "it contains U+0000 or half a character, which no database takes");
            }
          }
          case VALUE_NUMBER_INT, VALUE_NUMBER_FLOAT -> {
            added += Math.max(0, lengthAsNumeric(parser.getText()) - parser.getTextLength());
            if (added > MOST_ADDED) {
              throw new NotHeldException(
                  "its numbers, written out, would be more than "
                      + MOST_ADDED
                      + " characters longer than it is");
            }
          }
          default -> {
            // Nothing else has a limit.
          }
        }
      }
    }
  }

  /// How many characters `numeric` writes of a number, at least.
  ///
  /// @throws NotHeldException if it does not hold it
  private static long lengthAsNumeric(String number) throws NotHeldException {
    var exponentAt = Math.max(number.indexOf('e'), number.indexOf('E'));
    var end = exponentAt < 0 ? number.length() : exponentAt;
    var point = number.indexOf('.');
    var pointAt = point < 0 ? end : point;
    var exponent = exponentAt < 0 ? 0 : exponent(number.substring(exponentAt + 1));
    var fraction = Math.max(0, (point < 0 ? 0 : end - point - 1) - exponent);
    var first = 0;
    while (first < end && (number.charAt(first) < '1' || number.charAt(first) > '9')) {
      first++;
    }
    // Ahead of the point, once the exponent has moved it; of 0 none.
    var whole = first == end ? 0 : pointAt - first + (first > pointAt ? 1 : 0) + exponent;
    if (whole > MOST_WHOLE_DIGITS || fraction > MOST_FRACTION_DIGITS) {
      throw new NotHeldException(
          "it has a number that no numeric holds: at most %d digits are ahead of the decimal point"
                  .formatted(MOST_WHOLE_DIGITS)
              + " and %d behind it".formatted(MOST_FRACTION_DIGITS));
    }
    return Math.max(1, whole) + fraction;
  }

  private static long exponent(String digits) throws NotHeldException {
    try {
      var exponent = Long.parseLong(digits);
      if (Math.abs(exponent) < Integer.MAX_VALUE / 2) {
        return exponent;
      }
    } catch (NumberFormatException beyondSixtyFourBits) {
      // As any other that is too large, for 0 too.
    }
    throw new NotHeldException("it has a number whose exponent no numeric holds");
  }

  /// The validator compares a large whole number right only if it is one.
  private static final class WholeNumbers extends JsonNodeFactory {
    private static final long serialVersionUID = 1L;

    @Override
    public ValueNode numberNode(BigDecimal number) {
      return number.stripTrailingZeros().scale() <= 0
          ? numberNode(number.toBigIntegerExact())
          : super.numberNode(number);
    }
  }

  /// Takes numbers for what they are where a `double` would take them for infinite.
  private static final class ExactWhereTooLarge extends JsonParserDelegate {
    ExactWhereTooLarge(JsonParser parser) {
      super(parser);
    }

    @Override
    public NumberType getNumberType() throws IOException {
      return isTooLarge() ? NumberType.BIG_DECIMAL : super.getNumberType();
    }

    @Override
    public NumberTypeFP getNumberTypeFP() throws IOException {
      return isTooLarge() ? NumberTypeFP.BIG_DECIMAL : super.getNumberTypeFP();
    }

    private boolean isTooLarge() throws IOException {
      return currentToken() == JsonToken.VALUE_NUMBER_FLOAT
          && Double.isInfinite(Double.parseDouble(getText()));
    }
  }
}
