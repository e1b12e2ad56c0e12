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
  void takesWhatMatches() {
    assertThat(PERSON.mismatch("{\"name\": \"Ada\", \"age\": 36}")).isEmpty();
    assertThat(schema("{}").mismatch("[1]")).isEmpty();
  }

  @Test
  void saysWhatIsWrong() {
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
  void aPatternThatBacktracksCostsNothing() {
    var schema = schema("{\"pattern\": \"^(a+)+$\"}");

    assertThat(schema.mismatch('"' + "a".repeat(50_000) + "b\"")).isPresent();
  }

  private static MatchSchema schema(String json) {
    try {
      return MatchSchema.of(new ObjectMapper().readTree(json));
    } catch (JsonProcessingException e) {
      throw new IllegalArgumentException(e);
    }
  }
}
