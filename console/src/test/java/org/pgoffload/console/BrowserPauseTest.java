package org.pgoffload.console;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.openqa.selenium.By;
import org.openqa.selenium.WindowType;

/// An operator pauses a model in a real browser, and those who ask it see why they wait.
final class BrowserPauseTest extends WithBrowser {
  @BeforeEach
  void letLeadOperate() {
    database.admin().run("grant pgoffload_operator to lead");
  }

  @AfterEach
  void letNobodyOperate() {
    database.admin().run("delete from pgoffload.pause; revoke pgoffload_operator from lead");
  }

  @Test
  void aRequestWaitsForItsPausedModelAndGoesOnWhenItIsResumed() {
    signIn("lead");
    open("/models");
    var form = browser().findElement(By.xpath("//form[.//button='Pause the model']"));
    form.findElement(By.name("model")).sendKeys("echo-1");
    form.findElement(By.name("provider")).sendKeys("echo");
    form.findElement(By.name("reason")).sendKeys("<b>too dear</b>");
    click("Pause the model");
    awaitText(text -> text.contains("echo-1 is paused.") && text.contains("<b>too dear</b>"));
    var worker = closedAfterTheTest(database.worker("w"));
    var id = database.inserted("app");
    worker.claim(database.onlySent());
    open("/requests/" + id);
    awaitText(text -> {
      worker.tells(doing("paused"));
      return text.contains("lead has paused model echo:echo-1, ");
    });
    var asking = browser().getWindowHandle();
    browser().switchTo().newWindow(WindowType.TAB);
    open("/models");
    clickNamed("Resume echo-1 of echo");
    awaitText(text -> text.contains("echo-1 goes on."));
    browser().close();
    browser().switchTo().window(asking);
    awaitText(text -> {
      worker.tells(doing("window"));
      return text.contains("Request " + id) && !text.contains("has paused");
    });
    database.record(database.answered(id, "app", "At last."));
    awaitText(text -> text.contains("succeeded") && text.contains("At last."));
    assertThat(database.admin().number("select count(*) from pgoffload.pause")).isZero();
    assertNoErrors();
  }

  /// What a worker tells with its lease, of why its one request waits.
  private static String doing(String why) {
    return """
    {"queues": {"primary": "echo", "providers": {"echo": ["echo-1"]},
                "llm": {"topic": "pgoffload.requests.llm", "partitions": 1, "assigned": [0]},
                "models": {"echo:echo-1": {"waiting": 1, "calling": 0, "why": "%s"}}}}
    """
        .formatted(why);
  }
}
