package org.pgoffload.worker.llm.calls;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class MatchSchemaTest {
  private static final MatchSchema PERSON =
      schema(
          """
          {"type": "object", "required": ["name", "age"], "additionalProperties": false,
           "properties": {"name": {"type": "string", "pattern": "^[A-Z]"}, "age": {"$ref": "#/$defs/age"}},
           "$defs": {"age": {"type": "integer", "minimum": 0}}}
          """);

  @Test
  void takesWhatMatches() throws InterruptedException {
    assertThat(PERSON.mismatch("{\"name\": \"Ada\", \"age\": 36}")).isEmpty();
    assertThat(schema("{}").mismatch("[1]")).isEmpty();
  }

  @Test
  void saysWhatIsWrong() throws InterruptedException {
    assertThat(PERSON.mismatch("{\"name\": \"ada\", \"age\": -1}").orElseThrow())
        .contains("/name", "/age", "minimum");
    assertThat(PERSON.mismatch("{\"age\": 1}").orElseThrow()).contains("name");
    assertThat(PERSON.mismatch("Ada is 36").orElseThrow()).startsWith("it is not JSON");
    assertThat(PERSON.mismatch("{\"name\": \"Ada\", \"age\": 36} indeed").orElseThrow())
        .startsWith("it is not JSON");
    assertThat(PERSON.mismatch("").orElseThrow()).startsWith("it is not JSON");
    assertThat(PERSON.mismatch("{\"name\": \"A\\u0000\", \"age\": 36}").orElseThrow())
        .contains("U+0000");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"type\": \"no such type\"}",
        "{\"$ref\": \"#\"}",
        "{\"$ref\": \"https://example.invalid/schema.json\"}",
        "{\"$ref\": \"classpath:/logback.xml\"}",
        "{\"$ref\": \"file:///etc/passwd\"}",
        "{\"properties\": {\"a\": {\"$ref\": \"http://127.0.0.1:1/s\"}}}",
        "{\"pattern\": \"(\"}",
        "{\"pattern\": \"(?=a)b\"}",
        "{\"$schema\": \"https://example.invalid/dialect\"}"
      })
  void refusesWhatItCannotCheckAndFetchesNothing(String schema) {
    assertThatThrownBy(() ->
            schema(schema)
                .mismatch("{\"a\": 1}")
                .ifPresent(m -> {
                  throw new IllegalArgumentException("response_schema is no JSON schema: " + m);
                }))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith("response_schema is no JSON schema");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"$ref\": \"https://example.invalid/s.json\"}",
        "{\"$ref\": \"https://example.invalid/s.json#/$defs/a\"}",
        "{\"$dynamicRef\": \"https://example.invalid/s.json\"}",
        "{\"properties\": {\"a\": {\"items\": {\"$ref\": \"https://example.invalid/s.json\"}}}}"
      })
  void saysThatReferencesOnlyWithinTheSchemaAreUnderstood(String schema) {
    assertThatThrownBy(() -> schema(schema))
        .hasMessage(
            "response_schema is no JSON schema that can be checked: references only within the"
                + " schema are understood, not one to https://example.invalid/s.json");
  }

  @Test
  void aPatternThatBacktracksCostsNothing() throws InterruptedException {
    var schema = schema("{\"pattern\": \"^(a+)+$\"}");

    assertThat(schema.mismatch('"' + "a".repeat(50_000) + "b\"")).isPresent();
  }

  @Test
  void aSchemaThatIsExponentialToCheckEndsAfterAWhile() throws InterruptedException {
    var definitions = new StringBuilder("\"d0\": {\"const\": \"z\"}");
    for (int i = 1; i < 60; i++) {
      definitions
          .append(", \"d")
          .append(i)
          .append("\": {\"anyOf\": [")
          .append(("{\"$ref\": \"#/$defs/d" + (i - 1) + "\"},").repeat(2));
      definitions.setCharAt(definitions.length() - 1, ']');
      definitions.append('}');
    }
    var inside =
        "{\"$defs\": {" + definitions + "}, \"properties\": {\"a\": {\"$ref\": \"#/$defs/d59\"}}}";
    var atTheTop = "{\"$defs\": {" + definitions + "}, \"$ref\": \"#/$defs/d59\"}";

    assertThat(schema(inside).mismatch("{\"a\": 1}").orElseThrow()).contains("steps");
    assertThatThrownBy(() -> schema(atTheTop)).hasMessageContaining("steps");
  }

  @Test
  void takesOnlyWhatTheDatabaseTakes() throws InterruptedException {
    var any = schema("{}");
    assertThat(any.mismatch("{\"a\": \"\\ud800\"}")).isPresent();
    assertThat(any.mismatch("{\"a\": \"\\udc00\"}")).isPresent();
    assertThat(any.mismatch("{\"a\": \"\\ud83d\\ude00\"}")).isEmpty();
  }

  /// What PostgreSQL says of each of them, to the digit.
  @Test
  void takesOnlyNumbersThatJsonbHolds() throws InterruptedException {
    for (var number :
        List.of(
            "1e999999",
            "1e131072",
            "99e131071",
            "-1e131072",
            "1e-16384",
            "1.0e-16383",
            "0e-16384",
            "1e9999999999",
            "0e9999999999",
            "1e99999999999999999999",
            "9".repeat(131_073),
            "0." + "1".repeat(16_384),
            "1." + "0".repeat(16_384))) {
      assertThat(schema("{}").mismatch("{\"a\": %s}".formatted(number)).orElseThrow())
          .contains("it has a number");
    }
    for (var number :
        List.of(
            "1e131071",
            "9E+131071",
            "0.1e131072",
            "0.01e131073",
            "1e-16383",
            "0e999999",
            "0.000e131080",
            "-0",
            "7".repeat(1_001),
            "9".repeat(131_072),
            "0." + "0".repeat(16_383),
            "1." + "0".repeat(20_000) + "e10000")) {
      assertThat(
              schema("{\"properties\": {\"a\": {\"type\": \"number\"}}}")
                  .mismatch("{\"a\": %s}".formatted(number)))
          .isEmpty();
    }
  }

  @Test
  void comparesNumbersThatNoDoubleHolds() throws InterruptedException {
    assertThat(schema("{\"maximum\": 10}").mismatch("1e400").orElseThrow()).contains("maximum");
    assertThat(schema("{\"minimum\": 10, \"type\": \"integer\"}").mismatch("1e400")).isEmpty();
    assertThat(schema("{\"multipleOf\": 3}").mismatch("1e400")).isPresent();
    assertThat(schema("{\"const\": {\"a\": 0.1}}").mismatch("{\"a\": 0.1}")).isEmpty();
    assertThat(schema("{\"type\": \"integer\"}").mismatch("1.0")).isEmpty();
  }

  @Test
  void boundsWhatAShortAnswerBecomes() throws InterruptedException {
    var any = schema("{}");
    assertThat(any.mismatch("[" + "1e131071,".repeat(200) + "1]").orElseThrow())
        .contains("written out");
    assertThat(any.mismatch("[" + "1e-16383,".repeat(200) + "1]")).isPresent();
    assertThat(any.mismatch("[" + "1e131071,".repeat(7) + "1]")).isEmpty();
  }

  @Test
  void boundsTheNestingAndNothingElse() throws InterruptedException {
    var any = schema("{}");
    assertThat(any.mismatch("[".repeat(1_001) + "]".repeat(1_001)).orElseThrow()).contains("nest");
    assertThat(any.mismatch("[".repeat(100_000))).isPresent();
    assertThat(any.mismatch("[".repeat(1_000) + "]".repeat(1_000))).isEmpty();
    assertThat(any.mismatch("{\"" + "k".repeat(60_000) + "\": 1}")).isEmpty();
    assertThat(any.mismatch('"' + "k".repeat(21_000_000) + '"')).isEmpty();
  }

  @Test
  void takesWhatOnlyLooksLikeAnEscape() throws InterruptedException {
    assertThat(schema("{}").mismatch("\"\\\\u0000 and \\\\ud800\"")).isEmpty();
    assertThat(schema("{}").mismatch("{\"\\u0000\": 1}")).isPresent();
  }

  private static MatchSchema schema(String json) {
    try {
      return MatchSchema.of(new ObjectMapper().readTree(json));
    } catch (JsonProcessingException | InterruptedException e) {
      throw new IllegalArgumentException(e);
    }
  }
}
