package org.pgoffload.console;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// The first page.
final class OverviewPageTest extends WithConsole {
  @BeforeEach
  void forgetRequests() {
    database
        .admin()
        .run(
            "truncate llm_request, sql_request, pgoffload.llm_result, pgoffload.sql_result, pgoffload.claim");
  }

  @Test
  void showsWhatWaitsFailsAndTakesLong() {
    var waiting = database.inserted("app");
    var failed = database.inserted("app");
    database.inserted("mallory");
    database.record(database.ended(failed, "app", "failed", "rate_limited", "slow down"));
    var page = signedIn("app").get("/overview").body();
    assertThat(page)
        .contains("<b>1</b> queued")
        .contains("rate_limited")
        .contains("1.5 s")
        .contains("no worker is alive")
        .doesNotContain("class=\"badge ok\"");
    assertThat(waiting).isPositive();
  }

  @Test
  void showsARoleForBackgroundSqlWhatItMaySee() {
    var reply = signedIn("ann").get("/overview");
    assertThat(reply.statusCode()).isEqualTo(200);
    assertThat(reply.body()).contains("queued").doesNotContain("tokens in the last hour");
  }

  @Test
  void tellsOfChangesWithoutBeingAsked() throws IOException {
    var reader = signedIn("app");
    try (var events = reader.stream("/overview/events")) {
      var lines = new BufferedReader(new InputStreamReader(events, StandardCharsets.UTF_8));
      assertThat(until(lines, " queued")).contains("<b>0</b> queued");
      database.inserted("app");
      String line;
      do {
        line = until(lines, " queued");
      } while (!line.contains("<b>1</b> queued"));
      // and no longer once the role has signed out
      reader.post("/signout", java.util.Map.of());
      while (lines.readLine() != null) {
        // what was on its way
      }
    }
  }

  @Test
  void tellsNobodyWhoIsNotSignedIn() {
    assertThat(reader().get("/overview/events").statusCode()).isEqualTo(204);
  }

  private static String until(BufferedReader lines, String part) throws IOException {
    String line;
    do {
      line = lines.readLine();
      assertThat(line).isNotNull();
    } while (!line.contains(part));
    return line;
  }
}
