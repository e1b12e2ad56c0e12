package org.pgoffload.protocol;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;

/// Messages that several tests read.
final class Samples {
  static final UUID NONCE = UUID.fromString("1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed");
  static final Withdrawal WITHDRAWAL = Withdrawal.of(42, NONCE, 7);

  /// As the database writes it: routing fields first, payload last.
  static final String ASK =
      """
      {"version":1,"id":42,"kind":"ask","ordering_key":"customer-7","immediate":false,\
      "installation":"5f4dcc3b-0000-4000-8000-000000000001",\
      "nonce":"1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed",\
      "signed_at_us":1767323045678901,"timeout_ms":30000,\
      "requested_by":{"user":"app","user_oid":16400,"session_user":"login",\
      "session_user_oid":16399,"role":"none"},\
      "payload":{"prompt":"Why is the sky blue?","model":"a-model"}}\
      """;

  static final String EMBED =
      """
      {"version":1,"id":41,"kind":"embed","ordering_key":null,"immediate":true,\
      "installation":"5f4dcc3b-0000-4000-8000-000000000001",\
      "nonce":"1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bf1",\
      "signed_at_us":1767323045678901,"timeout_ms":30000,\
      "requested_by":{"user":"app","user_oid":16400,"session_user":"login",\
      "session_user_oid":16399,"role":"none"},"payload":{"inputs":["i"]}}\
      """;

  static final String MAINTAINED =
      """
      {"version":1,"id":47,"kind":"ask","ordering_key":null,"immediate":false,\
      "installation":"5f4dcc3b-0000-4000-8000-000000000001",\
      "nonce":"1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bf2",\
      "signed_at_us":1767323045678901,"timeout_ms":30000,\
      "requested_by":{"user":"app","user_oid":16400,"session_user":"login",\
      "session_user_oid":16399,"role":"none"},\
      "payload":{"maintained":{"name":"ticket_mood","key":["1"],"hash":"0a",\
      "end":{"code":"blank","message":"nothing is there"}}}}\
      """;

  static final String CHUNK =
      """
      {"version":1,"id":48,"kind":"embed","ordering_key":null,"immediate":false,\
      "installation":"5f4dcc3b-0000-4000-8000-000000000001",\
      "nonce":"1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bf3",\
      "signed_at_us":1767323045678901,"timeout_ms":30000,\
      "requested_by":{"user":"app","user_oid":16400,"session_user":"login",\
      "session_user_oid":16399,"role":"none"},\
      "payload":{"inputs":["i"],"maintained":{"name":"doc_chunks","key":["7","de"],"hash":"0a",\
      "chunk":{"tokens":400,"overlap":40}}}}\
      """;

  static final String RERANK =
      """
      {"version":1,"id":43,"kind":"rerank","ordering_key":null,"immediate":true,\
      "installation":"5f4dcc3b-0000-4000-8000-000000000001",\
      "nonce":"1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bf2",\
      "signed_at_us":1767323045678901,"timeout_ms":30000,\
      "requested_by":{"user":"app","user_oid":16400,"session_user":"login",\
      "session_user_oid":16399,"role":"none"},\
      "payload":{"prompt":"q","inputs":["d"],"options":{"top_n":1}}}\
      """;

  static final String SQL =
      """
      {"version":1,"id":44,"kind":"sql","group":"s-17","ordering_key":null,"immediate":true,\
      "installation":"5f4dcc3b-0000-4000-8000-000000000001",\
      "nonce":"1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bee",\
      "signed_at_us":1767323045678901,"timeout_ms":null,\
      "requested_by":{"user":"app","user_oid":16400,"session_user":"login",\
      "session_user_oid":16399,"role":"none"},\
      "payload":{"command":"vacuum t","label":"nightly","queue_size":65536,"login_oid":16399,\
      "settings":{"TimeZone":"UTC"},"session":"s-17","max_workers":4,"depth":1,\
      "submitted":false,"parent":40,"parent_ordinal":1,"large_object":null,"tags":{}}}\
      """;

  static final String CANCEL =
      """
      {"version":1,"id":44,"kind":"cancel","ordering_key":null,"immediate":true,\
      "installation":"5f4dcc3b-0000-4000-8000-000000000001",\
      "nonce":"1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bef",\
      "signed_at_us":1767323045678901,"timeout_ms":null,\
      "requested_by":{"user":"app","user_oid":16400,"session_user":"login",\
      "session_user_oid":16399,"role":"none"},"payload":{}}\
      """;

  static final String PROGRESS =
      """
      {"version":1,"id":44,"kind":"progress","ordering_key":null,"immediate":true,\
      "installation":"5f4dcc3b-0000-4000-8000-000000000001",\
      "nonce":"1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bf0",\
      "signed_at_us":1767323045678901,"timeout_ms":null,\
      "requested_by":{"user":"app","user_oid":16400,"session_user":"app",\
      "session_user_oid":16400,"role":"none"},\
      "payload":{"pct":40,"message":"sorting","pid":4711}}\
      """;

  static final Result ANSWERED =
      new Result(
          new ResultHead(1, 42, "ask", Result.SUCCEEDED, "app", 16_400, NONCE),
          new Result.Outcome("Rayleigh scattering.", null, null, "stop"),
          new Result.Origin("openai", "a-model", "req_1"),
          new Result.Tokens(12L, 3L, 5L, 0L),
          new Result.Run(1, 0.25, 812.5, "worker-1", "2026-01-02T03:04:06.5Z"),
          null,
          Result.Provenance.NONE,
          null);

