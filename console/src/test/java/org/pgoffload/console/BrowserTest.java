package org.pgoffload.console;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Predicate;
import org.awaitility.Awaitility;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.openqa.selenium.By;
import org.openqa.selenium.Dimension;
import org.openqa.selenium.chrome.ChromeDriver;
import org.openqa.selenium.logging.LogType;
import org.pgoffload.dev.servers.PostgresVersion;

/// The console in a real browser. Skipped where there is none and none can be installed.
@Timeout(300)
final class BrowserTest extends WithConsole {
  private static @Nullable ChromeDriver started;

  @BeforeAll
  static void startBrowser() {
    var missing = Chromium.missing();
    assumeTrue(missing.isEmpty(), () -> missing.orElse(""));
    started = Chromium.start();
  }

  @AfterAll
  static void endBrowser() {
    if (started != null) {
      started.quit();
    }
  }

  @BeforeEach
  void forgetRequests() {
    // one version is enough for what the browser does
    assumeTrue(version == PostgresVersion.V18 || versions().size() == 1);
    browser().manage().deleteAllCookies();
    browser().manage().window().setSize(new Dimension(1300, 900));
    database
        .admin()
        .run(
            "truncate llm_request, sql_request, pgoffload.llm_result, pgoffload.sql_result, pgoffload.claim, pgoffload.cancellation");
    database.sent();
  }

  private static ChromeDriver browser() {
    return Objects.requireNonNull(started);
  }

  private void open(String path) {
    browser().get(console.url().replaceAll("/$", "") + path);
  }

  private void signIn(String role) {
    open("/signin");
    browser().findElement(By.name("role")).sendKeys(role);
    browser().findElement(By.name("password")).sendKeys(role);
    browser().findElement(By.cssSelector("button.main")).click();
    awaitText(text -> text.contains("Sign out"));
  }

  private static String text() {
    return browser().findElement(By.tagName("body")).getText();
  }

  private static void awaitText(Predicate<String> expected) {
    Awaitility.await()
        .atMost(Duration.ofSeconds(30))
        .ignoreExceptions()
        .untilAsserted(() -> assertThat(text()).matches(expected));
  }

  private static void click(String words) {
    browser()
        .findElement(By.xpath("//*[self::a or self::button][normalize-space()='" + words + "']"))
        .click();
  }

  /// Errors in the browser's console, of the content security policy among them.
  private static void assertNoErrors() {
    assertThat(browser().manage().logs().get(LogType.BROWSER).getAll())
        .filteredOn(entry -> !entry.getMessage().contains("status of 4"))
        .isEmpty();
  }

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
            select 'p' || n, 'app', 'app'::regrole::oid, true from generate_series(1, 1000000) n
            """);
    database.admin().run("analyze llm_request");
    signIn("app");
    open("/requests");
    assertThat(browser().findElements(By.cssSelector("tbody tr"))).hasSize(50);
    for (int i = 0; i < 5; i++) {
      click("Older");
    }
    assertThat(browser().findElements(By.cssSelector("tbody tr"))).hasSize(50);
  }

  @Test
  void keepsNobodyOutByHowItIsMade() throws IOException {
    var id = database.inserted("app");
    var failed = database.inserted("app");
    database.record(database.ended(failed, "app", "failed", "rate_limited", "slow down"));
    open("/signin");
    assertAccessible("/signin");
    signIn("app");
    for (var path :
        List.of(
            "/overview",
            "/requests",
            "/requests?tag=a",
            "/requests/" + id,
            "/requests/" + failed,
            "/requests/bulk?action=retry",
            "/nothing")) {
      open(path);
      assertAccessible(path);
    }
    browser()
        .executeCdpCommand(
            "Emulation.setEmulatedMedia",
            Map.of("features", List.of(Map.of("name", "prefers-color-scheme", "value", "dark"))));
    try {
      for (var path : List.of("/overview", "/requests", "/requests/" + failed)) {
        open(path);
        assertAccessible(path + ", dark");
      }
    } finally {
      browser().executeCdpCommand("Emulation.setEmulatedMedia", Map.of("features", List.of()));
    }
    browser().manage().window().setSize(new Dimension(500, 900));
    for (var path : List.of("/overview", "/requests", "/requests/" + failed)) {
      open(path);
      assertAccessible(path + ", narrow");
      assertThat(
              (Boolean)
                  browser()
                      .executeScript(
                          "return document.documentElement.scrollWidth <= window.innerWidth"))
          .as(path + " fits the width of a telephone")
          .isTrue();
    }
  }

  /// No finding of axe that is serious or worse.
  private static void assertAccessible(String where) throws IOException {
    try (var script = BrowserTest.class.getResourceAsStream("/axe.min.js")) {
      browser()
          .executeScript(
              new String(Objects.requireNonNull(script).readAllBytes(), StandardCharsets.UTF_8));
    }
    var findings =
        browser()
            .executeAsyncScript(
                """
                const done = arguments[arguments.length - 1];
                axe.run(document, { resultTypes: ['violations'] }).then(
                  (found) => done(found.violations.filter((each) => ['serious', 'critical'].includes(each.impact))
                    .map((each) => each.id + ': ' + each.nodes.map((node) => node.html + ' ' + node.failureSummary).join(' | '))),
                  (error) => done(['axe: ' + error]));
                """);
    assertThat((List<?>) Objects.requireNonNull(findings)).as(where).isEmpty();
  }
}
