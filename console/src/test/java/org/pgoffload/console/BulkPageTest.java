package org.pgoffload.console;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// What is done to all that a filter lets through.
final class BulkPageTest extends WithConsole {
  @BeforeEach
  void forgetRequests() {
    database
        .admin()
        .run(
            "truncate llm_request, sql_request, pgoffload.llm_result, pgoffload.sql_result, pgoffload.claim, pgoffload.cancellation");
    database.sent();
  }

  @Test
  void repeatsTheFailedOnesAfterItHasSaidHowMany() {
    for (int i = 0; i < 3; i++) {
      var id = database.inserted("app");
      database.record(database.ended(id, "app", "failed", "rate_limited", "slow down"));
    }
    var other = database.inserted("app");
    database.record(database.ended(other, "app", "failed", "refused", "no"));
    var foreign = database.inserted("mallory");
    database.record(database.ended(foreign, "mallory", "failed", "rate_limited", "slow down"));
    var reader = signedIn("app");
    var question = reader.get("/requests/bulk?action=retry&error=rate_limited").body();
    assertThat(question).contains("Repeat 3 requests?");
    // what comes later is left alone
    var later = database.inserted("app");
    database.record(database.ended(later, "app", "failed", "rate_limited", "slow down"));
    var fields = Map.of("action", "retry", "error", "rate_limited", "up_to", upTo(question));
    assertThat(reader.postAndFollow("/requests/bulk", fields).body())
        .contains("3 requests were repeated.");
    assertThat(database.admin().rows("select retry_of from llm_request where retry_of is not null"))
        .hasSize(3)
        .doesNotContain("" + later, "" + other, "" + foreign);
  }

  @Test
  void cancelsWhatWaitsOfBothKinds() {
    try (var session = database.open("mallory")) {
      session.run("insert into llm_request (prompt) values ('a'), ('b')");
      session.run("insert into sql_request (command) values ('select 1')");
    }
    var ended = database.inserted("mallory");
    database.record(database.answered(ended, "mallory", "a"));
    database.sent();
    var reader = signedIn("mallory");
    var question = reader.get("/requests/bulk?action=cancel").body();
    assertThat(question).contains("Cancel 3 requests?");
    var fields = Map.of("action", "cancel", "up_to", upTo(question));
    assertThat(reader.postAndFollow("/requests/bulk", fields).body())
        .contains("Cancellation of 3 requests is under way.");
    assertThat(database.sent()).hasSize(3).allMatch(sent -> sent.text().contains("cancel"));
  }

  @Test
  void leavesOutCommandsOfOtherRoles() {
    try (var session = database.open("ann")) {
      session.run("insert into sql_request (command) values ('select 1/0')");
    }
    try (var worker = database.sqlWorker("w")) {
      worker.runAll();
    }
    var reader = signedIn("chief");
    var question = reader.get("/requests/bulk?action=retry").body();
    assertThat(
            reader
                .postAndFollow("/requests/bulk", Map.of("action", "retry", "up_to", upTo(question)))
                .body())
        .contains("0 requests were repeated. 1 were left as they are.");
  }

  @Test
  void repeatsEachTaskUnderItsOwnSettings() {
    launched("select 1", "set app.tenant = '7'", "set app.region = 'north'");
    launched("select 2");
    launched("select 3", "set app.tenant = '8'");
    launched("select 4", "set app.tenant = '7'", "set app.region = 'north'");
    try (var worker = database.sqlWorker("w")) {
      worker.runAll();
    }
    var before = database.admin().rows(TASKS + "order by id");
    assertThat(before).hasSize(4).doesNotHaveDuplicates();
    var reader = signedIn("ann");
    var question = reader.get("/requests/bulk?action=retry").body();
    assertThat(
            reader
                .postAndFollow("/requests/bulk", Map.of("action", "retry", "up_to", upTo(question)))
                .body())
        .contains("4 requests were repeated.");
    assertThat(database.admin().rows(TASKS + "order by id desc limit 4"))
        .containsExactlyInAnyOrderElementsOf(before);
  }

  @Test
  void repeatsInTheOrderInWhichItWasAsked() {
    for (var prompt : List.of("first", "second", "third")) {
      try (var session = database.open("app")) {
        var id = session.number("insert into llm_request (prompt) values (?) returning id", prompt);
        database.record(database.ended(id, "app", "failed", "rate_limited", "slow down"));
      }
    }
    var reader = signedIn("app");
    var question = reader.get("/requests/bulk?action=retry").body();
    reader.postAndFollow("/requests/bulk", Map.of("action", "retry", "up_to", upTo(question)));
    assertThat(
            database
                .admin()
                .rows("select prompt from llm_request where retry_of is not null order by id"))
        .containsExactly("first", "second", "third");
  }

  private static final String TASKS = "select command, settings from sql_request ";

  /// A task of an application that has some settings of its own go with its tasks.
  private void launched(String command, String... settings) {
    try (var session = database.open("ann")) {
      session.run("set pgoffload.forward_settings = 'app.tenant, app.region'");
      for (var setting : settings) {
        session.run(setting);
      }
      session.run("insert into sql_request (command) values (?)", command);
    }
  }

  @Test
  void asksForAnActionThatItKnows() {
    assertThat(signedIn("app").get("/requests/bulk?action=drop").statusCode()).isEqualTo(400);
  }

  private static String upTo(String question) {
    return question.replaceAll("(?s).*name=\"up_to\" value=\"(\\d+)\".*", "$1");
  }
}
