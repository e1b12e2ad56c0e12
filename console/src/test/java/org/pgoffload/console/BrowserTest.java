package org.pgoffload.console;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.time.Duration;
import java.util.List;
import java.util.Objects;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;
import org.openqa.selenium.By;

/// What readers see and do, in a real browser.
final class BrowserTest extends WithBrowser {
  @Test
  void showsARequestThatGoesThroughWithoutBeingLoadedAgain() {
    signIn("app");
    open("/requests");
    awaitText(text -> text.contains("Nothing was asked yet."));
    var id = database.inserted("app");
    open("/requests");
    click("" + id);
    awaitText(text -> text.contains("queued"));
    database.record(database.answered(id, "app", "Rayleigh scattering."));
    awaitText(text -> text.contains("succeeded") && text.contains("Rayleigh scattering."));
    assertNoErrors();
  }

  @Test
  void showsTheOverviewAsItChanges() {
    signIn("app");
    awaitText(text -> text.contains("Overview") && text.contains("queued"));
    database.inserted("app");
    Awaitility.await()
        .atMost(Duration.ofSeconds(30))
        .ignoreExceptions()
        .until(() ->
            browser()
                .findElement(By.cssSelector("a[href='/requests?status=queued'] b"))
                .getText()
                .equals("1"));
    assertThat(browser().findElements(By.cssSelector(".chart canvas"))).hasSize(2);
    assertNoErrors();
  }

  @Test
  void cancelsARequestByItsButton() {
    var id = database.inserted("app");
    database.sent();
    signIn("app");
    open("/requests/" + id);
    click("Cancel");
    awaitText(text -> text.contains("Cancellation of " + id + " is under way."));
    assertThat(database.onlySent().text()).contains("cancel");
  }

  @Test
  void repeatsAllThatFailed() {
    for (int i = 0; i < 3; i++) {
      var id = database.inserted("app");
      database.record(database.ended(id, "app", "failed", "rate_limited", "slow down"));
    }
    signIn("app");
    open("/requests?status=failed");
    click("Repeat these…");
    awaitText(text -> text.contains("Repeat 3 requests?"));
    click("Repeat 3");
    awaitText(text -> text.contains("3 requests were repeated."));
    assertThat(
            database.admin().number("select count(*) from llm_request where retry_of is not null"))
        .isEqualTo(3);
  }

  @Test
  void showsScriptsAndRightToLeftTextAsText() {
    var script =
        "<script>document.title = 'taken'</script><img src=x onerror=\"document.title='taken'\">";
    var arabic = "السماء زرقاء\u202e <b>bold</b>";
    var first = database.inserted("app");
    var second = database.inserted("app");
    database.record(
        database.answered(first, "app", script), database.answered(second, "app", arabic));
    signIn("app");
    open("/requests/" + first);
    assertThat(browser().findElement(By.id("answer")).getText()).isEqualTo(script);
    assertThat(browser().getTitle()).doesNotContain("taken");
    open("/requests/" + second);
    var answer = browser().findElement(By.id("answer"));
    assertThat(answer.getDomProperty("textContent")).isEqualTo(arabic);
    assertThat(answer.getCssValue("direction")).isEqualTo("rtl");
    assertNoErrors();
  }

  @Test
  void showsNoRequestOfAnotherRole() {
    var id = database.inserted("app");
    signIn("mallory");
    open("/requests");
    awaitText(text -> text.contains("Nothing was asked yet."));
    open("/requests/" + id);
    awaitText(text -> text.contains("There is no request " + id + " that you may see."));
  }

  @Test
  void pagesThroughAMillionRequests() {
    assumeTrue(Boolean.getBoolean("slow"), "a million rows take their time: -Pslow");
    database
        .admin()
        .run(
            """
            insert into llm_request (prompt, requested_by, requested_by_oid, immediate)
            select 'p' || n, 'app', 'app'::regrole::oid, true from generate_series(1, 1000000) n;
            insert into pgoffload.llm_result (id, kind, status, requested_by_oid, answer, error_code, attempts, queued_ms, ran_ms, finished_at)
            select q.id, q.kind, case when q.id % 100 = 0 then 'failed' else 'succeeded' end, q.requested_by_oid, 'a',
              case when q.id % 100 = 0 then 'rate_limited' end, 1, q.id % 50, q.id % 3000, now()
            from llm_request q;
            analyze llm_request;
            analyze pgoffload.llm_result
            """);
    signIn("app");
    for (var path : List.of("/overview", "/requests", "/requests?status=failed", "/usage")) {
      // as often as it takes to have all plans and files where they are on a server in use
      for (int i = 0; i < 3; i++) {
        open(path);
        sayWhenItWasPainted(path);
      }
    }
    open("/requests");
    assertThat(browser().findElements(By.cssSelector("tbody tr"))).hasSize(50);
    for (int i = 0; i < 5; i++) {
      click("Older");
    }
    assertThat(browser().findElements(By.cssSelector("tbody tr"))).hasSize(50);
  }

  /// Tells how long the browser's page took: docs/console.md has the figures.
  private static void sayWhenItWasPainted(String path) {
    var times =
        Awaitility.await()
            .atMost(Duration.ofSeconds(30))
            .until(
                () ->
                    browser()
                        .executeScript(
                            """
                            const paint = performance.getEntriesByName('first-contentful-paint')[0];
                            const page = performance.getEntriesByType('navigation')[0];
                            return paint && `first paint after ${Math.round(paint.startTime)} ms, `
                              + `with ${Math.round(page.responseEnd - page.requestStart)} ms of the console's`;
                            """),
                Objects::nonNull);
    System.out.println(path + " of 1,000,000 requests: " + times);
  }
}
