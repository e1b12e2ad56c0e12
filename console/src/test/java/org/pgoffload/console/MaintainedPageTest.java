package org.pgoffload.console;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// The pages of maintained columns.
final class MaintainedPageTest extends WithConsole {
  private static final Map<String, String> MOOD = Map.of("name", "mood <b>");

  @BeforeEach
  void beginWithNone() {
    database
        .admin()
        .run(
            """
            truncate pgoffload.maintained_column, pgoffload.maintained_state, pgoffload.maintained_row,
              pgoffload.maintained_due, pgoffload.maintained_answer, pgoffload.maintained_count, pgoffload.maintained_unseen;
            delete from pgoffload.action;
            drop schema if exists shop cascade;
            create schema shop authorization mallory
            """);
  }

  /// Declared by mallory, with rows of which two have failed.
  private void declare() {
    closedAfterTheTest(database.sqlWorker("w")).renewLease();
    try (var session = database.open("mallory")) {
      session.run("create table shop.ticket (id bigint primary key, body text, mood text)");
      session.run(
          "select llm_maintain('mood <b>', source => 'shop.ticket', target => 'mood', ask => 'The mood of {body}')");
    }
    database
        .admin()
        .run(
            """
            insert into shop.ticket (id) select generate_series(1, 10);
            analyze shop.ticket;
            insert into pgoffload.maintained_row (number, row_id, key, request, error_code, error_message, attempts, failed_at)
            select c.number, md5(n::text)::uuid, array[n::text], n, 'rate_limited', '<i>too fast</i>', n,
              timestamptz '2026-01-01' + n * interval '1 day'
            from pgoffload.maintained_column c, generate_series(1, 2) n;
            insert into pgoffload.maintained_count (number, at, asked, done, tokens, cost)
            select c.number, clock_timestamp() - interval '2 min', 12, 8, 1234, 0.5 from pgoffload.maintained_column c
            """);
  }

  @Test
  void saysWhatToDoWhereNoneIsMaintained() {
    assertThat(signedIn("app").get("/maintained").body())
        .contains("No column is maintained yet.")
        .contains("select llm_maintain(");
  }

  @Test
  void showsHowFarEachIs() {
    declare();
    assertThat(signedIn("mallory").get("/maintained").body())
        .contains("mood &lt;b&gt;</a>", ">active</span>", "shop.ticket", "≈ 10", "1,234", "0.5")
        .contains("<td class=\"n\">8</td>")
        // eight within two minutes
        .containsPattern("<td class=\"n\">(4\\.0|3\\.9)</td>");
  }

  @Test
  void showsItToNobodyWithoutTheDeclarersPrivileges() {
    declare();
    var reader = signedIn("app");
    assertThat(reader.get("/maintained").body())
        .doesNotContain("shop.ticket")
        .contains("No column is maintained yet.");
    assertThat(reader.get("/maintained/column?name=mood+%3Cb%3E").statusCode()).isEqualTo(404);
    assertThat(reader.get("/maintained/column").statusCode()).isEqualTo(400);
    assertThat(reader.post("/maintained/pause", MOOD).statusCode()).isEqualTo(422);
    assertThat(reader.post("/maintained/retry", MOOD).body()).contains("42704");
    assertThat(status()).isEqualTo("active");
  }

  @Test
  void isNotForThoseWhoMayNotAsk() {
    var reader = signedIn("ann");
    assertThat(reader.get("/maintained").statusCode()).isEqualTo(403);
    assertThat(reader.get("/maintained").body()).contains("grant llm_user to ann");
  }

  @Test
  void showsTheRowsThatHaveFailed() {
    declare();
    assertThat(signedIn("mallory").get("/maintained/column?name=mood+%3Cb%3E").body())
        .contains("{\"id\": \"2\"}", "rate_limited: &lt;i&gt;too fast&lt;/i&gt;")
        .contains("2026-01-03 00:00:00 UTC", "Retry all 2", "value=\"80\"")
        .doesNotContain("<i>too fast", "<b></h1>");
  }

  @Test
  void pausesAndResumes() {
    declare();
    var reader = signedIn("mallory");
    var page = reader.get("/maintained/column?name=mood+%3Cb%3E").body();
    assertThat(page).contains(">Pause</button>").doesNotContain(">Resume</button>");
    assertThat(reader.postAndFollow("/maintained/pause", MOOD).body())
        .contains(
            "mood &lt;b&gt; is paused.", "It stands still: by mallory since", ">Resume</button>")
        .doesNotContain(">Pause</button>");
    assertThat(status()).isEqualTo("paused");
    assertThat(reader.postAndFollow("/maintained/resume", MOOD).body())
        .contains("mood &lt;b&gt; goes on.");
    assertThat(
            database
                .admin()
                .rows("select what, names, role_name from pgoffload.action order by number"))
        .containsExactly(
            "pause_column|{\"mood <b>\"}|mallory", "resume_column|{\"mood <b>\"}|mallory");
    assertThat(status()).isEqualTo("active");
  }

  @Test
  void retriesWhatHasFailedAndComparesAllRows() {
    declare();
    var reader = signedIn("mallory");
    assertThat(reader.postAndFollow("/maintained/retry", MOOD).body())
        .contains("2 rows are asked about again.");
    assertThat(database.admin().number("select count(*) from pgoffload.maintained_due"))
        .isEqualTo(2);
    assertThat(reader.postAndFollow("/maintained/backfill", MOOD).body())
        .contains("mood &lt;b&gt; compares all rows.", ">backfilling</span>");
  }

  @Test
  void takesNoActionWithoutTheTokenOfTheSession() {
    declare();
    var reader = signedIn("mallory");
    reader.forgetToken();
    assertThat(reader.post("/maintained/pause", MOOD).statusCode()).isEqualTo(403);
    assertThat(status()).isEqualTo("active");
  }

  private String status() {
    return String.valueOf(database.admin().value("select status from llm_maintained"));
  }

  @Test
  void boundsTheHeaderThatSaysWhatIsWrong() {
    var reply =
        signedIn("mallory").post("/maintained/pause", Map.of("name", "\u20ac".repeat(20_000)));
    assertThat(reply.statusCode()).isBetween(400, 499);
    assertThat(reply.headers().firstValue("X-Problem").orElseThrow().length())
        .isBetween(100, 5_000);
  }
}
