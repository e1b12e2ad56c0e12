package org.pgoffload.console;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.openqa.selenium.By;
import org.pgoffload.operations.deadletters.LetterTopic;

/// The dead letters in a real browser.
final class DeadLettersBrowserTest extends WithBrowser {
  @RegisterExtension final TestLetters letters = new TestLetters(() -> database);

  @Override
  @Nullable LetterTopic deadLetters() {
    return letters.address();
  }

  @Test
  void anOperatorReplaysALetterAndSeesItGone() {
    var request = letters.sendRequest();
    signIn("lead");
    click("Dead letters");
    awaitText(text -> text.contains("too_old") && text.contains("" + request.id()));
    click("Replay");
    awaitText(
        text -> text.contains("is sent again as request ") && text.contains("No dead letters."));
    assertThat(database.onlySent().envelope().requestedBy().user()).isEqualTo("app");
    assertNoErrors();
  }

  @Test
  void theListAndALetterAreForEverybodysEyes() throws IOException {
    letters.sendRequest();
    letters.send("malformed", TestLetters.bytes("<script>alert(1)</script>"), "no signature");
    signIn("lead");
    assertAccessible("/dead-letters");
    assertAccessible("/dead-letters/1/0");
    assertAccessibleToo("/dead-letters/0/0");
    assertNoErrors();
  }

  @Test
  void anotherRoleSeesNoSuchPage() {
    letters.sendRequest();
    signIn("app");
    assertThat(browser().findElements(By.linkText("Requests"))).hasSize(1);
    assertThat(browser().findElements(By.linkText("Dead letters"))).isEmpty();
    open("/dead-letters");
    awaitText(text -> text.contains("This page is for members of pgoffload_operator."));
  }
}
