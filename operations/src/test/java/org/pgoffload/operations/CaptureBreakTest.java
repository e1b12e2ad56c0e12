package org.pgoffload.operations;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.pgoffload.schema.OnPostgresVersions;
import org.pgoffload.schema.PlayedSqlWorker;
import org.pgoffload.schema.SentRequest;
import org.pgoffload.schema.TestDatabase;
import org.pgoffload.schema.TestServer;

/// What becomes of requests that were sent when the slot was lost: the test plays the producer's
/// sweep.
final class CaptureBreakTest extends OnPostgresVersions {
  @BeforeEach
  void forgetBreaks() {
    database.admin().run("delete from pgoffload.capture_break");
    // what the first test inserts is not the installation's very first request
    var first = database.inserted("app");
    database.sent();
    database.record(database.answered(first, "app", "a"));
  }

  @AfterEach
  void endEverything() {
    database.answerAll();
  }

  @Test
  void nothingIsRecordedWhereNobodyHasAskedForAnything() {
    try (var empty = TestServer.of(version).newDatabase()) {
      assertThat(recordBreak(empty)).isEmpty();
      assertThat(empty.inserted("app")).isEqualTo(1);
    }
  }

  @Test
  void beginsARangeOfIdsSoThatEveryRequestOfBeforeIsBelowIt() {
    var before = database.inserted("app");
    assertThat(recordBreak()).hasValueSatisfying(line -> assertThat(line).contains("sends again"));
    var firstId = firstIdOfTheBreak();
    assertThat(before).isLessThan(firstId);
    assertThat(database.inserted("app")).isEqualTo(firstId);
  }

  @Test
  void sendsAgainWhatNobodyHasAnswered() {
    long unclaimed, answered, running, ofADeadWorker, task;
    try (var app = database.open("app");
        var ann = database.open("ann");
        var dead = database.worker("dead")) {
      unclaimed =
          app.number(
              "insert into llm_request (prompt, system, options, timeout, ordering_key, tags) values ('p', 's', '{\"temperature\": 1}', '3 min', 'k', '{\"t\": 1}') returning id");
      var original = database.onlySent();
      answered = database.inserted("app");
      running = database.inserted("app");
      ofADeadWorker = database.inserted("app");
      task =
          ann.number(
              "insert into sql_request (command, label, timeout, ordering_key) values ('select 1', 'l', '1 hour', 'k') returning id");
      var sent = database.sent();
      dead.claim(sent.get(2));
      dead.releaseLease();
      try (var live = database.worker("live")) {
        live.claim(sent.get(1));
        database.record(database.answered(answered, "app", "a"));
        recordBreak();
        var after = database.inserted("app");
        assertThat(database.onlySent().id()).isEqualTo(after);

        assertThat(sweep()).isEqualTo(4);
        var again = database.sent();
        assertThat(again)
            .extracting(SentRequest::id)
            // what runs as well: its record may be gone with a topic
            .containsExactly(unclaimed, running, ofADeadWorker, task);
        // as it was, with the time at which it was asked
        var first = PlayedSqlWorker.json(original.text());
        var second = PlayedSqlWorker.json(again.getFirst().text());
        assertThat(second.get("payload")).isEqualTo(first.get("payload"));
        assertThat(second.get("timeout_ms")).isEqualTo(first.get("timeout_ms"));
        assertThat(second.get("ordering_key")).isEqualTo(first.get("ordering_key"));
        assertThat(second.at("/requested_by/user_oid"))
            .isEqualTo(first.at("/requested_by/user_oid"));
        assertThat(second.get("signed_at_us").asLong())
            .isGreaterThan(first.get("signed_at_us").asLong());
        assertThat(second.get("created_at_us").asLong())
            .isLessThanOrEqualTo(first.get("signed_at_us").asLong())
            .isGreaterThan(first.get("signed_at_us").asLong() - 10_000_000);
        assertThat(
                database
                    .admin()
                    .rows("select sent_again, swept_at is not null from pgoffload.capture_break"))
            .containsExactly("4|t");
        // once
        assertThat(database.admin().value("select number from pgoffload.next_sweep()")).isNull();
        // received twice, executed once
        assertThat(live.claim(again.getFirst())).containsExactly("claimed|1");
        assertThat(live.claim(again.getFirst())).containsExactly("own|1");
        assertThat(live.claim(again.get(2))).containsExactly("claimed|2");
      }
      try (var sql = database.sqlWorker("sql")) {
        sql.run(again(task));
        assertThat(ann.value("select sql_status(?)", task)).isEqualTo("succeeded");
      }
    }
  }

