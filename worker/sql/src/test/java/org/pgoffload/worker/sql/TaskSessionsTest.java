package org.pgoffload.worker.sql;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import java.sql.SQLException;
import java.time.Duration;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.pgoffload.worker.sql.sessions.SqlLimits;
import org.pgoffload.worker.sql.sessions.TaskLogin;
import org.pgoffload.worker.sql.sessions.TaskSession;
import org.pgoffload.worker.sql.sessions.TaskSessions;

final class TaskSessionsTest {
  private static final Duration AT_ONCE = Duration.ofMillis(1);

  @AutoClose private static final TestDatabase database = new TestDatabase();

  @AutoClose
  private final TaskSessions sessions =
      new TaskSessions(
          database::tasks, database.roles(), "w", new SqlLimits(3, 2, Duration.ofSeconds(60)));

  private TaskSession borrow(String login, int depth) throws Exception {
    return sessions.borrow(database.oid(login), depth, Duration.ofSeconds(5)).orElseThrow();
  }

  private static String count(String condition) throws SQLException {
    return database.query(
        "select count(*) from pg_stat_activity where usename in ('alice', 'bob') and " + condition);
  }

  @Test
  void areBoundedForEachRoleAndInAllAtEachDepth() throws Exception {
    var first = borrow("alice", 0);
    borrow("alice", 0);
    assertThat(sessions.borrow(database.oid("alice"), 0, AT_ONCE)).isEmpty();
    borrow("bob", 0);
    assertThat(sessions.borrow(database.oid("bob"), 0, AT_ONCE)).isEmpty();
    borrow("alice", 1);
    sessions.giveBack(first, 0);
    assertThat(borrow("alice", 0).identity()).isEqualTo(first.identity());
  }

  @Test
  void thatRestGiveWayToAnotherRoles() throws Exception {
    for (var login : new String[] {"alice", "bob"}) {
      var one = borrow(login, 0);
      sessions.giveBack(one, 0);
    }
    var first = borrow("alice", 0);
    borrow("alice", 0);
    sessions.giveBack(first, 0);
    borrow("bob", 0);
    borrow("bob", 0);
    assertThat(count("true")).isEqualTo("3");
  }

  @Test
  void thatRestTooLongAreClosed() throws Exception {
    try (var impatient =
        new TaskSessions(
            database::tasks, database.roles(), "w", new SqlLimits(3, 2, Duration.ofMillis(100)))) {
      var session = impatient.borrow(database.oid("bob"), 0, Duration.ofSeconds(5)).orElseThrow();
      impatient.giveBack(session, 0);
      await()
          .atMost(Duration.ofSeconds(30))
          .until(() -> count("pid = " + session.identity().pid()).equals("0"));
    }
  }

  @Test
  void thatWereCancelledOrBrokenAreNotUsedAgain() throws Exception {
    var cancelled = borrow("alice", 0);
    cancelled.cancel();
    sessions.giveBack(cancelled, 0);
    var next = borrow("alice", 0);
    assertThat(next.identity()).isNotEqualTo(cancelled.identity());
    database.execute("select pg_terminate_backend(" + next.identity().pid() + ")");
    assertThatThrownBy(() -> next.connection().createStatement().execute("select 1"))
        .isInstanceOf(SQLException.class);
    sessions.giveBack(next, 0);
    assertThat(borrow("alice", 0).identity()).isNotEqualTo(next.identity());
  }

  /// As when the worker is killed: the kernel closes its connections.
  @Test
  void thatExecuteEndWithTheirWorker() throws Exception {
    // whatever the server or the database has
    database.execute(
        "alter database "
            + database.admin().database()
            + " set client_connection_check_interval = 0");
    var session = borrow("alice", 0);
    var of = "pid = " + session.identity().pid();
    Thread.startVirtualThread(() -> {
      try (var statement = session.connection().createStatement()) {
        statement.execute("select pg_sleep(600)");
      } catch (SQLException e) {
        // its connection is broken off
      }
    });
    await().until(() -> count(of + " and wait_event = 'PgSleep'").equals("1"));
    session.abort();
    await().atMost(Duration.ofSeconds(30)).until(() -> count(of).equals("0"));
  }

