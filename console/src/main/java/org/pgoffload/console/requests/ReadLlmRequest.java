package org.pgoffload.console.requests;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.pgoffload.console.database.RoleSession;
import org.pgoffload.console.web.Words;

/// Reads a request to a model, with what became of it.
final class ReadLlmRequest {
  private static final ObjectMapper JSON = new ObjectMapper();

  /// The calls that are shown; a request has a hundred entries at most.
  private static final String QUERY =
      """
      select q.kind, q.created_at,
             coalesce((select o.rolname from pg_roles o where o.oid = q.requested_by_oid), q.requested_by) as role,
             q.prompt, q.system, jsonb_pretty(q.messages) as messages, q.inputs, q.options::text as options,
             q.tags::text as tags, q.ordering_key, q.timeout::text as timeout, q.immediate,
             coalesce(a.provider, q.provider) as provider, coalesce(a.model, q.model) as model,
             a.status, a.answer, a.error_code, a.error_message, a.finish_reason, a.provider_request_id,
             a.input_tokens, a.cached_tokens, a.output_tokens, a.reasoning_tokens, a.attempts, a.finished_at,
             a.cached, a.calls::text as calls, a.cost::text as cost, a.retry_of, array_length(a.embeddings, 1) as vectors,
             extract(epoch from a.queued) * 1000 as queued_ms, extract(epoch from a.ran) * 1000 as ran_ms,
             format('insert into llm_request (%s) values (%s) returning id',
               concat_ws(', ', case when q.kind <> 'ask' then 'kind' end, case when q.prompt is not null then 'prompt' end,
                 case when q.system is not null then 'system' end, case when q.messages is not null then 'messages' end,
                 case when q.inputs is not null then 'inputs' end, case when q.model is not null then 'model' end,
                 case when q.provider is not null then 'provider' end, case when q.options is not null then 'options' end,
                 case when q.response_schema is not null then 'response_schema' end,
                 case when q.timeout is not null then 'timeout' end, case when q.tags is not null then 'tags' end),
               concat_ws(', ', case when q.kind <> 'ask' then quote_literal(q.kind) end, quote_literal(q.prompt),
                 quote_literal(q.system), quote_literal(q.messages::text), quote_literal(q.inputs::text), quote_literal(q.model),
                 quote_literal(q.provider), quote_literal(q.options::text), quote_literal(q.response_schema::text),
                 quote_literal(q.timeout::text), quote_literal(q.tags::text))) as copy
      from ${public_schema}.llm_request q, lateral ${public_schema}.llm_response(q.id) a
      where q.id = ?
      """;

  private final RoleSession session;
  private final boolean withTexts;

  ReadLlmRequest(RoleSession session, boolean withTexts) {
    this.session = session;
    this.withTexts = withTexts;
  }

  ShownRequest of(long id) throws SQLException {
    return ReadRow.of(session, id, QUERY, (row, timeline) -> shown(id, row, timeline));
  }

  private ShownRequest shown(long id, ResultSet row, List<ShownRequest.Hop> timeline)
      throws SQLException {
    var calls = calls(row.getString("calls"));
    return new ShownRequest(
        id,
        row.getString("kind"),
        ReadWhy.state(session, id, row.getString("status"), fault(row)),
        withTexts ? texts(row) : null,
        facts(row),
        timeline,
        calls);
  }

  private static ShownRequest.Texts texts(ResultSet row) throws SQLException {
    var inputs = row.getArray("inputs");
    var question = row.getString("prompt");
    var more = new ArrayList<String>();
    if (row.getString("system") != null) {
      more.add(row.getString("system"));
    }
    if (row.getString("messages") != null) {
      more.add(row.getString("messages"));
    }
    if (inputs != null) {
      more.add(String.join("\n", (String[]) inputs.getArray()));
    }
    int vectors = row.getInt("vectors");
    var answer = row.getString("answer");
    return new ShownRequest.Texts(
        question == null ? "" : question,
        more.isEmpty() ? null : String.join("\n\n", more),
        answer == null && vectors > 0 ? vectors + " embeddings" : answer,
        null,
        row.getString("copy"));
  }

  private static ShownRequest.@Nullable Fault fault(ResultSet row) throws SQLException {
    var code = row.getString("error_code");
    return code == null
        ? null
        : new ShownRequest.Fault(code, Facts.orEmpty(row.getString("error_message")), null, null);
  }

  private static List<ShownRequest.Fact> facts(ResultSet row) throws SQLException {
    return new Facts()
        .add("Role", row.getString("role"))
        .add("Provider", row.getString("provider"))
        .add("Model", row.getString("model"))
        .add("Queued", Words.duration(row.getObject("queued_ms")))
        .add("Ran", Words.duration(row.getObject("ran_ms")))
        .add("Tokens in", row.getString("input_tokens"))
        .add("of them cached", Facts.unlessZero(row.getString("cached_tokens")))
        .add("Tokens out", row.getString("output_tokens"))
        .add("of them reasoning", Facts.unlessZero(row.getString("reasoning_tokens")))
        .add("Cost", row.getString("cost"))
        .add("Answer from the cache", row.getBoolean("cached") ? "yes" : null)
        .add("Finish reason", row.getString("finish_reason"))
        .add("Attempts", row.getString("attempts"))
        .add("Sent", row.getBoolean("immediate") ? "at once" : "with its transaction")
        .add("Options", row.getString("options"))
        .add("Tags", row.getString("tags"))
        .add("Ordering key", row.getString("ordering_key"))
        .add("Timeout", row.getString("timeout"))
        .add("Provider’s id", row.getString("provider_request_id"))
        .add("Repeats", row.getString("retry_of"))
        .all();
  }

  private static List<ShownRequest.Call> calls(@Nullable String json) {
    var calls = new ArrayList<ShownRequest.Call>();
    if (json == null) {
      return calls;
    }
    try {
      for (var call : JSON.readTree(json)) {
        calls.add(
            new ShownRequest.Call(
                text(call, "provider") + " " + text(call, "model"),
                outcome(call),
                started(call),
                Facts.orEmpty(Words.duration(call.path("ran_ms").asDouble())),
                tokens(call),
                call.path("times").asLong(1)));
      }
    } catch (JsonProcessingException e) {
      // the database has checked it
      throw new IllegalStateException("the calls are no JSON", e);
    }
    return calls;
  }

  private static String outcome(JsonNode call) {
    var code = text(call, "error_code");
    if (code.isEmpty()) {
      return "answered";
    }
    var status = text(call, "http_status");
    return code
        + (status.isEmpty() ? "" : " (HTTP " + status + ")")
        + ": "
        + text(call, "error_message");
  }

  private static String tokens(JsonNode call) {
    var in = text(call, "input_tokens");
    var out = text(call, "output_tokens");
    return in.isEmpty() && out.isEmpty() ? "" : in + " / " + out;
  }

  private static @Nullable Instant started(JsonNode call) {
    try {
      return Instant.parse(text(call, "started_at"));
    } catch (DateTimeException e) {
      return null;
    }
  }

  private static String text(JsonNode call, String field) {
    return call.path(field).asText("");
  }
}