  /// The message of a task, sent again in its turn.
  private SentRequest again(long task) {
    database.admin().run("select pgoffload.send_sql_again(?)", task);
    return database.onlySent();
  }

  @Test
  void goesOnBatchByBatchInTheOrderOfIdsOfBothKinds() {
    try (var app = database.open("app");
        var ann = database.open("ann")) {
      app.run("insert into llm_request (prompt) select 'p' from generate_series(1, 5)");
      ann.run("insert into sql_request (command) select 'select 1' from generate_series(1, 5)");
      app.run("insert into llm_request (prompt) select 'p' from generate_series(1, 5)");
      database.sent();
      recordBreak();
      assertThat(sweep(4)).isGreaterThanOrEqualTo(15);
      assertThat(database.sent()).extracting(SentRequest::id).isSorted().doesNotHaveDuplicates();
    } finally {
      try (var sql = database.sqlWorker("ends")) {
        for (var id :
            database
                .admin()
                .rows(
                    "select id from sql_request q where not exists (select from pgoffload.sql_result r where r.id = q.id)")) {
          sql.run(again(Long.parseLong(id)));
        }
      }
    }
  }

  @Test
  void leavesOutWhatWasCommittedAfterTheSweepBeganAndWhatACopyBroughtAlong() {
    try (var app = database.open("app");
        var late = database.open("app")) {
      late.run("begin");
      late.run("insert into llm_request (prompt) values ('late')");
      var copied = app.number("insert into llm_request (prompt) values ('p') returning id");
      database
          .admin()
          .run("update pgoffload.installation set since = clock_timestamp() where true");
      var own = app.number("insert into llm_request (prompt) values ('p') returning id");
      assertThat(copied).isLessThan(own);
      recordBreak();
      var sweep = dueSweep();
      late.run("commit");
      database.sent();
      assertThat(sendAgain(sweep, 100)).isEqualTo(1);
      assertThat(database.onlySent().id()).isEqualTo(own);
    }
  }

  /// Of a dump of this very installation, and of another one's; with the triggers and without.
  @Test
  void leavesOutWhatWasRestoredOrReplicated() {
    var admin = database.admin();
    var columns =
        "insert into llm_request (id, prompt, requested_by, requested_by_oid, created_xid) select"
            + " nextval('pgoffload.request_id'), 'p', 'app', 'app'::regrole, '3'";
    admin.run(columns);
    admin.run(
        "insert into sql_request (command, requested_by, requested_by_oid, created_xid) values"
            + " ('select 1', 'ann', 'ann'::regrole, '3')");
    admin.run("set session_replication_role = replica");
    admin.run(columns);
    // as with --disable-triggers, or where they have been lost since
    admin.run("alter table llm_request disable trigger all");
    admin.run(columns.replace(") select", ", installation) select") + ", gen_random_uuid()");
    admin.run("alter table llm_request enable trigger all");
    admin.run("alter table llm_request enable always trigger place_request");
    admin.run("reset session_replication_role");
    var own = database.inserted("app");
    database.sent();
    recordBreak();
    assertThat(sweep()).isEqualTo(1);
    assertThat(database.onlySent().id()).isEqualTo(own);
    // nobody waits for them, and they keep nothing from being removed
    admin.run("update llm_request set created_at = created_at - interval '1 hour'");
    database.record(database.answered(own, "app", "a"));
    assertThat(admin.value("select waiting from pgoffload.queue_depth('1 min')")).isEqualTo("0");
    assertThat(
            admin.value(
                "select unanswered from pgoffload.begin_removal(?)",
                firstIdOfTheBreak() / (1L << 36) - 1))
        .isEqualTo("0");
  }

