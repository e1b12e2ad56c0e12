package org.pgoffload.console;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.pgoffload.protocol.Call;
import org.pgoffload.protocol.TokenCounts;

/// The models, with what they were asked.
final class ModelsPageTest extends WithConsole {
  @BeforeEach
  void beginWithoutUsage() {
    database
        .admin()
        .run(
            """
            truncate llm_request, pgoffload.llm_result, pgoffload.claim, pgoffload.worker_queue;
            delete from pgoffload.llm_usage_minute;
            delete from pgoffload.llm_price
            """);
  }

  private void used(int hoursAgo, String role, String model) {
    database
        .admin()
        .run(
            """
            insert into pgoffload.llm_usage_minute (minute, requested_by_oid, requested_by, provider, model, requests, failed,
              cached, calls, failed_calls, input_tokens, cached_tokens, output_tokens, reasoning_tokens)
            select date_trunc('minute', now()) - make_interval(hours => %d), r.oid, r.rolname, 'openai', '%s', 31, 2, 0, 43, 12, 1000000, 0, 7, 0
            from pg_roles r where r.rolname = '%s'
            """
                .formatted(hoursAgo, model, role));
  }

  @Test
  void saysWhatToDoWhereNoModelWasAsked() {
    assertThat(signedIn("app").get("/models").body()).contains("No model was asked in this time.");
  }

  @Test
  void showsWhatTheModelsOfARoleWereAskedAndWhatTheyCost() {
    used(0, "app", "gpt-6.1-mini");
    used(0, "app", "<i>own</i>");
    used(0, "mallory", "secret-model");
    database
        .admin()
        .run(
            "insert into pgoffload.llm_price (provider, model, input_per_million) values ('openai', 'gpt-6', 1.25)");
    assertThat(signedIn("app").get("/models").body())
        .contains("gpt-6.1-mini</a>", "<td class=\"n\">43</td>", "<td class=\"n\">12</td>")
        .contains("1.2500 USD", "no price", "&lt;i&gt;own&lt;/i&gt;")
        .contains("/requests?model=gpt-6.1-mini&amp;provider=openai&amp;status=failed")
        .doesNotContain("secret-model", "<i>own");
  }

  @Test
  void showsTheLastHoursThatAreAskedFor() {
    used(3, "app", "m-of-3-hours-ago");
    used(20, "app", "m-of-20-hours-ago");
    var reader = signedIn("app");
    assertThat(reader.get("/models?over=hour").body()).contains("No model was asked in this time.");
    assertThat(reader.get("/models").body())
        .contains("m-of-3-hours-ago")
        .doesNotContain("m-of-20-hours-ago");
    assertThat(reader.get("/models?over=day").body()).contains("m-of-20-hours-ago");
    assertThat(reader.get("/models?over=year").statusCode()).isEqualTo(400);
  }

  @Test
  void showsThePaceAsWorkersTellIt() {
    used(0, "app", "slow");
    var worker = closedAfterTheTest(database.worker("w"));
    worker.renewLease(0);
    worker.tells(
        """
        {"queues": {"models": {
          "openai:slow": {"waiting": 1017, "calling": 3, "why": "refusals", "per_second": 2.5},
          "openai:of-others": {"waiting": 555, "calling": 1, "why": "window"}}}}
        """);
    assertThat(signedIn("app").get("/models").body())
        .contains("2.50 a second", "as many calls as got through before the vendor refused some")
        .contains("<td class=\"n\">3</td><td class=\"n\">1017</td>")
        .doesNotContain("of-others", "555");
  }

  @Test
  void showsTheErrorsOfItsCalls() {
    used(0, "app", "busy");
    var id = database.inserted("app");
    database.record(
        database.called(
            id,
            "app",
            "At last.",
            new Call(
                "openai",
                "busy",
                "2026-01-01T00:00:00Z",
                1,
                new Call.Reply("rate_limited", "slow down", 429, null, null),
                TokenCounts.NONE,
                17)));
    database.admin().run("update pgoffload.llm_result set finished_at = now()");
    assertThat(signedIn("app").get("/models").body()).contains(">rate_limited</span> × 17");
  }

  @Test
  void letsOperatorsPauseAndResumeAModelAndARole() {
    used(0, "app", "busy");
    database.admin().run("delete from pgoffload.pause; grant pgoffload_operator to lead");
    try {
      var reader = signedIn("lead");
      assertThat(reader.get("/models").body()).contains("aria-label=\"Pause busy\"");
      assertThat(
              reader
                  .postAndFollow(
                      "/models/pause", Map.of("model", "busy", "reason", "<b>too dear</b>"))
                  .body())
          .contains("busy is paused.", "busy of any provider", "&lt;b&gt;too dear&lt;/b&gt;")
          .contains("<span class=\"badge warning\">paused</span>");
      assertThat(reader.postAndFollow("/models/pause", Map.of("role", "bea")).body())
          .contains("bea is paused.", "role bea");
      // others see what is paused of models, and of their own roles
      assertThat(signedIn("app").get("/models").body())
          .contains("busy of any provider")
          .doesNotContain("role bea", ">Resume</button>", ">Pause</button>");
      assertThat(reader.postAndFollow("/models/resume", Map.of("model", "busy")).body())
          .contains("busy goes on.");
      assertThat(reader.postAndFollow("/models/resume", Map.of("role", "bea")).body())
          .contains("bea goes on.");
      assertThat(reader.post("/models/pause", Map.of("role", "no such")).statusCode())
          .isEqualTo(422);
      assertThat(database.admin().number("select count(*) from pgoffload.pause")).isZero();
    } finally {
      database.admin().run("delete from pgoffload.pause; revoke pgoffload_operator from lead");
    }
  }

  @Test
  void refusesToPauseForThoseWhoAreNoOperators() {
    var reader = signedIn("app");
    assertThat(reader.post("/models/pause", Map.of("model", "busy")).statusCode()).isEqualTo(403);
    assertThat(reader.post("/models/pause", Map.of("role", "bea")).statusCode()).isEqualTo(403);
    assertThat(reader.post("/models/resume", Map.of("model", "busy")).statusCode()).isEqualTo(403);
    assertThat(database.admin().number("select count(*) from pgoffload.pause")).isZero();
  }
}
