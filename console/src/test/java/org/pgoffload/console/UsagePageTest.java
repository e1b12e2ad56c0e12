package org.pgoffload.console;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// What was used, over time.
final class UsagePageTest extends WithConsole {
  @BeforeEach
  void beginWithoutUsage() {
    database
        .admin()
        .run(
            """
            delete from pgoffload.llm_usage_minute;
            delete from pgoffload.llm_usage_hour;
            delete from pgoffload.llm_price;
            delete from pgoffload.budget
            """);
  }

  /// As of this many minutes ago.
  private void used(int minutesAgo, String role, String model, int requests, int tokens) {
    var admin = database.admin();
    admin.run(
        """
        insert into pgoffload.llm_usage_minute (minute, requested_by_oid, requested_by, provider, model, requests, failed,
          cached, calls, failed_calls, input_tokens, cached_tokens, output_tokens, reasoning_tokens)
        select date_trunc('minute', now()) - make_interval(mins => %d), r.oid, r.rolname, 'openai', '%s', %d, 1, 0, %d, 0, %d, 0, 7, 0
        from pg_roles r where r.rolname = '%s';
        insert into pgoffload.llm_usage_hour (hour, requested_by_oid, provider, model, input_tokens, cached_tokens, output_tokens)
        select date_trunc('hour', u.minute, 'UTC'), u.requested_by_oid, u.provider, u.model, sum(u.input_tokens), 0, sum(u.output_tokens)
        from pgoffload.llm_usage_minute u group by 1, 2, 3, 4
        on conflict on constraint llm_usage_hour_pkey do update
        set input_tokens = excluded.input_tokens, output_tokens = excluded.output_tokens
        """
            .formatted(minutesAgo, model, requests, requests, tokens, role));
  }

  @Test
  void saysWhatToDoWhereNothingWasUsed() {
    assertThat(signedIn("app").get("/usage").body())
        .contains("No request to a model has ended in this time.")
        .contains("No role here has one.", "('app', 'day', 2000000)");
  }

  @Test
  void showsUsageByRoleAndModelWithItsCost() {
    used(0, "app", "gpt-6.1-mini", 3, 1_000_000);
    used(1, "app", "<b>local</b>", 1, 10);
    used(0, "mallory", "secret-model", 7, 70);
    database
        .admin()
        .run(
            "insert into pgoffload.llm_price (provider, model, input_per_million) values ('openai', 'gpt-6', 1.25)");
    assertThat(signedIn("app").get("/usage?over=hour").body())
        .contains("<b>4</b> requests", "<b class=\"bad\">2</b> of them failed")
        .contains("<b>1,000,010</b> input tokens", "<b>14</b> output tokens", "<b>1.2500 USD</b>")
        .contains("gpt-6.1-mini</a>", "&lt;b&gt;local&lt;/b&gt;</a>", "no price")
        .contains("data-series=\"tokens\"")
        .doesNotContain("secret-model", "<b>local");
    // whose privileges are inherited
    assertThat(signedIn("lead").get("/usage").body()).contains("gpt-6.1-mini");
  }

  @Test
  void showsOneStepForEachMinuteOfTheHour() {
    used(59, "app", "m", 5, 11);
    used(61, "app", "m", 9, 13);
    var page = signedIn("app").get("/usage?over=hour").body();
    assertThat(page).contains("<b>5</b> requests", "<b>11</b> input tokens");
    assertThat(page.split("<td class=\"when\">", -1)).hasSize(61);
    assertThat(signedIn("app").get("/usage?over=month").body()).contains("<b>14</b> requests");
    assertThat(signedIn("app").get("/usage?over=year").statusCode()).isEqualTo(400);
  }

  @Test
  void filtersByWhatStandsInTheAddress() {
    used(0, "app", "one", 3, 100);
    used(0, "app", "two", 4, 100);
    assertThat(signedIn("app").get("/usage?model=two&provider=openai&role=app").body())
        .contains("<b>4</b> requests", "of every model")
        .doesNotContain(">one</a>");
    assertThat(signedIn("app").get("/usage?role=mallory").body())
        .contains("No request to a model has ended in this time.");
  }

  @Test
  void showsWhatIsLeftOfBudgets() {
    used(0, "app", "gpt-6.1", 3, 1_000_000);
    database
        .admin()
        .run(
            """
            insert into pgoffload.llm_price (provider, model, input_per_million) values ('openai', 'gpt-6', 1.5);
            insert into pgoffload.budget (role, period, max_tokens, max_cost) values ('app', 'day', 1100000, 1.25);
            insert into pgoffload.budget (role, period, max_tokens) values ('mallory', 'day', 12345678)
            """);
    assertThat(signedIn("app").get("/usage").body())
        .contains("1,100,000 tokens a day", ">1,000,007 tokens<", ">99,993 tokens ", "90 %")
        .contains("1.25 USD a day", ">1.5 USD<", ">0 USD ", "used up")
        .doesNotContain("12,345,678");
  }

  @Test
  void isNotForThoseWhoMayNotAsk() {
    var reader = signedIn("ann");
    assertThat(reader.get("/usage").statusCode()).isEqualTo(403);
    assertThat(reader.get("/requests").body()).doesNotContain("href=\"/usage\"");
    assertThat(signedIn("app").get("/requests").body()).contains("href=\"/usage\"");
  }
}