  @Test
  void leavesOutWhatASubscriptionBroughtFromAnotherInstallation() {
    try (var other = TestServer.of(version).newDatabase()) {
      var slot = "replicates_" + other.address().database();
      var admin = database.admin();
      long far = 1L << 35;
      other
          .admin()
          .run(
              "create publication requests for table llm_request, sql_request with"
                  + " (publish_via_partition_root)");
      other.admin().run("select setval('pgoffload.request_id', ?)", far);
      long before = other.inserted("app");
      other.admin().run("select pg_create_logical_replication_slot(?, 'pgoutput')", slot);
      admin.run(
          "create subscription theirs connection 'host=%s port=%d dbname=%s user=postgres password=%s' publication requests with (create_slot = false, slot_name = '%s')"
              .formatted(
                  other.address().host(),
                  other.address().port(),
                  other.address().database(),
                  "postgres",
                  slot));
      try {
        long later;
        try (var session = other.open("ann")) {
          later =
              session.number("insert into sql_request (command) values ('select 1') returning id");
        }
        Awaitility.await()
            .atMost(Duration.ofMinutes(1))
            .until(() ->
                admin.number(
                        "select (select count(*) from llm_request where id = ?) + (select count(*) from sql_request where id = ?)",
                        before,
                        later)
                    == 2);
      } finally {
        admin.run("drop subscription theirs");
      }
      var own = database.inserted("app");
      database.sent();
      recordBreak();
      assertThat(sweep()).isEqualTo(1);
      assertThat(database.onlySent().id()).isEqualTo(own);
    }
  }

  @Test
  void aCallerWaitingForWhatWasLostIsToldAndOneWhoseRequestIsRecordedWaitsOn() {
    try (var app = database.open("app");
        var second = database.open("app");
        var worker = database.worker("w");
        var threads = Executors.newVirtualThreadPerTaskExecutor()) {
      var lost =
          CompletableFuture.supplyAsync(
              () -> app.refused("select llm_ask('p', timeout => '15 s')"), threads);
      database.awaitSent(); // and never published
      var recorded =
          CompletableFuture.supplyAsync(
              () -> second.value("select llm_ask('p', timeout => '15 s')"), threads);
      var kept = database.awaitSent();
      worker.claim(kept);
      recordBreak();
      sweep();
      var error = lost.join();
      assertThat(error.state()).isEqualTo("PO003");
      // the latter, if it has looked while the break was planned and not recorded
      assertThat(error.message())
          .containsAnyOf(
              "was lost with the replication slot", "was sent to a replication slot that is gone");
      assertThat(error.hint()).contains("Ask again");
      database.record(database.answered(kept.id(), "app", "here"));
      assertThat(recorded.join()).isEqualTo("here");
    }
  }

  @Test
  void whoLooksWhetherARequestIsLostLocksNoTableThatAnInstallationAlters() {
    try (var owner = database.open(requireNonNull(database.admin().value("select current_user")))) {
      owner.run("begin");
      owner.run("select pgoffload.raise_if_lost(1, now())");
      assertThat(
              owner.rows(
                  "select relation::regclass from pg_locks where pid = pg_backend_pid()"
                      + " and relation in ('llm_request'::regclass, 'sql_request'::regclass)"))
          .isEmpty();
    }
  }

  @Test
  void whoReadsALostTaskIsTold() {
    try (var ann = database.open("ann")) {
      var pid = ann.number("select pg_background_launch('select 1')");
      database.awaitSent(); // and never published
      recordBreak();
      sweep();
      assertThat(ann.refused("select * from pg_background_result(" + pid + ") as (n int)").state())
          .isEqualTo("PO003");
    }
  }

  @Test
  void whileTheSlotIsMadeAnewImmediateRequestsAreRefusedAndWhoWaitsForOneIsTold() {
    try (var app = database.open("app");
        var second = database.open("app");
        var threads = Executors.newVirtualThreadPerTaskExecutor()) {
      var waiting =
          CompletableFuture.supplyAsync(
              () -> app.refused("select llm_ask('p', timeout => '30 s')"), threads);
      database.awaitSent(); // to a slot that is gone
      RecordCaptureBreak.plan(database.address(), "slot_created");
      assertThat(waiting.join().state()).isEqualTo("PO003");
      assertThat(waiting.join().message()).contains("was sent to a replication slot that is gone");
      var refused = second.refused("select llm_ask('p')");
      assertThat(refused.state()).isEqualTo("PO003");
      assertThat(refused.hint()).contains("Ask again in a few seconds");
      // what goes with its transaction is kept
      assertThat(database.inserted("app")).isPositive();
      // of an installation that was interrupted, nobody suffers for long
      database
          .admin()
          .run("update pgoffload.capture_break set broken_at = broken_at - interval '3 min'");
      second.run("select pg_logical_emit_message(false, 'p', '')");
      assertThat(second.refused("select llm_ask('p', timeout => '1 s')").state())
          .isEqualTo("LM002");
      assertThat(second.rows("select state, advice from llm_health where \"check\" = 'sweep'"))
          .allMatch(row -> row.startsWith("warning|Run pgoffload install"));
      RecordCaptureBreak.forget(database.address(), "slot_created");
      assertThat(RecordCaptureBreak.complete(database.address())).isEmpty();
      database.sent();
    }
  }

