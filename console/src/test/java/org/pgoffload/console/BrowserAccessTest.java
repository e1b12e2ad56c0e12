package org.pgoffload.console;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import org.junit.jupiter.api.Test;

/// Each page is open to those who see little or use the keyboard alone, and fits a telephone.
final class BrowserAccessTest extends WithBrowser {
  @Test
  void theSignInIs() throws IOException {
    assertAccessible("/signin");
  }

  @Test
  void theOverviewIs() throws IOException {
    database.inserted("app");
    signIn("app");
    assertAccessible("/overview");
  }

  @Test
  void requestsAre() throws IOException {
    var id = database.inserted("app");
    var failed = database.inserted("app");
    database.record(database.ended(failed, "app", "failed", "rate_limited", "slow down"));
    signIn("app");
    assertAccessible("/requests");
    assertAccessibleToo("/requests?tag=a");
    assertAccessibleToo("/requests/" + id);
    assertAccessible("/requests/" + failed);
    assertAccessibleToo("/requests/bulk?action=retry");
    assertAccessibleToo("/nothing");
  }

  @Test
  void modelsAre() throws IOException {
    used();
    database
        .admin()
        .run(
            """
            grant pgoffload_operator to lead;
            select pgoffload_pause_model('another', 'openai', 'too dear')
            """);
    try {
      signIn("lead");
      assertAccessible("/models");
      assertThat(text()).contains("too dear", "gpt-6.1-mini");
    } finally {
      database.admin().run("delete from pgoffload.pause; revoke pgoffload_operator from lead");
    }
  }

  @Test
  void usageIs() throws IOException {
    used();
    database
        .admin()
        .run(
            "insert into pgoffload.budget (role, period, max_tokens) values ('app', 'day', 1100000) on conflict do nothing");
    signIn("app");
    assertAccessible("/usage");
    assertAccessibleToo("/usage?over=hour&model=gpt-6.1-mini");
    assertThat(text()).contains("1,100,000 tokens a day");
  }

  private void used() {
    database
        .admin()
        .run(
            """
            delete from pgoffload.llm_usage_minute;
            insert into pgoffload.llm_usage_minute (minute, requested_by_oid, requested_by, provider, model, requests, failed,
              cached, calls, failed_calls, input_tokens, cached_tokens, output_tokens, reasoning_tokens)
            select date_trunc('minute', now()), r.oid, r.rolname, 'openai', 'gpt-6.1-mini', 31, 2, 0, 43, 12, 1000000, 0, 7, 0
            from pg_roles r where r.rolname = 'app'
            """);
  }

  @Test
  void maintainedColumnsAre() throws IOException {
    closedAfterTheTest(database.sqlWorker("w")).renewLease();
    try (var session = database.open("mallory")) {
      session.run("create table public.ticket (id bigint primary key, body text, mood text)");
      session.run(
          "select llm_maintain('ticket_mood', source => 'public.ticket', target => 'mood', ask => 'The mood of {body}')");
      database
          .admin()
          .run(
              """
              insert into public.ticket (id) select generate_series(1, 10);
              analyze public.ticket;
              insert into pgoffload.maintained_row (number, row_id, key, request, error_code, error_message, attempts, failed_at)
              select c.number, md5('1')::uuid, array['1'], 1, 'rate_limited', 'too fast', 3, now() from pgoffload.maintained_column c
              """);
      signIn("mallory");
      assertAccessible("/maintained");
      click("ticket_mood");
      awaitText(text -> text.contains("Rows that have failed"));
      assertAccessible("/maintained/column?name=ticket_mood");
      click("Pause");
      awaitText(text -> text.contains("ticket_mood is paused.") && text.contains("stands still"));
      assertAccessibleToo("/maintained/column?name=ticket_mood");
      session.run("select llm_maintain_drop('ticket_mood')");
      session.run("drop table public.ticket");
    }
  }

  @Test
  void tryingIs() throws IOException {
    signIn("mallory");
    assertAccessible("/try");
    var id = database.inserted("mallory");
    assertAccessibleToo("/try?id=" + id);
    database.record(database.answered(id, "mallory", "Rayleigh scattering."));
    assertAccessible("/try?id=" + id);
  }
}
