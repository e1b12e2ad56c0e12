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
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

final class JsonSchemaTest {
  private static final Schema REQUEST = schema("request");
  private static final Schema RESULT = schema("result");
  private static final Schema LLM_PIECE = schema("llm-piece");
  private static final Schema LLM_USAGE = schema("llm-usage");
  private static final Schema SQL_RESULT = schema("sql-result");
  private static final Schema SQL_ROWS = schema("sql-rows");
  private static final Schema CONTROL = schema("control");
  private static final Schema WITHDRAWAL = schema("withdrawal");
  private static final Map<String, Schema> SCHEMAS =
      Map.of(
          "control", CONTROL,
          "request", REQUEST,
          "result", RESULT,
          "llm-piece", LLM_PIECE,
          "llm-usage", LLM_USAGE,
          "sql-result", SQL_RESULT,
          "sql-rows", SQL_ROWS,
          "withdrawal", WITHDRAWAL);

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"prompt\":\"p\"}",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"c\"}]}",
        "{\"prompt\":\"p\",\"system\":\"s\",\"messages\":[{\"role\":\"assistant\",\"content\":\"c\"}],"
            + "\"model\":\"m\",\"options\":{\"temperature\":0.5,\"max_output_tokens\":9},\"tags\":{\"a\":1}}",
        "{\"prompt\":\"p\",\"provider\":\"azure_openai\",\"response_schema\":{\"type\":\"object\"},\"retry_of\":7,"
            + "\"options\":{\"stop\":[\"a\",\"b\"],\"reasoning_effort\":\"xhigh\",\"stream\":false,\"cache\":\"1 h\"}}",
        "{\"prompt\":\"p\",\"options\":{\"stop\":\"END\"}}",
        "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"t\"},"
            + "{\"type\":\"image\",\"url\":\"https://a.example\",\"media_type\":\"image/gif\"},"
            + "{\"type\":\"image\",\"data\":\"QUI=\",\"media_type\":\"image/png\"}]}]}"
      })
  void takesARequestForACompletion(String payload) {
    assertThat(errors(REQUEST, withPayload(payload))).isEmpty();
  }

  @ParameterizedTest
  @EnumSource
  void takesAMessageAsItIsWritten(Sample sample) {
    assertThat(errors(sample, sample.json)).isEmpty();
  }

  @ParameterizedTest
  @EnumSource
  void takesFieldsOfANewerMinorVersion(Sample sample) {
    assertThat(errors(sample, sample.json.replaceFirst("\\{", "{\"new\":1,"))).isEmpty();
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

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          ASK      | "version":1 | "version":2
          ASK      | "id":42 | "id":0
          ASK      | "id":42 | "id":"42"
          ASK      | "kind":"ask" | "kind":"guess"
          ASK      | "ordering_key":"customer-7" | "ordering_key":""
          ASK      | "ordering_key":"customer-7", | ''
          ASK      | "immediate":false | "immediate":"false"
          ASK      | "timeout_ms":30000 | "timeout_ms":0
          ASK      | "signed_at_us":1767323045678901 | "signed_at_us":"2026-01-02"
          ASK      | "user":"app", | ''
          ASK      | "user_oid":16400 | "user_oid":4294967296
          ASK      | "prompt":"Why is the sky blue?", | ''
          ASK      | "Why is the sky blue?" | ""
          ASK      | "Why is the sky blue?" | 7
          ASK      | "model":"a-model" | "model":""
          ASK      | "model":"a-model" | "options":{"temprature":1}
          ASK      | "model":"a-model" | "options":{"temperature":2.5}
          ASK      | "model":"a-model" | "options":{"max_output_tokens":0}
          ASK      | "model":"a-model" | "options":[]
          ASK      | "model":"a-model" | "messages":[]
          ASK      | "model":"a-model" | "messages":[{"role":"system","content":"c"}]
          ASK      | "model":"a-model" | "messages":[{"role":"user","content":[]}]
          ASK      | "model":"a-model" | "messages":[{"role":"assistant","content":[{"type":"text","text":"t"}]}]
          ASK      | "model":"a-model" | "messages":[{"role":"user","content":[{"type":"image","data":"QUI="}]}]
          ASK      | "model":"a-model" | "messages":[{"role":"user","content":[{"type":"image","url":"http://a.example"}]}]
          ASK      | "model":"a-model" | "messages":[{"role":"user"}]
          ASK      | "model":"a-model" | "tags":"t"
          EMBED    | "inputs":["i"] | ''
          RERANK   | "prompt":"q", | ''
          RERANK   | ,"inputs":["d"] | ''
          RERANK   | "top_n":1 | "top_n":0
          RERANK   | "top_n":1 | "dimensions":1
          MAINTAINED | "name":"ticket_mood" | "name":""
          MAINTAINED | "key":["1"] | "key":[1]
          MAINTAINED | "key":["1"] | "key":[]
          MAINTAINED | "hash":"0a" | "hash":"x"
          MAINTAINED | "code":"blank", | ''
          MAINTAINED | "end": | "ends":
          CHUNK    | "inputs":["i"], | ''
          CHUNK    | "tokens":400, | ''
          CHUNK    | "tokens":400 | "tokens":0
          CHUNK    | "overlap":40 | "overlap":-1
          SQL      | "group":"s-17" | "group":""
          SQL      | "group":"s-17" | "group":17
          SQL      | "timeout_ms":null, | ''
          SQL      | "timeout_ms":null | "timeout_ms":0
          SQL      | "command":"vacuum t", | ''
          SQL      | "vacuum t" | 7
          SQL      | "nightly" | 7
          SQL      | "queue_size":65536, | ''
          SQL      | "queue_size":65536 | "queue_size":63
          SQL      | "queue_size":65536 | "queue_size":268435457
          SQL      | "settings":{"TimeZone":"UTC"}, | ''
          SQL      | "UTC" | 7
          SQL      | "session":"s-17" | "session":17
          SQL      | "max_workers":4 | "max_workers":0
          SQL      | "login_oid":16399, | ''
          SQL      | "login_oid":16399 | "login_oid":0
          SQL      | "submitted":false | "submitted":null
          SQL      | "parent_ordinal":1 | "parent_ordinal":"1"
          SQL      | "tags":{} | "tags":[]
          SQL      | "depth":1, | ''
          SQL      | "depth":1 | "depth":-1
          SQL      | "parent":40 | "parent":0
          SQL      | "large_object":null | "large_object":4294967296
          PROGRESS | "pct":40, | ''
          PROGRESS | "pct":40 | "pct":40.5
          PROGRESS | "sorting" | 7
          PROGRESS | ,"pid":4711 | ''
          PROGRESS | 4711 | "4711"
          ANSWERED | "version":1 | "version":2
          ANSWERED | "id":42 | "id":-1
          ANSWERED | "succeeded" | "running"
          ANSWERED | "succeeded" | "failed"
          ANSWERED | "answer":"Rayleigh scattering.", | ''
          ANSWERED | "answer":"Rayleigh scattering." | "answer":"a\\u0000b"
          ANSWERED | "finish_reason":"stop" | "error_code":"c"
          ANSWERED | "requested_by":"app", | ''
          ANSWERED | "input_tokens":12 | "input_tokens":-1
          ANSWERED | "input_tokens":12 | "input_tokens":1.5
          ANSWERED | "queued_ms":0.25 | "queued_ms":"0.25"
          ANSWERED | "attempts":1 | "attempts":null
          CHUNKS   | "embeddings":[[0.5,-1.0],[0.25,2.0]], | ''
          CHUNKS   | "chunks":["Ray","leigh"] | "chunks":["Ray",""]
          CHUNKS   | "chunks":["Ray","leigh"] | "chunks":2
          BLANK    | "maintained": | "kept":
          BLANK    | "name":"ticket_mood" | "name":7
          BLANK    | "key":["1"] | "key":[]
          BLANK    | "key":["1"] | "key":[null]
          STREAMED | "version":1 | "version":2
          STREAMED | "id":42 | "id":0
          STREAMED | "requested_by_oid":16400 | "requested_by_oid":4294967296
          STREAMED | "attempt":2 | "attempt":0
          STREAMED | "seq":2000000001 | "seq":0
          STREAMED | "reset":true, | ''
          STREAMED | "reset":true | "reset":"true"
          STREAMED | "Ray | "\\u0000
          STREAMED | "text": | "words":
          USAGE    | "version":1 | "version":2
          USAGE    | 03:04:00Z | 03:04:05Z
          USAGE    | 03:04:00Z | 03:04:00+00:00
          USAGE    | "requested_by_oid":16400 | "requested_by_oid":0
          USAGE    | "requested_by":"app", | ''
          USAGE    | "provider":"openai" | "provider":null
          USAGE    | "model":"a-model", | ''
          USAGE    | "requests":7 | "requests":-1
          USAGE    | "failed":2 | "failed":0.5
          USAGE    | "cached":1 | "cached":"1"
          USAGE    | "calls":9, | ''
          USAGE    | "failed_calls":3 | "failed_calls":-1
          USAGE    | "input_tokens":1200 | "input_tokens":null
          USAGE    | "cached_tokens":300, | ''
          USAGE    | "output_tokens":500, | ''
          USAGE    | "reasoning_tokens":20 | "thinking_tokens":20
          RETURNED | "version":1 | "version":2
          RETURNED | "id":44 | "id":0
          RETURNED | "kind":"sql" | "kind":"ask"
          RETURNED | "succeeded" | "running"
          RETURNED | "succeeded" | "failed"
          RETURNED | "requested_by":"app", | ''
          RETURNED | "requested_by_oid":16400 | "requested_by_oid":4294967296
          RETURNED | "attempt":1 | "attempt":-1
          RETURNED | "SELECT 2" | 2
          RETURNED | "row_count":2 | "row_count":"2"
          RETURNED | "type_oid":23 | "type_oid":0
          RETURNED | "typmod":-1, | ''
          RETURNED | "type":"integer" | "type":""
          RETURNED | "columns": | "other":
          RETURNED | "rows":[["1" | "rows":[[1
          RETURNED | "chunks":0 | "chunks":1
          RETURNED | "split":false | "split":true
          RETURNED | "postgres" | 7
          RETURNED | "read_under": | "error":
          RETURNED | "NOTICE" | "PANIC"
          RETURNED | "01000" | "0100"
          RETURNED | ,"message":"careful" | ''
          RETURNED | "queued_ms":0.25 | "queued_ms":"0.25"
          RETURNED | "finished_at": | "at":
          REFUSED  | "failed" | "succeeded"
          REFUSED  | "error": | "fault":
          REFUSED  | "sqlstate":"23505", | ''
          REFUSED  | "23505" | "2350x"
          REFUSED  | "message":"a secret is not unique", | ''
          REFUSED  | "position":17 | "position":0
          ROWS     | "version":1 | "version":2
          ROWS     | "id":45 | "id":0
          ROWS     | "sql_rows" | "sql"
          ROWS     | "attempt":2 | "attempt":0
          ROWS     | "number":1 | "number":0
          ROWS     | "requested_by_oid":16400, | ''
          ROWS     | "rows": | "other":
          ROWS     | "rows": | "ends":true,"rows":
          ROWS     | "rows": | "piece":"p","ends":true,"rows":
          ROWS     | [null, | [7,
          PIECE    | ,"ends":false | ''
          PIECE    | "ends":false | "ends":"false"
          PIECE    | "piece": | "other":
          PIECE    | "piece": | "rows":[],"piece":
          """)
  void refusesAMessageThatIsWrongInOnePlace(Sample sample, String right, String wrong) {
    assertThat(errors(sample, sample.with(right, wrong))).isNotEmpty();
  }

  @ParameterizedTest
  @ValueSource(strings = {Samples.ASK, Samples.EMBED, Samples.RERANK})
  void wantsATimeoutOfAnLlmRequest(String json) {
    assertThat(errors(REQUEST, json.replace("30000", "null"))).isNotEmpty();
  }

  @Test
  void takesAResultThatWasMadeAFailedOne() {
    assertThat(errors(RESULT, new String(Samples.ANSWERED.withFailure("c", "m").write(), UTF_8)))
        .isEmpty();
  }

  @Test
  void hasEveryFieldOfARecordAndNoOther() {
    var ofSql = SQL_RESULT.getSchemaNode().get("properties");
    hasTheFieldsOf(Result.class, RESULT.getSchemaNode());
    hasTheFieldsOf(Call.class, RESULT.getSchemaNode().get("properties").get("calls").get("items"));
    hasTheFieldsOf(MaintainedRow.class, RESULT.getSchemaNode().get("properties").get("maintained"));
    hasTheFieldsOf(LlmPiece.class, LLM_PIECE.getSchemaNode());
    hasTheFieldsOf(LlmUsage.class, LLM_USAGE.getSchemaNode());
    hasTheFieldsOf(SqlResult.class, SQL_RESULT.getSchemaNode());
    hasTheFieldsOf(SqlColumn.class, ofSql.get("columns").get("items"));
    hasTheFieldsOf(SqlError.class, ofSql.get("error"));
    hasTheFieldsOf(SqlNotice.class, ofSql.get("notices").get("items"));
    hasTheFieldsOf(SqlRows.class, SQL_ROWS.getSchemaNode());
    var control = CONTROL.getSchemaNode().get("oneOf");
    hasTheFieldsOf(ControlRecord.Primary.class, control.get(0));
    var server = control.get(0).get("properties").get("server");
    hasTheFieldsOf(ControlRecord.Server.class, server);
    hasTheFieldsOf(ControlRecord.Fork.class, server.get("properties").get("history").get("items"));
    hasTheFieldsOf(ControlRecord.Position.class, control.get(1));
    hasTheFieldsOf(ControlRecord.Part.class, control.get(2));
  }

  @Test
  void describesEveryField() {
    SCHEMAS.forEach(
        (name, schema) -> assertThat(withoutDescription(name, schema.getSchemaNode())).isEmpty());
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

  private static List<Error> errors(Sample sample, String json) {
    return errors(Objects.requireNonNull(SCHEMAS.get(sample.schema)), json);
  }

  private static List<Error> errors(Schema schema, String json) {
    return schema.validate(json, InputFormat.JSON);
  }

  private static Schema schema(String name) {
    var file = name + ".v1.schema.json";
    try (var stream = Objects.requireNonNull(Result.class.getResourceAsStream(file), file)) {
      return SchemaRegistry.withDefaultDialect(SpecificationVersion.DRAFT_2020_12)
          .getSchema(stream);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
