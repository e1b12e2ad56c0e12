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
import org.junit.jupiter.api.Timeout;
import org.openqa.selenium.By;
import org.openqa.selenium.Dimension;
import org.openqa.selenium.chrome.ChromeDriver;
import org.openqa.selenium.logging.LogType;
import org.pgoffload.dev.servers.PostgresVersion;

/// Runs its tests in a real browser. They are skipped where there is none and none can be
/// installed.
@Timeout(300)
abstract class WithBrowser extends WithConsole {
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
      started = null;
    }
  }

  @BeforeEach
  void beginAnew() {
    // one version is enough for what the browser does
    assumeTrue(version == PostgresVersion.V18 || versions().size() == 1);
    // the console of the test before has ended under its page
    browser().get("about:blank");
    browser().manage().logs().get(LogType.BROWSER);
    browser().manage().deleteAllCookies();
    look("light");
    desktop();
    database
        .admin()
        .run(
            "truncate llm_request, sql_request, pgoffload.llm_result, pgoffload.sql_result, pgoffload.claim, pgoffload.cancellation");
    database.sent();
  }

  static ChromeDriver browser() {
    return Objects.requireNonNull(started);
  }

  static void desktop() {
    browser().executeCdpCommand("Emulation.clearDeviceMetricsOverride", Map.of());
    browser().manage().window().setSize(new Dimension(1300, 900));
  }

  /// The width of a telephone, which is less than that of any window.
  static void phone() {
    browser()
        .executeCdpCommand(
            "Emulation.setDeviceMetricsOverride",
            Map.of("width", 390, "height", 800, "deviceScaleFactor", 1, "mobile", true));
  }

  /// @param scheme `light` or `dark`
  static void look(String scheme) {
    browser()
        .executeCdpCommand(
            "Emulation.setEmulatedMedia",
            Map.of("features", List.of(Map.of("name", "prefers-color-scheme", "value", scheme))));
  }

  void open(String path) {
    browser().get(console.url().replaceAll("/$", "") + path);
  }

  void signIn(String role) {
    open("/signin");
    browser().findElement(By.name("role")).sendKeys(role);
    browser().findElement(By.name("password")).sendKeys(role);
    browser().findElement(By.cssSelector("button.main")).click();
    awaitText(text -> text.contains("Sign out"));
  }

  static String text() {
    return browser().findElement(By.tagName("body")).getText();
  }

  static void awaitText(Predicate<String> expected) {
    Awaitility.await()
        .atMost(Duration.ofSeconds(30))
        .ignoreExceptions()
        .untilAsserted(() -> assertThat(text()).matches(expected));
  }

  /// Clicks on a link or a button.
  static void click(String words) {
    browser()
        .findElement(By.xpath("//*[self::a or self::button][normalize-space()='" + words + "']"))
        .click();
  }

  /// Clicks on a button that is named for those who do not see it.
  static void clickNamed(String name) {
    browser().findElement(By.cssSelector("button[aria-label='" + name + "']")).click();
  }

  /// Errors in the browser's console, of the content security policy among them.
  static void assertNoErrors() {
    assertThat(browser().manage().logs().get(LogType.BROWSER).getAll())
        .filteredOn(entry -> !entry.getMessage().contains("status of 4"))
        .isEmpty();
  }

  /// Opens a page on a desktop and on a telephone, light and dark.
  void assertAccessible(String path) throws IOException {
    assertAccessible(path, List.of("light", "dark"), List.of("light", "dark"));
  }

  /// Opens a page that differs in part from one that was opened so: each width and each scheme
  /// once.
  void assertAccessibleToo(String path) throws IOException {
    assertAccessible(path, List.of("light"), List.of("dark"));
  }

  private void assertAccessible(String path, List<String> onDesktops, List<String> onPhones)
      throws IOException {
    desktop();
    for (var scheme : onDesktops) {
      look(scheme);
      open(path);
      assertNoFinding(path + ", " + scheme);
    }
    phone();
    for (var scheme : onPhones) {
      look(scheme);
      open(path);
      assertNoFinding(path + ", narrow, " + scheme);
      assertThat(
              (Boolean)
                  browser()
                      .executeScript(
                          "return document.documentElement.scrollWidth <= window.innerWidth"
                              + " && window.innerWidth <= 390"))
          .as(path + " fits the width of a telephone")
          .isTrue();
    }
    desktop();
    look("light");
  }

  /// No finding of axe that is serious or worse.
  private static void assertNoFinding(String where) throws IOException {
    try (var script = WithBrowser.class.getResourceAsStream("/axe.min.js")) {
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
