package org.pgoffload.console;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// What the console costs the database while nobody has a page open: nothing.
@Timeout(120)
final class NobodyLooksTest extends WithConsole {
  private static final String SESSIONS =
      """
      select (select count(*) from pg_stat_activity where application_name = 'pgoffload console')
             || ' open of ' || (select sessions from pg_stat_database where datname = current_database())
      """;

  @Test
  void theDatabaseHasNoSessionOfTheConsoleWhileNobodyLooks() throws IOException {
    var reader = signedIn("app");
    for (var path : new String[] {"/overview", "/requests", "/models", "/usage", "/maintained"}) {
      assertThat(reader.get(path).statusCode()).isEqualTo(200);
    }
    try (var page = openOverview(reader)) {
      assertThat(page.getInputStream().read()).isPositive();
      // while somebody looks, sessions come and go
      var seen = sessions();
      Awaitility.await().atMost(Duration.ofSeconds(20)).until(() -> !sessions().equals(seen));
    }
    // the closed page is noticed by what is sent to it; then there is no look for longer than
    // a page that keeps itself up to date waits for its next one
    var last = new String[] {""};
    Awaitility.await()
        .atMost(Duration.ofSeconds(20))
        .pollInterval(Duration.ofMillis(100))
        .during(Duration.ofSeconds(6))
        .until(() -> {
          var before = last[0];
          last[0] = sessions();
          return last[0].startsWith("0 open") && last[0].equals(before);
        });
    // signed in all the while
    assertThat(reader.get("/requests").statusCode()).isEqualTo(200);
  }

  /// As a browser whose page is closed at once: the connection goes with it.
  private Socket openOverview(Reader reader) throws IOException {
    var address = URI.create(console.url());
    var page = new Socket(address.getHost(), address.getPort());
    page.getOutputStream()
        .write(
            """
            GET /overview/events HTTP/1.1\r
            Host: %s\r
            Cookie: pgoffload_%d=%s\r
            Accept: text/event-stream\r
            \r
            """
                .formatted(address.getAuthority(), address.getPort(), reader.sessionId())
                .getBytes(StandardCharsets.US_ASCII));
    return page;
  }

  /// How many the console has open, and how many the database has ever had of anybody.
  private String sessions() {
    return String.valueOf(database.admin().value(SESSIONS));
  }
}