  @Test
  void oneThatIsTooLargeByNowIsSentAllTheSame() {
    var admin = database.admin();
    try (var app = database.open("app")) {
      app.run("insert into llm_request (prompt) values (repeat('x', 2000))");
      app.run("insert into llm_request (prompt) values ('small')");
      database.sent();
      admin.run("update pgoffload.setting set value = '1100' where name = 'max_request_bytes'");
      assertThat(app.refused("insert into llm_request (prompt) values (repeat('x', 2000))").state())
          .isEqualTo("54000");
      recordBreak();
      assertThat(sweep()).isEqualTo(2);
      assertThat(database.sent()).hasSize(2);
    } finally {
      admin.run("update pgoffload.setting set value = '16777216' where name = 'max_request_bytes'");
    }
  }

  @Test
  void tellsHowTheSlotDoes() {
    var admin = database.admin();
    admin.run("update pgoffload.setting set value = 'none_of_this_name' where name = 'slot'");
    try (var app = database.open("app")) {
      assertThat(app.rows("select state, advice from llm_health where \"check\" = 'capture'"))
          .containsExactly(
              "error|Run pgoffload install: it makes a new one, and what was committed meanwhile is sent again.");
      assertThat(app.rows("select \"check\", state from llm_health"))
          .contains(
              "installation|ok",
              "workers|error",
              "queue|ok",
              "retention|ok",
              "sweep|ok",
              "topics|ok");
      var slot = database.address().database();
      admin.run("update pgoffload.setting set value = ? where name = 'slot'", slot);
      InstallSlot.run(database.address(), slot, Duration.ofSeconds(10), _ -> {});
      assertThat(app.rows("select state, detail from llm_health where \"check\" = 'capture'"))
          .allMatch(row -> row.startsWith("warning|nobody reads from replication slot " + slot));
    }
  }

  private Optional<String> recordBreak() {
    return recordBreak(database);
  }

  private static Optional<String> recordBreak(TestDatabase of) {
    RecordCaptureBreak.plan(of.address(), "slot_created");
    return RecordCaptureBreak.complete(of.address());
  }

  private record Sweep(int number, String snapshot) {}

  private Sweep dueSweep() {
    var admin = database.admin();
    Awaitility.await()
        .until(() -> admin.value("select number from pgoffload.next_sweep()") != null);
    var row = admin.rows("select number, snapshot::text from pgoffload.next_sweep()").getFirst();
    var fields = row.split("\\|", -1);
    return new Sweep(Integer.parseInt(fields[0]), fields[1]);
  }

  private long sweep() {
    return sweep(100);
  }

  private long sweep(int batch) {
    var sweep = dueSweep();
    long sent = sendAgain(sweep, batch);
    database.admin().run("select pgoffload.end_sweep(?, ?, true)", sweep.number, sent);
    return sent;
  }

  private long sendAgain(Sweep sweep, int batch) {
    long total = 0;
    long last = -1;
    while (true) {
      var fields =
          database
              .admin()
              .rows(
                  "select sent, last_id from pgoffload.send_again(?, ?::pg_snapshot, ?, ?)",
                  sweep.number,
                  sweep.snapshot,
                  last,
                  batch)
              .getFirst()
              .split("\\|", -1);
      total += Long.parseLong(fields[0]);
      if (fields[1].equals("null")) {
        return total;
      }
      last = Long.parseLong(fields[1]);
    }
  }

  private long firstIdOfTheBreak() {
    return database.admin().number("select max(first_id) from pgoffload.capture_break");
  }
}
