package org.pgoffload.protocol;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.annotation.JsonUnwrapped;
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
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class JsonSchemaTest {
  private static final Schema REQUEST = schema("request.v1.schema.json");
  private static final Schema RESULT = schema("result.v1.schema.json");
  private static final Schema LLM_PIECE = schema("llm-piece.v1.schema.json");
  private static final Schema LLM_USAGE = schema("llm-usage.v1.schema.json");
  private static final Schema SQL_RESULT = schema("sql-result.v1.schema.json");
  private static final Schema SQL_ROWS = schema("sql-rows.v1.schema.json");
  private static final String ANSWERED = new String(Samples.ANSWERED.write(), UTF_8);
  private static final String EXPIRED = new String(Samples.EXPIRED.write(), UTF_8);
  private static final String STREAMED = new String(Samples.LLM_PIECE.write(), UTF_8);
  private static final String USAGE = new String(Samples.USAGE.write(), UTF_8);
  private static final String RETURNED = new String(Samples.RETURNED.write(), UTF_8);
  private static final String REFUSED = new String(Samples.REFUSED.write(), UTF_8);
  private static final String ROWS = new String(Samples.ROWS.write(), UTF_8);
  private static final String PIECE = new String(Samples.PIECE.write(), UTF_8);

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"prompt\":\"p\"}",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"c\"}]}",
        "{\"prompt\":\"p\",\"system\":\"s\",\"messages\":[{\"role\":\"assistant\",\"content\":\"c\"}],"
            + "\"model\":\"m\",\"options\":{\"temperature\":0.5,\"max_output_tokens\":9},\"tags\":{\"a\":1}}",
        "{\"prompt\":\"p\",\"provider\":\"azure_openai\",\"response_schema\":{\"type\":\"object\"},\"retry_of\":7,"
            + "\"options\":{\"stop\":[\"a\",\"b\"],\"reasoning_effort\":\"xhigh\",\"stream\":false,\"cache\":\"1 h\"}}",
        "{\"prompt\":\"p\",\"options\":{\"stop\":\"END\"}}"
      })
  void takesARequestForACompletion(String payload) {
    assertThat(errors(REQUEST, withPayload(payload))).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(strings = {Samples.EMBED, Samples.SQL, Samples.CANCEL, Samples.PROGRESS})
  void takesARequestOfEveryKind(String json) {
    assertThat(errors(REQUEST, json)).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"command\":\"\",\"queue_size\":64,\"login_oid\":1,\"settings\":{},\"depth\":0,\"submitted\":true}",
        "{\"command\":\"c\",\"label\":null,\"queue_size\":268435456,\"login_oid\":1,\"submitted\":false,\"settings\":{\"a.b\":\"\"},"
            + "\"session\":null,\"max_workers\":null,\"depth\":0,\"parent\":null,"
            + "\"large_object\":4294967295}"
      })
  void takesARequestForSql(String payload) {
    assertThat(errors(REQUEST, withPayload(Samples.SQL, payload))).isEmpty();
  }

  @Test
  void takesFieldsOfANewerMinorVersion() {
    assertThat(errors(REQUEST, Samples.ASK.replaceFirst("\\{", "{\"new\":1,"))).isEmpty();
    assertThat(errors(RESULT, ANSWERED.replaceFirst("\\{", "{\"new\":1,"))).isEmpty();
    assertThat(errors(LLM_PIECE, STREAMED.replaceFirst("\\{", "{\"new\":1,"))).isEmpty();
    assertThat(errors(LLM_USAGE, USAGE.replaceFirst("\\{", "{\"new\":1,"))).isEmpty();
    assertThat(errors(SQL_RESULT, RETURNED.replaceFirst("\\{", "{\"new\":1,"))).isEmpty();
    assertThat(errors(SQL_ROWS, ROWS.replaceFirst("\\{", "{\"new\":1,"))).isEmpty();
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

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "\"group\":\"s-17\" | \"group\":\"\"",
        "\"group\":\"s-17\" | \"group\":17",
        "\"timeout_ms\":null, | ''",
        "\"timeout_ms\":null | \"timeout_ms\":0",
        "\"command\":\"vacuum t\", | ''",
        "\"vacuum t\" | 7",
        "\"nightly\" | 7",
        "\"queue_size\":65536, | ''",
        "\"queue_size\":65536 | \"queue_size\":63",
        "\"queue_size\":65536 | \"queue_size\":268435457",
        "\"settings\":{\"TimeZone\":\"UTC\"}, | ''",
        "\"UTC\" | 7",
        "\"session\":\"s-17\" | \"session\":17",
        "\"max_workers\":4 | \"max_workers\":0",
        "\"login_oid\":16399, | ''",
        "\"login_oid\":16399 | \"login_oid\":0",
        "\"submitted\":false | \"submitted\":null",
        "\"parent_ordinal\":1 | \"parent_ordinal\":\"1\"",
        "\"tags\":{} | \"tags\":[]",
        "\"depth\":1, | ''",
        "\"depth\":1 | \"depth\":-1",
        "\"parent\":40 | \"parent\":0",
        "\"large_object\":null | \"large_object\":4294967296",
      })
  void refusesAWrongRequestForSql(String right, String wrong) {
    assertThat(Samples.SQL).contains(right);
    assertThat(errors(REQUEST, Samples.SQL.replace(right, wrong))).isNotEmpty();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "\"pct\":40, | ''",
        "\"pct\":40 | \"pct\":40.5",
        "\"sorting\" | 7",
        ",\"pid\":4711 | ''",
        "4711 | \"4711\"",
      })
  void refusesAWrongWordOfProgress(String right, String wrong) {
    assertThat(Samples.PROGRESS).contains(right);
    assertThat(errors(REQUEST, Samples.PROGRESS.replace(right, wrong))).isNotEmpty();
  }

  @ParameterizedTest
  @ValueSource(strings = {Samples.ASK, Samples.EMBED})
  void wantsATimeoutOfAnLlmRequest(String json) {
    assertThat(errors(REQUEST, json.replace("30000", "null"))).isNotEmpty();
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
  void takesWhatAPieceAndUsageWrite() {
    assertThat(errors(LLM_PIECE, STREAMED)).isEmpty();
    assertThat(errors(LLM_USAGE, USAGE)).isEmpty();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "\"version\":1 | \"version\":2",
        "\"id\":42 | \"id\":0",
        "\"requested_by_oid\":16400 | \"requested_by_oid\":4294967296",
        "\"attempt\":2 | \"attempt\":0",
        "\"seq\":2000000001 | \"seq\":0",
        "\"reset\":true, | ''",
        "\"reset\":true | \"reset\":\"true\"",
        "\"Ray | \"\\u0000",
        "\"text\": | \"words\":",
      })
  void refusesAWrongPiece(String right, String wrong) {
    assertThat(STREAMED).contains(right);
    assertThat(errors(LLM_PIECE, STREAMED.replace(right, wrong))).isNotEmpty();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "\"version\":1 | \"version\":2",
        "03:04:00Z | 03:04:05Z",
        "03:04:00Z | 03:04:00+00:00",
        "\"requested_by_oid\":16400 | \"requested_by_oid\":0",
        "\"requested_by\":\"app\", | ''",
        "\"provider\":\"openai\" | \"provider\":null",
        "\"model\":\"a-model\", | ''",
        "\"requests\":7 | \"requests\":-1",
        "\"failed\":2 | \"failed\":0.5",
        "\"cached\":1 | \"cached\":\"1\"",
        "\"calls\":9, | ''",
        "\"failed_calls\":3 | \"failed_calls\":-1",
        "\"input_tokens\":1200 | \"input_tokens\":null",
        "\"cached_tokens\":300, | ''",
        "\"output_tokens\":500, | ''",
        "\"reasoning_tokens\":20 | \"thinking_tokens\":20",
      })
  void refusesWrongUsage(String right, String wrong) {
    assertThat(USAGE).contains(right);
    assertThat(errors(LLM_USAGE, USAGE.replace(right, wrong))).isNotEmpty();
  }

  @Test
  void takesWhatSqlWrites() {
    assertThat(errors(SQL_RESULT, RETURNED)).isEmpty();
    assertThat(errors(SQL_RESULT, REFUSED)).isEmpty();
    assertThat(errors(SQL_RESULT, new String(Samples.CHUNKED.write(), UTF_8))).isEmpty();
    assertThat(errors(SQL_ROWS, ROWS)).isEmpty();
    assertThat(errors(SQL_ROWS, PIECE)).isEmpty();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "\"version\":1 | \"version\":2",
        "\"id\":44 | \"id\":0",
        "\"kind\":\"sql\" | \"kind\":\"ask\"",
        "\"succeeded\" | \"running\"",
        "\"succeeded\" | \"failed\"",
        "\"requested_by\":\"app\", | ''",
        "\"requested_by_oid\":16400 | \"requested_by_oid\":4294967296",
        "\"attempt\":1 | \"attempt\":-1",
        "\"SELECT 2\" | 2",
        "\"row_count\":2 | \"row_count\":\"2\"",
        "\"type_oid\":23 | \"type_oid\":0",
        "\"typmod\":-1, | ''",
        "\"type\":\"integer\" | \"type\":\"\"",
        "\"columns\": | \"other\":",
        "\"rows\":[[\"1\" | \"rows\":[[1",
        "\"chunks\":0 | \"chunks\":1",
        "\"split\":false | \"split\":true",
        "\"postgres\" | 7",
        "\"read_under\": | \"error\":",
        "\"NOTICE\" | \"PANIC\"",
        "\"01000\" | \"0100\"",
        ",\"message\":\"careful\" | ''",
        "\"queued_ms\":0.25 | \"queued_ms\":\"0.25\"",
        "\"finished_at\": | \"at\":",
      })
  void refusesAWrongResultOfSql(String right, String wrong) {
    assertThat(RETURNED).contains(right);
    assertThat(errors(SQL_RESULT, RETURNED.replace(right, wrong))).isNotEmpty();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "\"failed\" | \"succeeded\"",
        "\"error\": | \"fault\":",
        "\"sqlstate\":\"23505\", | ''",
        "\"23505\" | \"2350x\"",
        "\"message\":\"a secret is not unique\", | ''",
        "\"position\":17 | \"position\":0",
      })
  void refusesAWrongErrorOfSql(String right, String wrong) {
    assertThat(REFUSED).contains(right);
    assertThat(errors(SQL_RESULT, REFUSED.replace(right, wrong))).isNotEmpty();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "\"version\":1 | \"version\":2",
        "\"id\":45 | \"id\":0",
        "\"sql_rows\" | \"sql\"",
        "\"attempt\":2 | \"attempt\":0",
        "\"number\":1 | \"number\":0",
        "\"requested_by_oid\":16400, | ''",
        "\"rows\": | \"other\":",
        "\"rows\": | \"ends\":true,\"rows\":",
        "\"rows\": | \"piece\":\"p\",\"ends\":true,\"rows\":",
        "[null, | [7,",
      })
  void refusesWrongRows(String right, String wrong) {
    assertThat(ROWS).contains(right);
    assertThat(errors(SQL_ROWS, ROWS.replace(right, wrong))).isNotEmpty();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        ",\"ends\":false | ''",
        "\"ends\":false | \"ends\":\"false\"",
        "\"piece\": | \"other\":",
        "\"piece\": | \"rows\":[],\"piece\":",
      })
  void refusesAWrongPieceOfARow(String right, String wrong) {
    assertThat(PIECE).contains(right);
    assertThat(errors(SQL_ROWS, PIECE.replace(right, wrong))).isNotEmpty();
  }

  @Test
  void hasEveryFieldOfARecordAndNoOther() {
    var ofSql = SQL_RESULT.getSchemaNode().get("properties");
    hasTheFieldsOf(Result.class, RESULT.getSchemaNode());
    hasTheFieldsOf(Call.class, RESULT.getSchemaNode().get("properties").get("calls").get("items"));
    hasTheFieldsOf(LlmPiece.class, LLM_PIECE.getSchemaNode());
    hasTheFieldsOf(LlmUsage.class, LLM_USAGE.getSchemaNode());
    hasTheFieldsOf(SqlResult.class, SQL_RESULT.getSchemaNode());
    hasTheFieldsOf(SqlColumn.class, ofSql.get("columns").get("items"));
    hasTheFieldsOf(SqlError.class, ofSql.get("error"));
    hasTheFieldsOf(SqlNotice.class, ofSql.get("notices").get("items"));
    hasTheFieldsOf(SqlRows.class, SQL_ROWS.getSchemaNode());
  }

  @Test
  void describesEveryField() {
    assertThat(withoutDescription("request", REQUEST.getSchemaNode())).isEmpty();
    assertThat(withoutDescription("result", RESULT.getSchemaNode())).isEmpty();
    assertThat(withoutDescription("llm-piece", LLM_PIECE.getSchemaNode())).isEmpty();
    assertThat(withoutDescription("llm-usage", LLM_USAGE.getSchemaNode())).isEmpty();
    assertThat(withoutDescription("sql-result", SQL_RESULT.getSchemaNode())).isEmpty();
    assertThat(withoutDescription("sql-rows", SQL_ROWS.getSchemaNode())).isEmpty();
  }

  private static void hasTheFieldsOf(Class<? extends Record> type, JsonNode schema) {
    assertThat(schema.get("properties").fieldNames())
        .toIterable()
        .containsExactlyElementsOf(fields(type).toList());
  }

  /// The names in the JSON, in their order. The fields of an unwrapped record stand in its place.
  private static Stream<String> fields(Class<?> type) {
    return Arrays.stream(type.getRecordComponents())
        .flatMap(component ->
            component.getAccessor().isAnnotationPresent(JsonUnwrapped.class)
                ? fields(component.getType())
                : Stream.of(component.getAccessor().getAnnotation(JsonProperty.class).value()));
  }

  private static List<String> withoutDescription(String path, JsonNode node) {
    var found = new ArrayList<String>();
    var properties = node.path("properties");
    if (!path.endsWith("/if")
        && !path.endsWith("/then")
        && !path.endsWith("/else")
        && !path.contains("/oneOf")) {
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
    return withPayload(Samples.ASK, payload);
  }

  private static String withPayload(String request, String payload) {
    return request.substring(0, request.indexOf("\"payload\":")) + "\"payload\":" + payload + "}";
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
