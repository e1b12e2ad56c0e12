package org.pgoffload.console;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.concurrent.Executors;
import java.util.stream.Stream;
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
  void readersDoNotQueueUpWhileTheDatabaseHangs() throws Exception {
    var reader = signedIn("app");
    assertThat(reader.get("/overview").body()).doesNotContain("The database has not answered yet.");
    var others = Stream.generate(() -> signedIn("app")).limit(4).toList();
    try (var blocker = database.open("postgres");
        var threads = Executors.newVirtualThreadPerTaskExecutor()) {
      blocker.run("begin");
      blocker.run("lock table llm_request in access exclusive mode");
      // once the last overview is too old, one reader asks the database
      await()
          .pollInterval(Duration.ofMillis(50))
          .until(() -> {
            var _ = threads.submit(() -> reader.get("/overview"));
            return database
                    .admin()
                    .number(
                        "select count(*) from pg_stat_activity where application_name = 'pgoffload console'"
                            + " and wait_event_type = 'Lock'")
                > 0;
          });
      var replies =
          others.stream().map(other -> threads.submit(() -> other.get("/overview"))).toList();
      for (var reply : replies) {
        assertThat(reply.get().statusCode()).isEqualTo(200);
        assertThat(reply.get().body()).contains("The database has not answered yet.");
      }
      blocker.run("rollback");
    }
    await()
        .untilAsserted(() ->
            assertThat(reader.get("/overview").body())
                .contains("queued")
                .doesNotContain("The database has not answered yet."));
  }

  @Test
  void oneRoleDoesNotTakeAllStreams() throws Exception {
    var reader = signedIn("app");
    var streams = new ArrayList<InputStream>();
    try {
      for (int i = 0; i < 20; i++) {
        var stream = reader.stream("/overview/events");
        // it has begun
        assertThat(stream.read()).isEqualTo(':');
        streams.add(stream);
      }
      assertThat(reader.get("/overview/events").statusCode()).isEqualTo(503);
      try (var other = signedIn("mallory").stream("/overview/events")) {
        assertThat(other.read()).isEqualTo(':');
      }
    } finally {
      for (var stream : streams) {
        stream.close();
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
