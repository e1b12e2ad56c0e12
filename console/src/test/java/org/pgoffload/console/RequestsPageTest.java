package org.pgoffload.console;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// The list of requests.
final class RequestsPageTest extends WithConsole {
  private static final Pattern ROW = Pattern.compile("<a href=\"/requests/(\\d+)\">");
  private static final Pattern NEXT = Pattern.compile("rel=\"next\" href=\"([^\"]+)\"");

  @BeforeEach
  void forgetRequests() {
    database
        .admin()
        .run(
            "truncate llm_request, sql_request, pgoffload.llm_result, pgoffload.sql_result, pgoffload.claim");
  }

  @Test
  void showsARoleItsOwnRequestsOfBothKindsTheNewestFirst() {
    var asked = database.inserted("mallory");
    long launched;
    try (var session = database.open("mallory")) {
      launched =
          session.number("insert into sql_request (command) values ('select 1') returning id");
    }
    database.inserted("app");
    assertThat(ids(signedIn("mallory"), "/requests")).containsExactly(launched, asked);
    assertThat(ids(signedIn("ann"), "/requests")).isEmpty();
    // whose privileges are inherited
    assertThat(ids(signedIn("lead"), "/requests")).hasSize(1);
  }

  @Test
  void saysWhatToDoWhereNothingWasAsked() {
    assertThat(signedIn("app").get("/requests").body())
        .contains("Nothing was asked yet.")
        .contains("insert into llm_request");
  }

  @Test
  void filtersByWhatStandsInTheAddress() {
    long plain;
    long tagged;
    long embedding;
    try (var session = database.open("app")) {
      plain =
          session.number(
              "insert into llm_request (prompt, model) values ('The Sky', 'm-1') returning id");
      tagged =
          session.number(
              "insert into llm_request (prompt, tags, provider) values ('sea', '{\"ticket\": 4711}', 'openai') returning id");
      embedding =
          session.number(
              "insert into llm_request (kind, prompt) values ('embed', 'land') returning id");
    }
    database.record(
        database.answered(plain, "app", "blue"),
        database.ended(tagged, "app", "failed", "rate_limited", "slow down"));
    var reader = signedIn("app");
    assertThat(ids(reader, "/requests")).containsExactly(embedding, tagged, plain);
    assertThat(ids(reader, "/requests?status=succeeded")).containsExactly(plain);
    assertThat(ids(reader, "/requests?status=failed")).containsExactly(tagged);
    assertThat(ids(reader, "/requests?status=queued")).containsExactly(embedding);
    assertThat(ids(reader, "/requests?status=running")).isEmpty();
    assertThat(ids(reader, "/requests?kind=embed")).containsExactly(embedding);
    assertThat(ids(reader, "/requests?kind=sql")).isEmpty();
    assertThat(ids(reader, "/requests?error=rate_limited")).containsExactly(tagged);
    assertThat(ids(reader, "/requests?text=sky")).containsExactly(plain);
    assertThat(ids(reader, "/requests?tag=ticket")).containsExactly(tagged);
    assertThat(ids(reader, "/requests?tag=ticket%3D4711")).containsExactly(tagged);
    assertThat(ids(reader, "/requests?tag=ticket%3D1")).isEmpty();
    assertThat(ids(reader, "/requests?role=app")).hasSize(3);
    assertThat(ids(reader, "/requests?role=lead")).isEmpty();
    assertThat(ids(reader, "/requests?model=echo-1")).containsExactly(tagged, plain);
    assertThat(ids(reader, "/requests?from=2026-01-01T00:00")).hasSize(3);
    assertThat(ids(reader, "/requests?until=2026-01-01T00:00Z")).isEmpty();
  }

