package org.pgoffload.protocol;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.networknt.schema.Error;
import com.networknt.schema.InputFormat;
import com.networknt.schema.Schema;
import com.networknt.schema.SchemaRegistry;
import com.networknt.schema.SpecificationVersion;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class JsonSchemaTest {
  private static final Schema REQUEST = schema("request.v1.schema.json");
  private static final Schema RESULT = schema("result.v1.schema.json");
  private static final String ANSWERED = new String(Samples.ANSWERED.write(), UTF_8);
  private static final String EXPIRED = new String(Samples.EXPIRED.write(), UTF_8);

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"prompt\":\"p\"}",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"c\"}]}",
        "{\"prompt\":\"p\",\"system\":\"s\",\"messages\":[{\"role\":\"assistant\",\"content\":\"c\"}],"
            + "\"model\":\"m\",\"options\":{\"temperature\":0.5,\"max_output_tokens\":9},\"tags\":{\"a\":1}}"
      })
  void takesARequestForACompletion(String payload) {
    assertThat(errors(REQUEST, withPayload(payload))).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(strings = {"embed", "sql"})
  void takesARequestOfEveryKind(String kind) {
    var json =
        withPayload("{\"anything\":1}").replace("\"kind\":\"ask\"", "\"kind\":\"" + kind + "\"");
    assertThat(errors(REQUEST, json)).isEmpty();
  }

  @Test
  void takesFieldsOfANewerMinorVersion() {
    assertThat(errors(REQUEST, Samples.ASK.replaceFirst("\\{", "{\"new\":1,"))).isEmpty();
    assertThat(errors(RESULT, ANSWERED.replaceFirst("\\{", "{\"new\":1,"))).isEmpty();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "\"version\":1 | \"version\":2",
        "\"id\":42 | \"id\":0",
        "\"id\":42 | \"id\":\"42\"",
        "\"kind\":\"ask\" | \"kind\":\"guess\"",
        "\"ordering_key\":\"customer-7\" | \"ordering_key\":\"\"",
        "\"ordering_key\":\"customer-7\", | ''",
        "\"immediate\":false | \"immediate\":\"false\"",
        "\"timeout_ms\":30000 | \"timeout_ms\":0",
        "\"signed_at_us\":1767323045678901 | \"signed_at_us\":\"2026-01-02\"",
        "\"user\":\"app\", | ''",
        "\"user_oid\":16400 | \"user_oid\":4294967296",
        "\"prompt\":\"Why is the sky blue?\", | ''",
        "\"Why is the sky blue?\" | \"\"",
        "\"Why is the sky blue?\" | 7",
        "\"model\":\"a-model\" | \"model\":\"\"",
        "\"model\":\"a-model\" | \"options\":{\"temprature\":1}",
        "\"model\":\"a-model\" | \"options\":{\"temperature\":2.5}",
        "\"model\":\"a-model\" | \"options\":{\"max_output_tokens\":0}",
        "\"model\":\"a-model\" | \"options\":[]",
        "\"model\":\"a-model\" | \"messages\":[]",
        "\"model\":\"a-model\" | \"messages\":[{\"role\":\"system\",\"content\":\"c\"}]",
        "\"model\":\"a-model\" | \"messages\":[{\"role\":\"user\"}]",
        "\"model\":\"a-model\" | \"tags\":\"t\"",
      })
  void refusesAWrongRequest(String right, String wrong) {
    assertThat(Samples.ASK).contains(right);
    assertThat(errors(REQUEST, Samples.ASK.replace(right, wrong))).isNotEmpty();
  }

  @Test
  void takesWhatAResultWrites() {
    assertThat(errors(RESULT, ANSWERED)).isEmpty();
    assertThat(errors(RESULT, EXPIRED)).isEmpty();
    assertThat(errors(RESULT, new String(Samples.ANSWERED.withFailure("c", "m").write(), UTF_8)))
        .isEmpty();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "\"version\":1 | \"version\":2",
        "\"id\":42 | \"id\":-1",
        "\"succeeded\" | \"running\"",
        "\"succeeded\" | \"failed\"",
        "\"answer\":\"Rayleigh scattering.\", | ''",
        "\"answer\":\"Rayleigh scattering.\" | \"answer\":\"a\\u0000b\"",
        "\"finish_reason\":\"stop\" | \"error_code\":\"c\"",
        "\"requested_by\":\"app\", | ''",
        "\"input_tokens\":12 | \"input_tokens\":-1",
        "\"input_tokens\":12 | \"input_tokens\":1.5",
        "\"queued_ms\":0.25 | \"queued_ms\":\"0.25\"",
        "\"attempts\":1 | \"attempts\":null",
      })
  void refusesAWrongResult(String right, String wrong) {
    assertThat(ANSWERED).contains(right);
    assertThat(errors(RESULT, ANSWERED.replace(right, wrong))).isNotEmpty();
  }

  @Test
  void hasEveryFieldOfAResultAndNoOther() {
    assertThat(RESULT.getSchemaNode().get("properties").fieldNames())
        .toIterable()
        .containsExactlyElementsOf(
            Arrays.stream(Result.class.getRecordComponents())
                .map(component ->
                    component.getName().replaceAll("([A-Z])", "_$1").toLowerCase(Locale.ROOT))
                .toList());
  }

  @Test
  void describesEveryField() {
    assertThat(withoutDescription("request", REQUEST.getSchemaNode())).isEmpty();
    assertThat(withoutDescription("result", RESULT.getSchemaNode())).isEmpty();
  }

  private static List<String> withoutDescription(String path, JsonNode node) {
    var found = new ArrayList<String>();
    var properties = node.path("properties");
    if (!path.endsWith("/if") && !path.endsWith("/then") && !path.contains("/oneOf")) {
      properties
          .properties()
          .forEach(property -> {
            if (property.getValue().path("description").asText().isBlank()) {
              found.add(path + "/" + property.getKey());
            }
          });
    }
    node.properties()
        .forEach(child ->
            found.addAll(withoutDescription(path + "/" + child.getKey(), child.getValue())));
    return found;
  }

  private static String withPayload(String payload) {
    return Samples.ASK.substring(0, Samples.ASK.indexOf("\"payload\":"))
        + "\"payload\":"
        + payload
        + "}";
  }

  private static List<Error> errors(Schema schema, String json) {
    return schema.validate(json, InputFormat.JSON);
  }

  private static Schema schema(String name) {
    try (var stream = Objects.requireNonNull(Result.class.getResourceAsStream(name), name)) {
      return SchemaRegistry.withDefaultDialect(SpecificationVersion.DRAFT_2020_12)
          .getSchema(stream);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
