package org.pgoffload.schema;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// Pausing and resuming models and roles, and the log of actions.
final class PausesTest extends OnPostgresVersions {
  private Session ops;

  @BeforeEach
  void logIn() {
    database.admin().run("delete from pgoffload.pause");
    database.admin().run("delete from pgoffload.action");
    database
        .admin()
        .run("update pgoffload.setting set value = '10 min' where name = 'worker_dead_after'");
    ops = closedAfterTheTest(database.open("ops"));
  }

  private static final String PAUSED =
      "select model, provider, role, paused_by, reason from pgoffload_paused order by since";

  @Test
  void anOperatorPausesAModelAndAProviderAndResumesThem() {
    assertThat(ops.value("select pgoffload_pause_model('gpt-5', 'openai', 'too dear')"))
        .isEqualTo("t");
    assertThat(ops.value("select pgoffload_pause_model('gpt-5', 'openai', 'again')"))
        .isEqualTo("f");
    assertThat(ops.value("select pgoffload_pause_model(provider => 'mistral')")).isEqualTo("t");
    assertThat(ops.rows(PAUSED))
        .containsExactly("gpt-5|openai|null|ops|too dear", "null|mistral|null|ops|null");
    // every user sees what keeps a model from answering
    try (var app = database.open("app")) {
      assertThat(app.rows(PAUSED)).hasSize(2);
    }
    try (var worker = database.worker("w")) {
      assertThat(worker.session().value("select pgoffload.current_pauses()"))
          .isEqualTo(
              "[{\"model\": \"gpt-5\", \"provider\": \"openai\"}, {\"provider\": \"mistral\"}]");
    }
    assertThat(ops.value("select pgoffload_resume_model('gpt-5')")).isEqualTo("f");
    assertThat(ops.value("select pgoffload_resume_model('gpt-5', 'openai')")).isEqualTo("t");
    assertThat(ops.value("select pgoffload_resume_model(null, 'mistral')")).isEqualTo("t");
    assertThat(ops.rows(PAUSED)).isEmpty();
    try (var worker = database.worker("w")) {
      assertThat(worker.session().value("select pgoffload.current_pauses()")).isNull();
    }
  }

  @Test
  void anOperatorPausesARole() {
    assertThat(ops.value("select pgoffload_pause_role('app', 'runs wild')")).isEqualTo("t");
    assertThat(ops.value("select pgoffload_pause_role('app')")).isEqualTo("f");
    assertThat(ops.rows(PAUSED)).containsExactly("null|null|app|ops|runs wild");
    try (var app = database.open("app");
        var lead = database.open("lead");
        var mallory = database.open("mallory")) {
      assertThat(app.rows(PAUSED)).hasSize(1);
      assertThat(lead.rows(PAUSED)).hasSize(1);
      // another's is not its business
      assertThat(mallory.rows(PAUSED)).isEmpty();
    }
    assertThat(ops.value("select pgoffload_resume_role('app')")).isEqualTo("t");
    assertThat(ops.value("select pgoffload_resume_role('app')")).isEqualTo("f");
  }

  @Test
  void refusesToPauseNothing() {
    for (var nothing :
        new String[] {
          "pgoffload_pause_model()",
          "pgoffload_pause_model('')",
          "pgoffload_pause_model('m', '')",
          "pgoffload_resume_model()"
        }) {
      var refused = ops.refused("select " + nothing);
      assertThat(refused.state()).isEqualTo("22023");
      assertThat(refused.message()).isEqualTo("neither a model nor a provider is named");
    }
    assertThat(ops.refused("select pgoffload_pause_role(null)").state()).isEqualTo("22004");
    assertThat(ops.refused("select pgoffload_pause_role('no_such_role')").state())
        .isEqualTo("42704");
  }

  @Test
  void notesWhoHasPausedAndResumedWhat() {
    ops.run("select pgoffload_pause_model('m', null, 'why')");
    ops.run("select pgoffload_resume_model('m')");
    // however it is done
    ops.run("select pgoffload_pause_role('app')");
    database.admin().run("delete from pgoffload.pause");
    assertThat(
            ops.rows(
                "select what, names, role_name, session_name, detail ->> 'reason', client_address is null"
                    + " from pgoffload.action order by number"))
        .containsExactly(
            "pause_model|{m}|ops|ops|why|f",
            "resume_model|{m}|ops|ops|why|f",
            "pause_role|{app}|ops|ops|null|f",
            "resume_role|{app}|postgres|postgres|null|f");
    // what is rolled back was not done
    ops.run("begin");
    ops.run("select pgoffload_pause_model('m')");
    ops.run("rollback");
    assertThat(ops.number("select count(*) from pgoffload.action")).isEqualTo(4);
  }

  @Test
  void aUserNotesItsOwnActionsAndReadsThemAlone() {
    try (var app = database.open("app");
        var mallory = database.open("mallory")) {
      app.run("set application_name = 'pgoffload console'");
      app.run(
          "select pgoffload.note_action('cancel', array[1, 2], null, '{\"filter\": \"status\"}')");
      mallory.run("select pgoffload.note_action('retry', array[3])");
      var read =
          "select what, ids, role_name, role_oid::regrole, application from pgoffload.action order by number";
      assertThat(app.rows(read)).containsExactly("cancel|{1,2}|app|app|pgoffload console");
      assertThat(mallory.rows("select what from pgoffload.action")).containsExactly("retry");
      assertThat(ops.rows("select what from pgoffload.action order by number"))
          .containsExactly("cancel", "retry");
      assertThat(app.refused("select pgoffload.note_action('')").state()).isEqualTo("23514");
      // a role that was set is the one that acts, and the login is known
      try (var lead = database.open("lead")) {
        lead.run("set role app");
        lead.run("select pgoffload.note_action('discard')");
      }
      assertThat(
              app.rows(
                  "select role_name, session_name from pgoffload.action where what = 'discard'"))
          .containsExactly("app|lead");
    }
  }

  @Test
  void saysWhoIsAnOperator() {
    assertThat(ops.value("select pgoffload.is_operator()")).isEqualTo("t");
    try (var app = database.open("app")) {
      assertThat(app.value("select pgoffload.is_operator()")).isEqualTo("f");
    }
  }

  @Test
  void removesOldActions() {
    ops.run("select pgoffload.note_action('cancel')");
    ops.run("select pgoffload.note_action('retry')");
    database
        .admin()
        .run("update pgoffload.action set at = now() - interval '8 days' where what = 'cancel'");
    database.admin().run("select pgoffload.remove_old_rows()");
    assertThat(ops.rows("select what from pgoffload.action")).containsExactly("retry");
  }

  private String health() {
    return ops.rows("select state, detail, advice from llm_health where \"check\" = 'paused'")
        .getFirst();
  }

  @Test
  void healthShowsWhatIsPausedAndWarnsAfterADay() {
    assertThat(health()).isEqualTo("ok|no model and no role is paused|null");
    ops.run("select pgoffload_pause_model('m', 'p', 'too dear')");
    ops.run("select pgoffload_pause_role('app')");
    assertThat(health())
        .matches(
            "ok\\|model p:m is paused by ops for 00:00:\\d\\d \\(too dear\\); role app is paused by"
                + " ops for 00:00:\\d\\d\\|null");
    database
        .admin()
        .run("update pgoffload.pause set since = now() - interval '25 hours' where model = 'm'");
    assertThat(health()).startsWith("warning|").contains("1 day 01:00:0", "pgoffload_resume_model");
  }
}
