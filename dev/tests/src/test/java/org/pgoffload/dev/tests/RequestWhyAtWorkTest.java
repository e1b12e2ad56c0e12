package org.pgoffload.dev.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.pgoffload.dev.tests.Sql.awaitRows;
import static org.pgoffload.dev.tests.Sql.execute;
import static org.pgoffload.dev.tests.Sql.value;

import java.sql.SQLException;
import org.junit.jupiter.api.Test;

/// What real workers tell of the requests that they have begun, and of those that wait for these.
class RequestWhyAtWorkTest extends OnSharedInstallation {
  private void awaitState(String id, String state) {
    awaitRows(app, "select state from request_why(" + id + ")", state);
  }

  private String why(String column, String id) throws SQLException {
    return value(app, "select " + column + " from request_why(" + id + ")");
  }

  @Test
  void namesTheCallThatIsUnderWayAndWhatWaitsForItsAnswer() throws SQLException {
    var ask =
        "llm_request (prompt, options) values ('silence of the first', '{\"cache\": \"1 h\"}')";
    var first = insert(ask);
    awaitState(first, "calling");
    assertThat(why("reason", first)).startsWith("call 1, to openai:").contains("under way for");
    assertThat(why("exact and attempt = 1 and worker is not null and since < now()", first))
        .isEqualTo("t");

    var second = insert(ask);
    awaitState(second, "another_answer");

    execute(app, "select llm_cancel(" + second + "), llm_cancel(" + first + ")");
    waitFor(second);
    awaitState(first, "finished");
    assertThat(why("detail ->> 'status'", first)).isEqualTo("cancelled");
  }

  @Test
  void namesTheLockTheKeyAndTheLimitThatTasksWaitFor() throws SQLException {
    execute(app, "create table locked_for_why ()");
    execute(app, "set pg_background.max_workers = 1");
    try (var holder = installation.application().connect("test")) {
      execute(holder, "begin");
      execute(holder, "lock table locked_for_why");
      var pid = value(holder, "select pg_backend_pid()");

      var running =
          insert("sql_request (command, ordering_key) values ('table locked_for_why', 'w')");
      awaitState(running, "running");
      awaitRows(app, "select detail -> 'blocked_by' ->> 0 from request_why(" + running + ")", pid);
      assertThat(why("reason", running)).contains("waits for a lock that session " + pid);
      var next = insert("sql_request (command, ordering_key) values ('select 1', 'w')");
      awaitState(next, "ordering_key");
      assertThat(why("blocker", next)).isEqualTo(running);

      // the one that runs counts for its session too
      var limited = value(app, "select cookie from pg_background_launch_v2('select 1')");
      awaitState(limited, "session_limit");
      assertThat(why("behind", limited)).isEqualTo("0");

      execute(holder, "rollback");
      for (var id : new String[] {running, next, limited}) {
        awaitState(id, "finished");
      }
    } finally {
      execute(app, "drop table locked_for_why");
    }
  }
}
