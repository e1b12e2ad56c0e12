package org.pgoffload.schema;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// Handles of other transactions, behind a pooler: of tasks of which no worker may have heard.
/// ApplicationsBehindPoolersTest has a pooler itself.
@SuppressWarnings("NullAway.Init") // set before each test
final class PooledHandleTest extends WithSqlWorker {
  /// A client of ann's role, and one of another.
  private Session second;

  private Session bea;

  @BeforeEach
  void share() {
    second = closedAfterTheTest(database.open("ann"));
    bea = closedAfterTheTest(database.open("bea"));
    for (var client : List.of(second, bea)) {
      client.run("set pgoffload.pooling = 'transaction'");
    }
  }

  @Test
  void aTaskOfAnotherRoleIsUnknownOnceItIsRecorded() {
    var handle = launched("pg_background_launch_v2", "select 1", "null");
    var any =
        "select pg_background_wait_any(array[(%1$s), (%1$s)]::pg_background_handle[])"
            .formatted(handle);
    try (var third = database.open("bea")) {
      third.run("set pgoffload.pooling = 'transaction'");
      var refused =
          database.beginWaiting(
              bea, "PgSleep", () -> bea.refused("select pg_background_wait(" + handle + ")"));
      var none = database.beginWaiting(third, "PgSleep", () -> third.rows(any));
      worker.run(database.onlySent());
      assertThat(refused.join().state()).isEqualTo("42704");
      assertThat(none.join()).containsExactly("null");
    }
    assertThat(second.value("select pg_background_wait(" + handle + ")")).isEqualTo("t");
  }

  @Test
  void anIdOfARangeThatIsGoneIsUnknown() {
    database
        .admin()
        .run("insert into pgoffload.id_range (number, removing_since) values (5000, now())");
    try {
      for (var range : List.of("5000", "5001")) {
        var refused =
            second.refused(
                "select pg_background_wait(777, (%s::bigint << 36) + (1::bigint << 35) + 777)"
                    .formatted(range));
        assertThat(refused.state()).as(range).isEqualTo("42704");
      }
    } finally {
      database.admin().run("delete from pgoffload.id_range where number = 5000");
    }
  }

  @Test
  void aHandleStaysGoodWhenLaterIdsHaveBeenDrawn() {
    var handle = launched("pg_background_launch_v2", "select 1", "null");
    var request = database.onlySent();
    database
        .admin()
        .run("select setval('pgoffload.request_id', nextval('pgoffload.request_id') + 200000)");
    assertThat(second.value("select pg_background_wait(" + handle + ", 1)")).isEqualTo("f");
    database.admin().run("select pgoffload.make_partitions(pgoffload.current_id_range() + 1)");
    database.admin().run("select pgoffload.begin_id_range()");
    var ended =
        database.beginWaiting(
            second, "PgSleep", () -> second.value("select pg_background_wait(" + handle + ")"));
    worker.run(request);
    assertThat(ended.join()).isEqualTo("t");
  }

  @Test
  void anIdAloneOfALaunchThatNoWorkerHasHeardOfIsReferredToItsHandle() {
    var handle = launched("pg_background_launch_v2", "select 1", "null");
    var status = "select sql_status(" + handle.substring(handle.indexOf(", ") + 2) + ")";
    assertThat(second.refused(status).hint()).contains("pg_background_outcome(pid, cookie)");
    assertThat(second.value("select (pg_background_outcome(" + handle + ")).state"))
        .isEqualTo("starting");
    worker.run(database.onlySent());
    assertThat(second.value(status)).isEqualTo("succeeded");
  }

  @Test
  void whatAClientKeepsForTheSessionIsNotTheNextClients() {
    second.run("begin; set local pgoffload.pooling = 'session'");
    var launch = "select pid || ', ' || cookie from pg_background_submit('select 1')";
    assertThat(second.value(launch)).isNotNull();
    var read = second.value(launch);
    second.run("select pg_background_detach(" + read + ")");
    second.run("commit");

    // the next client of the same session
    assertThat(second.value("select pg_background_cancel_all()")).isEqualTo("0");
    assertThat(second.value("select pg_background_detach_all()")).isEqualTo("0");
    assertThat(second.value("select (pg_background_stats()).workers_launched")).isEqualTo("0");
    assertThat(second.value("select (pg_background_outcome(" + read + ")).state"))
        .isEqualTo("starting");
    database.sent();
  }

  @Test
  void aCancellationOfAnotherRolesTaskTellsNothing() {
    var handle = launched("pg_background_launch_v2", "select 1", "null");
    var request = database.onlySent();
    var cancel = "select pg_background_cancel(" + handle + ")";
    bea.run(cancel);
    assertThat(worker.recordCancellation(request.id(), "bea")).isFalse();
    worker.run(request);
    bea.run(cancel);
    assertThat(second.value("select (pg_background_outcome(" + handle + ")).state"))
        .isEqualTo("stopped");
    // longer than it takes to find out that it is another role's
    bea.run("select pg_background_cancel(" + handle + ", 2500)");
  }
}