  @Test
  void thatDiedWhileTheyRestedAreReplaced() throws Exception {
    var session = borrow("alice", 0);
    sessions.giveBack(session, 0);
    database.execute("select pg_terminate_backend(" + session.identity().pid() + ")");
    // longer than one is trusted without being asked
    await()
        .pollDelay(Duration.ofMillis(1100))
        .atMost(Duration.ofSeconds(30))
        .until(() -> count("pid = " + session.identity().pid()).equals("0"));
    var next = borrow("alice", 0);
    assertThat(next.connection().isValid(5)).isTrue();
  }

  @Test
  void areTheRolesOwnLogins() throws Exception {
    var session = borrow("bob", 0);
    try (var statement = session.connection().createStatement();
        var row =
            statement.executeQuery(
                "select session_user, current_setting('is_superuser'), current_setting('application_name')")) {
      row.next();
      assertThat(row.getString(1)).isEqualTo("bob");
      assertThat(row.getString(2)).isEqualTo("off");
      assertThat(row.getString(3)).isEqualTo("pgoffload worker w");
    }
  }

  @Test
  void areNotHandedToAnotherRoleThatHasTakenTheName() throws Exception {
    database.execute("create role va login; grant pgbackground_role to va");
    var old = database.oid("va");
    var session = sessions.borrow(old, 0, Duration.ofSeconds(5)).orElseThrow();
    sessions.giveBack(session, 0);
    database.execute("alter role va rename to old_va; create role va login");
    var other = borrow("va", 0);
    assertThat(who(other)).isEqualTo("va");
    assertThat(other.identity()).isNotEqualTo(session.identity());
    // and the old one's go on under its new name, and within its own limit
    var again = sessions.borrow(old, 0, Duration.ofSeconds(5)).orElseThrow();
    assertThat(again.identity()).isEqualTo(session.identity());
    assertThat(who(again)).isEqualTo("old_va");
    assertThat(who(sessions.borrow(old, 0, Duration.ofSeconds(5)).orElseThrow()))
        .isEqualTo("old_va");
    sessions.close();
    database.execute("drop role va; drop role old_va");
  }

  @Test
  void ofARoleWhoseNameHasPassedOnBetweenLookUpAndLoginAreClosed() throws Exception {
    var bob = database.oid("bob");
    try (var late =
        new TaskSessions(
            database::tasks,
            oid -> new TaskLogin(oid, "alice", false, ""),
            "late",
            SqlLimits.DEFAULT)) {
      assertThatThrownBy(() -> late.borrow(bob, 0, AT_ONCE))
          .isInstanceOf(TaskSession.WrongRoleException.class)
          .hasMessageContaining("OID " + bob);
      await()
          .atMost(Duration.ofSeconds(30))
          .until(() -> count("application_name = 'pgoffload worker late'").equals("0"));
    }
  }

  @Test
  void cannotBeHadOfARoleThatDoesNotExistAnyMore() throws Exception {
    database.execute("create role va login");
    var oid = database.oid("va");
    database.execute("drop role va; create role va login");
    assertThatThrownBy(() -> sessions.borrow(oid, 0, AT_ONCE))
        .hasFieldOrPropertyWithValue("SQLState", "42704");
    database.execute("drop role va");
  }

  private static String who(TaskSession session) throws SQLException {
    try (var statement = session.connection().createStatement();
        var row = statement.executeQuery("select session_user")) {
      row.next();
      return row.getString(1);
    }
  }

  @Test
  void cannotBeHadOfARoleThatMayNotLogIn() throws Exception {
    var nologin = database.oid("nologin");
    assertThatThrownBy(() -> sessions.borrow(nologin, 0, AT_ONCE))
        .isInstanceOfSatisfying(
            SQLException.class, e -> assertThat(e.getSQLState()).isEqualTo("28000"));
  }
}
