package org.pgoffload.console;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.time.Duration;
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
import org.openqa.selenium.chrome.ChromeDriver;
import org.pgoffload.dev.servers.PostgresVersion;

/// The dead letters in a real browser. Skipped where there is none and none can be installed.
@Timeout(300)
final class DeadLettersBrowserTest extends WithLetters {
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
  void forgetCookies() {
    // one version is enough for what the browser does
    assumeTrue(version == PostgresVersion.V18 || versions().size() == 1);
    browser().manage().deleteAllCookies();
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

  private static void awaitText(Predicate<String> expected) {
    Awaitility.await()
        .atMost(Duration.ofSeconds(30))
        .ignoreExceptions()
        .untilAsserted(() ->
            assertThat(browser().findElement(By.tagName("body")).getText()).matches(expected));
  }

  @Test
  void anOperatorReplaysALetterAndSeesItGone() {
    var request = sendRequest();
    signIn("lead");
    browser().findElement(By.linkText("Dead letters")).click();
    awaitText(text -> text.contains("too_old") && text.contains("" + request.id()));
    browser().findElement(By.xpath("//button[normalize-space()='Replay']")).click();
    awaitText(
        text -> text.contains("is sent again as request ") && text.contains("No dead letters."));
    assertThat(database.onlySent().envelope().requestedBy().user()).isEqualTo("app");
  }

  @Test
  void anotherRoleSeesNoSuchPage() {
    sendRequest();
    signIn("app");
    assertThat(browser().findElements(By.linkText("Requests"))).hasSize(1);
    assertThat(browser().findElements(By.linkText("Dead letters"))).isEmpty();
    open("/dead-letters");
    awaitText(text -> text.contains("This page is for members of pgoffload_operator."));
  }
}