  @Test
  void filtersBackgroundSqlByItsLabelAndItsState() {
    long labelled;
    try (var session = database.open("ann")) {
      labelled =
          session.number(
              "insert into sql_request (command, label) values ('select 1/0', 'nightly') returning id");
      session.run("insert into sql_request (command) values ('select 2')");
    }
    try (var worker = database.sqlWorker("w")) {
      worker.runAll();
    }
    var reader = signedIn("ann");
    assertThat(ids(reader, "/requests?label=nightly")).containsExactly(labelled);
    assertThat(ids(reader, "/requests?error=22012")).containsExactly(labelled);
    assertThat(ids(reader, "/requests?status=succeeded")).hasSize(1);
    assertThat(ids(reader, "/requests?model=m")).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(strings = {"status=done", "kind=chat", "from=yesterday", "before=x"})
  void saysWhatAValueOfTheAddressMayBe(String query) {
    var reply = signedIn("app").get("/requests?" + query);
    assertThat(reply.statusCode()).isEqualTo(400);
    assertThat(reply.body()).contains("bad_request");
  }

  @Test
  void takesAFilterForNothingButAValue() {
    database.inserted("app");
    var reader = signedIn("app");
    assertThat(ids(reader, "/requests?text=%27%20or%20true--")).isEmpty();
    assertThat(reader.get("/requests?text=%22%3E%3Cscript%3Ealert(1)%3C/script%3E").body())
        .doesNotContain("<script>alert")
        .contains("&lt;script>alert(1)&lt;/script>");
  }

  @Test
  void pagesByIdThroughAllOfThem() {
    try (var session = database.open("app")) {
      session.run(
          "insert into llm_request (prompt) select 'p' || n from generate_series(1, 120) n");
    }
    var reader = signedIn("app");
    var all = new ArrayList<Long>();
    var page = reader.get("/requests").body();
    for (int i = 0; i < 3; i++) {
      all.addAll(idsOf(page));
      var next = NEXT.matcher(page);
      if (i < 2) {
        assertThat(next.find()).isTrue();
        page = reader.get(next.group(1).replace("&amp;", "&")).body();
      } else {
        assertThat(next.find()).isFalse();
      }
    }
    assertThat(all)
        .hasSize(120)
        .doesNotHaveDuplicates()
        .isSortedAccordingTo((a, b) -> Long.compare(b, a));
  }

  @Test
  void searchesOnWhereOthersHaveAskedMillions() {
    var first = database.inserted("mallory");
    database
        .admin()
        .run(
            """
            insert into llm_request (prompt, requested_by, requested_by_oid)
            select 'p', 'app', 'app'::regrole::oid from generate_series(1, 30000)
            """);
    // all of them lie between the top and the one
    assertThat(ids(signedIn("mallory"), "/requests")).containsExactly(first);
    assertThat(ids(signedIn("app"), "/requests?text=nothing")).isEmpty();
  }

  @Test
  void findsWhatWasAskedAtATimeWithoutSearchingThroughWhatCameLater() {
    database
        .admin()
        .run(
            """
            insert into llm_request (prompt, requested_by, requested_by_oid, created_at)
            select 'p', 'app', 'app'::regrole::oid, clock_timestamp() + n * interval '1 s' from generate_series(1, 20000) n
            """);
    var at =
        database
            .admin()
            .value(
                "select to_char((created_at at time zone 'UTC'), 'YYYY-MM-DD\"T\"HH24:MI:SS') from llm_request order by id offset 9999 limit 1");
    var reader = signedIn("app");
    var first = database.admin().number("select min(id) from llm_request");
    var before = ids(reader, "/requests?until=" + at);
    assertThat(before).hasSize(50);
    assertThat(before.getFirst()).isBetween(first + 9_990, first + 10_000);
    // the database's own answer is a minute late at most, and never early
    assertThat(database.admin().number("select pgoffload.request_id_at(?::timestamptz)", at + "Z"))
        .isBetween(first + 10_000, first + 10_070);
    assertThat(ids(reader, "/requests?from=" + at + "&until=" + at)).isEmpty();
  }

  @Test
  void leavesTextsOutWhereTheInstallationSaysSo() {
    try (var session = database.open("app")) {
      session.run("insert into llm_request (prompt) values ('a secret of ours')");
    }
    var hiding = console(database.address(), false, true);
    var reader = closedAfterTheTest(Reader.signedIn(hiding, "app"));
    assertThat(reader.get("/requests").body()).doesNotContain("a secret of ours");
    assertThat(signedIn("app").get("/requests").body()).contains("a secret of ours");
  }

  private static List<Long> ids(Reader reader, String path) {
    var reply = reader.get(path);
    assertThat(reply.statusCode()).as(reply.body()).isEqualTo(200);
    return idsOf(reply.body());
  }

  private static List<Long> idsOf(String page) {
    return ROW.matcher(page).results().map(row -> Long.valueOf(row.group(1))).toList();
  }
}
