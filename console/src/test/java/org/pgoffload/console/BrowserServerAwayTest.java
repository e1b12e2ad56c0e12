package org.pgoffload.console;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.openqa.selenium.WindowType;
import org.pgoffload.schema.Session;
import org.pgoffload.schema.TestServer;

/// Pages that are open while the database goes away and comes back. The one test leaves the test's
/// own sessions broken.
final class BrowserServerAwayTest extends WithBrowser {
  @Test
  void pagesSayThatTheDatabaseIsAwayAndGoOnByThemselves() {
    var id = database.inserted("app");
    signIn("app");
    open("/requests/" + id);
    awaitText(text -> text.contains("queued"));
    var request = browser().getWindowHandle();
    browser().switchTo().newWindow(WindowType.TAB);
    open("/overview");
    awaitText(text -> text.replace('\n', ' ').contains("1 queued"));
    var overview = browser().getWindowHandle();
    var server = TestServer.of(version);
    server.stop();
    try {
      awaitText(text -> text.contains("The database does not answer."));
      browser().switchTo().window(request);
      // what it has shown stays
      awaitText(
          text -> text.contains("The database does not answer.") && text.contains("Request " + id));
    } finally {
      server.startAgain();
    }
    awaitText(text -> !text.contains("The database does not answer."));
    try (var admin = Session.open(database.address())) {
      admin.run(
          """
          insert into pgoffload.llm_result (id, kind, status, requested_by_oid, answer, attempts, finished_at)
          values (?, 'ask', 'succeeded', 'app'::regrole, 'It has come back.', 1, now())
          """,
          id);
    }
    // signed in still, without another password
    awaitText(text -> text.contains("It has come back.") && text.contains("Sign out"));
    browser().switchTo().window(overview);
    awaitText(
        text -> !text.contains("does not answer") && text.replace('\n', ' ').contains("0 queued"));
    browser().close();
    browser().switchTo().window(request);
    open("/requests");
    assertThat(text()).contains("succeeded");
  }
}
