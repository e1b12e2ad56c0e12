package org.pgoffload.worker.vendors;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.pgoffload.worker.models.LlmCall;
import org.pgoffload.worker.models.LlmOptions;
import org.pgoffload.worker.models.Turn;
import org.pgoffload.worker.vendors.http.Json;

/// What Anthropic's provider does beyond what all do.
class AnthropicProviderTest {

  @Test
  void turnsThinkingOffInTheWordOfTheModel() {
    var options = new LlmOptions(null, null, List.of(), "none", null);

    assertThat(question(options, "claude-haiku-5-5").at("/thinking/type").asText())
        .isEqualTo("disabled");
    assertThat(question(options, "claude-sonnet-5-5").at("/thinking/type").asText())
        .isEqualTo("between_tools");
    assertThat(question(options, "claude-haiku-5-5").has("output_config")).isFalse();
  }

  @Test
  void fitsASchemaAsAnthropicsOwnClientsDo() {
    var schema =
        json(
            """
            {'type': 'object', 'properties': {
               'age': {'type': 'integer', 'description': 'In years.', 'minimum': 0, 'maximum': 150},
               'maximum': {'type': 'string', 'minLength': 2},
               'free': {'type': 'object'},
               'open': {'properties': {}, 'additionalProperties': true},
               'tags': {'type': 'array', 'minItems': 1, 'items':
                 {'anyOf': [{'properties': {'x': {'minItems': 3}}}, {'type': 'null'}]}}},
             'required': ['age']}
            """);

    assertThat(AnthropicSchema.of(schema))
        .isEqualTo(
            json(
                """
                {'type': 'object', 'properties': {
                   'age': {'type': 'integer', 'description': 'In years. {minimum: 0, maximum: 150}'},
                   'maximum': {'type': 'string', 'description': '{minLength: 2}'},
                   'free': {'type': 'object'},
                   'open': {'properties': {}, 'additionalProperties': true},
                   'tags': {'type': 'array', 'minItems': 1, 'items':
                     {'anyOf': [{'properties': {'x': {'description': '{minItems: 3}'}},
                                 'additionalProperties': false}, {'type': 'null'}]}}},
                 'required': ['age'], 'additionalProperties': false}
                """));
  }

  @Test
  void leavesTheGivenSchemaAsItIs() {
    var schema = json("{'properties': {'a': {'minimum': 1}}}");

    AnthropicSchema.of(schema);

    assertThat(schema).isEqualTo(json("{'properties': {'a': {'minimum': 1}}}"));
  }

  private static JsonNode question(LlmOptions options, String model) {
    var call =
        new LlmCall(
            1, null, null, List.of(Turn.user("Why?")), options, false, Duration.ofSeconds(1));
    return MessagesFormat.question(call, model);
  }

  private static JsonNode json(String text) {
    return Json.readObject(text.replace('\'', '"')).orElseThrow();
  }
}