  static final Result CHUNKS =
      new Result(
          new ResultHead(1, 48, "embed", Result.SUCCEEDED, "app", 16_400, NONCE),
          Result.Outcome.answered(null, null),
          new Result.Origin("openai", "an-embedder", "req_2"),
          new Result.Tokens(9L, 0L, 0L, 0L),
          new Result.Run(1, 0.25, 81.5, "worker-1", "2026-01-02T03:04:06.5Z"),
          new Result.Vectors(
              List.of(new float[] {0.5f, -1}, new float[] {0.25f, 2}), List.of("Ray", "leigh")),
          Result.Provenance.NONE,
          new MaintainedRow("doc_chunks", List.of("7", "de")));

  static final Result BLANK =
      new Result(
          new ResultHead(1, 47, "ask", Result.SUCCEEDED, "app", 16_400, NONCE),
          Result.Outcome.answered(null, null),
          Result.Origin.NONE,
          Result.Tokens.UNKNOWN,
          Result.Run.of(1, "2026-01-02T03:04:06Z"),
          null,
          Result.Provenance.NONE,
          new MaintainedRow("ticket_mood", List.of("1")));

  static final Result EXPIRED =
      Result.withoutCalls(
          new ResultHead(1, 43, "ask", Result.EXPIRED, "app", 16_400, NONCE),
          Result.Outcome.error("deadline_passed", "ask again"),
          Result.Run.of(0, "2026-01-02T03:04:06Z"));

  static final LlmPiece LLM_PIECE =
      new LlmPiece(1, 42, 16_400, 2, LlmPiece.seqBefore(2) + 1, true, "Ray\ud83d\ude00", NONCE);

  static final LlmUsage USAGE =
      new LlmUsage(
          1,
          new LlmUsage.Scope("2026-01-02T03:04:00Z", 16_400, "app", "openai", "a-model"),
          new LlmUsage.Counts(7, 2, 1, 9, 3),
          new TokenCounts(1200, 300, 500, 20));

  static final SqlResult RETURNED =
      new SqlResult(
          new ResultHead(1, 44, "sql", Result.SUCCEEDED, "app", 16_400, NONCE),
          1,
          List.of("INSERT 0 1", "SELECT 2"),
          new SqlResult.Returned(
              2L,
              List.of(
                  new SqlColumn("n", 23, -1, "integer"), new SqlColumn("t", 1043, 9, "varchar(5)")),
              List.of(List.of("1", "Grüße"), Arrays.asList("2", null)),
              0,
              false,
              0,
              readUnder()),
          null,
          List.of(
              new SqlNotice("NOTICE", "00000", "in passing", null, null),
              new SqlNotice("WARNING", "01000", "careful", "it is hot", "wait")),
          new SqlResult.Run(0.25, 812.5, "worker-1", "2026-01-02T03:04:06.5Z"));

  static final SqlResult CHUNKED =
      new SqlResult(
          new ResultHead(1, 45, "sql", Result.SUCCEEDED, "app", 16_400, NONCE),
          2,
          List.of("SELECT 4000000000"),
          new SqlResult.Returned(
              4_000_000_000L,
              List.of(new SqlColumn("n", 4_294_967_295L, -1, "oddity")),
              null,
              7,
              true,
              3,
              readUnder()),
          null,
          null,
          new SqlResult.Run(0.25, 812.5, "worker-1", "2026-01-02T03:04:06.5+02:00"));

  static final SqlResult REFUSED =
      new SqlResult(
          new ResultHead(1, 46, "sql", Result.FAILED, "app", 16_400, NONCE),
          1,
          List.of(),
          SqlResult.Returned.count(null),
          new SqlError(
              "23505",
              "a secret is not unique",
              "the key is there",
              "take another",
              "line 1",
              new SqlError.NamedObject("public", "t", "c", "text", "t_c_key"),
              17),
          null,
          new SqlResult.Run(null, null, null, "2026-01-02T03:04:06Z"));

  static final SqlRows ROWS =
      SqlRows.of(45, 2, 1, 16_400, List.of(List.of("1", ""), Arrays.asList(null, "\ud83d\ude00")));

  static final SqlRows PIECE = SqlRows.piece(45, 2, 7, 16_400, "[[\"the beginn", false);

  private static Map<String, String> readUnder() {
    var settings = new LinkedHashMap<String, String>();
    settings.put("IntervalStyle", "postgres");
    settings.put("lc_monetary", "C");
    settings.put("search_path", "\"$user\", public");
    return settings;
  }

  static final UUID TOKEN = UUID.fromString("5f4dcc3b-0000-4000-8000-000000000002");

  static final ControlRecord.Primary PRIMARY =
      new ControlRecord.Primary(
          "5f4dcc3b-0000-4000-8000-000000000001",
          new ControlRecord.Server(
              -7L, 2, List.of(new ControlRecord.Fork(1, WalPosition.parse("16/B374D848")))),
          TOKEN,
          WalPosition.parse("16/B374D900"),
          Map.of("pgoffload.requests.llm", "vwHo31i7TcKpVtQx"));

  static final ControlRecord.Position POSITION =
      new ControlRecord.Position(TOKEN, WalPosition.parse("FFFFFFFF/0"));

  static final ControlRecord.Part PART =
      new ControlRecord.Part("worker db-1", TOKEN, "1767323045.678901");

  private Samples() {}
}
