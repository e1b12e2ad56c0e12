package org.pgoffload.console;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.pgoffload.protocol.LlmPiece;

/// Asking and launching from the browser.
final class TryPageTest extends WithConsole {
  private static final String EVIL = "It's <script>alert(1)</script> \u05e9\u05dc\u05d5\u05dd";

  private static long id(String path) {
    return Long.parseLong(path.substring(path.indexOf('=') + 1));
  }

  @Test
  void asksAsTheSignedInRole() {
    var reader = signedIn("app");
    assertThat(reader.get("/try").body()).contains("Ask a model").doesNotContain("Run background");
    var reply =
        reader.post(
            "/try/ask",
            Map.of("prompt", EVIL, "model", "m-1", "provider", "echo", "stream", "true"));
    assertThat(reply.statusCode()).isEqualTo(303);
    var path = reply.headers().firstValue("Location").orElseThrow();
    assertThat(
            database
                .admin()
                .rows(
                    "select prompt, model, provider, options, requested_by from llm_request where id = ?",
                    id(path)))
        .containsExactly(EVIL + "|m-1|echo|{\"stream\": true}|app");
    assertThat(reader.get(path).body())
        .contains(">queued</span>", "Nothing has come yet.", "every 700ms")
        .contains("insert into llm_request (prompt, model, provider, options)")
        .contains("'It''s &lt;script&gt;alert(1)&lt;/script&gt;")
        .doesNotContain("<script>alert");
  }

  @Test
  void showsAnAnswerPieceByPiece() {
    var reader = signedIn("app");
    var path =
        reader
            .post("/try/ask", Map.of("prompt", "p", "stream", "true"))
            .headers()
            .firstValue("Location")
            .orElseThrow();
    long id = id(path);
    database.record(
        List.of(
            piece(id, 1, false, "no"), piece(id, 2, true, "<i>The"), piece(id, 3, false, "</i>")),
        List.of());
    assertThat(reader.get(path).body())
        .contains("&lt;i&gt;The&lt;/i&gt;</pre>", "every 700ms")
        .doesNotContain("no&lt;", "<i>The");
    database.record(database.streamed(id, "app", "<i>The</i> end.", 3));
    assertThat(reader.get(path).body())
        .contains("&lt;i&gt;The&lt;/i&gt; end.</pre>", ">succeeded</span>")
        .doesNotContain("every 700ms", "<i>The");
  }

  private LlmPiece piece(long id, long seq, boolean reset, String text) {
    return new LlmPiece(LlmPiece.VERSION, id, database.oid("app"), 1, seq, reset, text, null);
  }

  @Test
  void saysWhyThereIsNoAnswer() {
    var id = database.inserted("app");
    database.record(database.ended(id, "app", "failed", "rate_limited", "slow down"));
    assertThat(signedIn("app").get("/try?id=" + id).body()).contains("rate_limited: slow down");
  }

  @Test
  void launchesBackgroundSqlAsTheSignedInRole() {
    var reader = signedIn("ann");
    assertThat(reader.get("/try").body()).contains("Run background SQL").doesNotContain("Ask a m");
    assertThat(reader.postAndFollow("/try/sql", Map.of("command", "select 41 + 1 as n")).body())
        .contains("is launched as background SQL.", "select 41 + 1 as n");
    assertThat(
            database
                .admin()
                .rows("select requested_by from sql_request where command = 'select 41 + 1 as n'"))
        .containsExactly("ann");
    assertThat(reader.post("/try/ask", Map.of("prompt", "p")).statusCode()).isEqualTo(403);
  }

  @Test
  void refusesWhatTheRoleMayNotAndWhatIsEmpty() {
    var reader = signedIn("app");
    assertThat(reader.post("/try/sql", Map.of("command", "select 1")).statusCode()).isEqualTo(403);
    assertThat(reader.post("/try/ask", Map.of("prompt", " ")).statusCode()).isEqualTo(400);
    var id = database.inserted("mallory");
    assertThat(reader.get("/try?id=" + id).statusCode()).isEqualTo(404);
    assertThat(reader.get("/try?id=x").statusCode()).isEqualTo(404);
  }

  @Test
  void showsNoTextsWhereTheInstallationHidesThem() {
    var id = database.inserted("app");
    database.record(database.answered(id, "app", "a secret of ours"));
    var hiding = console(database.address(), false, true);
    var reader = closedAfterTheTest(Reader.signedIn(hiding, "app"));
    assertThat(reader.get("/try?id=" + id).body()).doesNotContain("a secret of ours");
  }
}
