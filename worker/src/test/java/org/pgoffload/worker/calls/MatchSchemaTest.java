package org.pgoffload.worker.calls;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
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

  private static MatchSchema schema(String json) {
    try {
      return MatchSchema.of(new ObjectMapper().readTree(json));
    } catch (JsonProcessingException | InterruptedException e) {
      throw new IllegalArgumentException(e);
    }
  }
}
