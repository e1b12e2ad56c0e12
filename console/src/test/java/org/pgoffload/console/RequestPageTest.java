package org.pgoffload.console;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import org.junit.jupiter.api.Test;

/// The page of one request.
final class RequestPageTest extends WithConsole {
  @Test
  void showsWhatWasAskedAnsweredAndMeasured() {
    long id;
    try (var session = database.open("app")) {
      id =
          session.number(
              "insert into llm_request (prompt, system, tags) values ('Why is the sky blue?', 'Be short.', '{\"a\": 1}') returning id");
    }
    database.record(database.answered(id, "app", "Rayleigh scattering."));
    assertThat(signedIn("app").get("/requests/" + id).body())
        .contains("Why is the sky blue?", "Be short.", "Rayleigh scattering.")
        .contains("succeeded", "echo-1", "250 ms", "1.5 s", "Claimed", "Ended")
        .contains(
            "insert into llm_request (prompt, system, tags) values ('Why is the sky blue?', 'Be short.'");
  }

  @Test
  void showsAnAnswerFullOfScriptAsText() {
    var id = database.inserted("app");
    database.record(
        database.answered(id, "app", "<script>alert(1)</script><img src=x onerror=alert(2)>"));
    assertThat(signedIn("app").get("/requests/" + id).body())
        .contains("&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror=alert(2)&gt;")
        .doesNotContain("<script>alert")
        .doesNotContain("<img src=x");
  }

  @Test
  void showsWhyARequestHasFailed() {
    var id = database.inserted("app");
    database.record(database.ended(id, "app", "failed", "rate_limited", "slow <b>down</b>"));
    assertThat(signedIn("app").get("/requests/" + id).body())
        .contains("rate_limited")
        .contains("slow &lt;b&gt;down&lt;/b&gt;");
  }

  @Test
  void hidesAnothersRequestAndWhetherThereIsOne() {
    var id = database.inserted("app");
    var reader = signedIn("mallory");
    var reply = reader.get("/requests/" + id);
    assertThat(reply.statusCode()).isEqualTo(404);
    assertThat(reply.body()).contains("There is no request " + id + " that you may see.");
    assertThat(reader.get("/requests/99999999").statusCode()).isEqualTo(404);
    assertThat(reader.get("/requests/x").statusCode()).isEqualTo(404);
    assertThat(reader.post("/requests/" + id + "/cancel", Map.of()).statusCode()).isEqualTo(404);
    assertThat(reader.post("/requests/" + id + "/retry", Map.of()).statusCode()).isEqualTo(404);
  }

  @Test
  void hidesTextsUntilTheyAreAskedForWhereTheInstallationSaysSo() {
    long id;
    try (var session = database.open("app")) {
      id =
          session.number(
              "insert into llm_request (prompt) values ('a secret of ours') returning id");
    }
    var hiding = console(database.address(), false, true);
    var reader = closedAfterTheTest(Reader.signedIn(hiding, "app"));
    assertThat(reader.get("/requests/" + id).body())
        .doesNotContain("a secret of ours")
        .contains("Show the texts");
    assertThat(reader.get("/requests/" + id + "?texts=shown").body()).contains("a secret of ours");
  }

  @Test
  void saysWhyARequestWaits() {
    var id = database.inserted("app");
    assertThat(signedIn("app").get("/requests/" + id).body())
        .contains("class=\"why\"")
        .contains("it is not captured");
  }

  @Test
  void cancelsARequestThatWaits() {
    var id = database.inserted("app");
    database.sent();
    var reader = signedIn("app");
    assertThat(reader.get("/requests/" + id).body()).contains("queued").contains("Cancel");
    assertThat(reader.postAndFollow("/requests/" + id + "/cancel", Map.of()).body())
        .contains("Cancellation of " + id + " is under way.");
    assertThat(database.onlySent().text()).contains("cancel").contains("" + id);
  }

  @Test
  void repeatsARequestThatHasEnded() {
    var id = database.inserted("app");
    database.record(database.ended(id, "app", "failed", "rate_limited", "slow down"));
    var reader = signedIn("app");
    reader.get("/requests/" + id);
    var again = reader.postAndFollow("/requests/" + id + "/retry", Map.of()).body();
    assertThat(again).contains("repeats " + id);
    assertThat(database.admin().number("select count(*) from llm_request where retry_of = ?", id))
        .isEqualTo(1);
    assertThat(
            database
                .admin()
                .rows(
                    "select what, ids, role_name from pgoffload.action order by number desc limit 1"))
        .containsExactly("retry|{" + id + "}|app");
  }

  @Test
  void saysTheServersWordsWhereItRefuses() {
    var id = database.inserted("app");
    var reader = signedIn("app");
    reader.get("/requests/" + id);
    var reply = reader.post("/requests/" + id + "/retry", Map.of());
    assertThat(reply.statusCode()).isEqualTo(422);
    assertThat(reply.body())
        .contains("is still queued")
        .contains("55000")
        .doesNotContain("at org.");
  }

  @Test
  void showsTheRowsOfBackgroundSql() {
    long id;
    try (var session = database.open("ann")) {
      id =
          session.number(
              "insert into sql_request (command, label) values ('select n, ''<i>'' || n as t, null as x from generate_series(1, 3) n', 'rows') returning id");
    }
    try (var worker = database.sqlWorker("w")) {
      worker.runAll();
    }
    assertThat(signedIn("ann").get("/requests/" + id).body())
        .contains(
            "generate_series(1, 3)", ">rows<", "&lt;i&gt;2", "<span class=\"muted\">null</span>")
        .contains("succeeded", "SELECT 3");
  }

  @Test
  void repeatsBackgroundSqlUnderTheSettingsThatItHad() {
    long id;
    try (var session = database.open("ann")) {
      session.run("set search_path = nowhere, public");
      session.run("set work_mem = '7MB'");
      session.run("set pgoffload.forward_settings = 'app.tenant'");
      session.run("set app.tenant = '7'");
      id =
          session.number(
              "insert into public.sql_request (command, label) values ('select 1', 'l') returning id");
    }
    try (var worker = database.sqlWorker("w")) {
      worker.runAll();
    }
    var reader = signedIn("ann");
    reader.get("/requests/" + id);
    assertThat(reader.postAndFollow("/requests/" + id + "/retry", Map.of()).statusCode())
        .isEqualTo(200);
    assertThat(
            database
                .admin()
                .rows(
                    "select distinct command, label, settings, requested_by from sql_request where label = 'l'"))
        .hasSize(1);
    assertThat(database.admin().number("select count(*) from sql_request where label = 'l'"))
        .isEqualTo(2);
  }

  @Test
  void repeatsNoCommandOfAnotherRole() {
    long id;
    try (var session = database.open("ann")) {
      id = session.number("insert into sql_request (command) values ('select 1') returning id");
    }
    var reader = signedIn("chief");
    assertThat(reader.get("/requests/" + id).statusCode()).isEqualTo(200);
    var reply = reader.post("/requests/" + id + "/retry", Map.of());
    assertThat(reply.statusCode()).isEqualTo(403);
    assertThat(reply.body()).contains("Only the role that has launched a command can repeat it.");
  }
}
