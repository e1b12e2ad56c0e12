package org.pgoffload.schema;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// What the database says of why a request waits, in each of its states. Workers tell what the test
/// has them tell.
final class RequestWhyTest extends OnPostgresVersions {
  private Session app;

  @BeforeEach
  void logIn() {
    app = closedAfterTheTest(database.open("app"));
    database
        .admin()
        .run(
            "update pgoffload.capture_mark set wal_position = null, snapshot = null, marked_at ="
                + " null, captured = null, captured_at = null");
    database.admin().run("delete from pgoffload.worker_queue");
    database.admin().run("delete from pgoffload.pause");
    database.admin().run("delete from pgoffload.capture_break");
    database.admin().run("delete from pgoffload.consumer_position");
    database
        .admin()
        .run(
            "update pgoffload.setting set value = (select slot_name from pg_replication_slots where"
                + " database = current_database()) where name = 'slot'");
    // a busy machine must not let the leases of played workers run out
    database
        .admin()
        .run("update pgoffload.setting set value = '10 min' where name = 'worker_dead_after'");
  }

  private static JsonNode why(Session session, long id) {
    return PlayedSqlWorker.json(
        requireNonNull(session.value("select to_json(w) from request_why(?) w", id)));
  }

  private JsonNode why(long id) {
    return why(app, id);
  }

  private long inserted() {
    return app.number("insert into llm_request (prompt) values ('p') returning id");
  }

  /// Everything that was committed until now is captured, as far as the database knows.
  private void captured(PlayedWorker worker, String queues) {
    database.admin().run("update pgoffload.capture_mark set marked_at = null, wal_position = null");
    worker.tells("{\"queues\": " + queues + "}");
    database.sent();
  }

  private static String queue(String rest) {
    return "{\"topic\": \"pgoffload.requests.llm\", \"partitions\": 1, \"assigned\": [0]"
        + rest
        + "}";
  }

  private static String queues(String llm, String rest) {
    return "{\"primary\": \"echo\", \"providers\": {\"echo\": [\"echo-1\", \"echo-e\"]}, \"llm\": "
        + llm
        + rest
        + "}";
  }

  @Test
  void saysHowARequestHasEnded() {
    var id = database.inserted("app");
    database.record(database.ended(id, "app", "failed", "invalid_request", "no"));
    var why = why(id);
    assertThat(why.path("state").asText()).isEqualTo("finished");
    assertThat(why.path("kind").asText()).isEqualTo("ask");
    assertThat(why.path("reason").asText()).startsWith("it ended as failed (invalid_request), ");
    assertThat(why.path("detail").path("status").asText()).isEqualTo("failed");
    assertThat(why.path("exact").asBoolean()).isTrue();
  }

  @Test
  void doesNotKnowWhatWasNeverAskedOrIsAnothers() {
    var id = database.inserted("app");
    try (var mallory = database.open("mallory")) {
      var refused = mallory.refused("select * from request_why(?)", id);
      assertThat(refused.state()).isEqualTo("42704");
      assertThat(refused.message()).isEqualTo("request " + id + " does not exist");
      var never = mallory.refused("select * from request_why(?)", id + 1_000_000);
      assertThat(never.state()).isEqualTo("42704");
      // not by the function behind it either: the nonce is only in the row
      assertThat(mallory.rows("select * from pgoffload.why_of(?, null)", id)).isEmpty();
      assertThat(mallory.rows("select * from pgoffload.why_of(?, gen_random_uuid())", id))
          .isEmpty();
      assertThat(mallory.refused("select * from pgoffload.worker_queue").state())
          .isEqualTo("42501");
    }
    // whoever inherits the role sees it, as with llm_status
    try (var lead = database.open("lead")) {
      assertThat(why(lead, id).path("state").asText()).isNotEmpty();
    }
    assertThat(app.refused("select * from request_why(null)").state()).isEqualTo("42704");
  }

  @Test
  void knowsItsOwnUncommittedRequest() {
    app.run("begin");
    var id = inserted();
    assertThat(why(id).path("state").asText()).isEqualTo("uncommitted");
    app.run("commit");
    assertThat(why(id).path("state").asText()).isNotEqualTo("uncommitted");
  }

  @Test
  void looksInAReadOnlyTransactionToo() {
    var id = inserted();
    app.run("begin transaction read only");
    assertThat(why(id).path("state").asText()).isNotEmpty();
    app.run("rollback");
  }

  @Test
  void saysThatARestoredRowIsNotExecuted() {
    var id = inserted();
    database.admin().run("update llm_request set installation = null where id = ?", id);
    assertThat(why(id).path("state").asText()).isEqualTo("foreign");
  }

  @Test
  void saysThatItIsNotCapturedYetAndHowFarTheCaptureIs() {
    try (var worker = database.worker("w")) {
      captured(worker, queues(queue(""), ""));
      app.run("insert into llm_request (prompt) values (repeat('x', 50000))");
      var id = inserted();
      var why = why(id);
      assertThat(why.path("state").asText()).isEqualTo("not_captured");
      assertThat(why.path("detail").path("bytes").asLong()).isGreaterThan(50_000);
      assertThat(why.path("detail").path("seconds").asDouble()).isBetween(0.0, 60.0);
      assertThat(why.path("reason").asText())
          .contains("kB of WAL are ahead of the capture")
          .contains("nobody reads from replication slot");
      assertThat(why.path("hint").asText()).isEqualTo("Start a producer.");
      captured(worker, queues(queue(""), ""));
      assertThat(why(id).path("state").asText()).isEqualTo("queued");
    }
  }

  @Test
  void aMarkOfAnotherServerCountsForNothing() {
    try (var worker = database.worker("w")) {
      captured(worker, queues(queue(""), ""));
      database
          .admin()
          .run(
              "update pgoffload.capture_mark set wal_position = 'FFFFFFFF/0', captured = snapshot");
      worker.tells("{\"queues\": {}}");
      assertThat(
              database
                  .admin()
                  .rows(
                      "select captured, wal_position <= pg_current_wal_insert_lsn() from pgoffload.capture_mark"))
          .containsExactly("null|t");
    }
  }

  @Test
  void saysThatTheSlotIsGone() {
    var slot = database.admin().value("select value from pgoffload.setting where name = 'slot'");
    try (var worker = database.worker("w")) {
      captured(worker, queues(queue(""), ""));
      var id = inserted();
      database.admin().run("update pgoffload.setting set value = 'gone' where name = 'slot'");
      var why = why(id);
      assertThat(why.path("state").asText()).isEqualTo("capture_stopped");
      assertThat(why.path("reason").asText()).contains("there is no replication slot gone");
      assertThat(why.path("hint").asText()).contains("pgoffload install");
    } finally {
      database.admin().run("update pgoffload.setting set value = ? where name = 'slot'", slot);
    }
  }

  @Test
  void saysThatASweepIsDue() {
    var id = inserted();
    database
        .admin()
        .run(
            "insert into pgoffload.capture_break (reason, first_id) values ('slot_created', ?)",
            id + 1);
    var why = why(id);
    assertThat(why.path("state").asText()).isEqualTo("awaiting_sweep");
    assertThat(why.path("reason").asText()).contains("(slot_created)");
    database
        .admin()
        .run("update pgoffload.capture_break set first_id = ? where first_id is not null", id);
    assertThat(why(id).path("state").asText()).isNotEqualTo("awaiting_sweep");
  }

  @Test
  void saysThatTheServerWasPromoted() {
    var id = inserted();
    database.admin().run("update pgoffload.server_timeline set timeline = timeline + 1");
    try {
      assertThat(why(id).path("state").asText()).isEqualTo("failing_over");
    } finally {
      database.admin().run("update pgoffload.server_timeline set timeline = timeline - 1");
    }
  }

  @Test
  void saysThatWhatCameBeforeAFailOverIsGoneThroughOnceMore() {
    var id = inserted();
    database.admin().run("update pgoffload.server_timeline set first_id = ?", id + 1);
    database
        .admin()
        .run(
            "insert into pgoffload.consumer_position (topic, partition, next_offset, token, repeated_below)"
                + " values ('t', 0, 3, pgoffload.current_token(), 10)");
    try {
      var why = why(id);
      assertThat(why.path("state").asText()).isEqualTo("failing_over");
      assertThat(why.path("behind").asLong()).isEqualTo(7);
      // what was asked after it is not concerned
      assertThat(why(inserted()).path("state").asText()).isNotEqualTo("failing_over");
    } finally {
      database.admin().run("update pgoffload.server_timeline set first_id = null");
    }
  }

  @Test
  void saysThatNoWorkerIsAlive() {
    long id;
    try (var worker = database.worker("w")) {
      id = inserted();
      captured(worker, queues(queue(""), ""));
      worker.releaseLease();
    }
    var why = why(id);
    assertThat(why.path("state").asText()).isEqualTo("no_worker");
    assertThat(why.path("reason").asText()).startsWith("no worker is alive; the last one was ");
    assertThat(why.path("hint").asText()).isEqualTo("Start one with: pgoffload worker");
  }

  @Test
  void saysThatNoWorkerExecutesSql() {
    try (var ann = database.open("ann");
        var worker = database.worker("w")) {
      var id = ann.number("insert into sql_request (command) values ('select 1') returning id");
      var launched = ann.number("select cookie from pg_background_launch_v2('select 1')");
      captured(worker, queues(queue(""), ""));
      var why = why(ann, id);
      assertThat(why.path("state").asText()).isEqualTo("no_sql_worker");
      assertThat(why.path("hint").asText()).contains("PGOFFLOAD_SQL_DATABASE_URL");
      // of which no worker has heard
      assertThat(why(ann, launched).path("state").asText()).isEqualTo("no_sql_worker");
      assertThat(health("sql")).startsWith("warning|").contains("wait for a worker with SQL");
    }
  }

  private String health(String check) {
    return database
        .admin()
        .rows("select state, detail, advice from llm_health where \"check\" = ?", check)
        .getFirst();
  }

  @Test
  void saysThatNoWorkerHasTheProvider() {
    try (var worker = database.worker("w")) {
      var id =
          app.number(
              "insert into llm_request (prompt, provider) values ('p', 'mistral') returning id");
      captured(worker, queues(queue(""), ""));
      var why = why(id);
      assertThat(why.path("state").asText()).isEqualTo("no_provider");
      assertThat(why.path("reason").asText()).startsWith("no worker has the provider mistral");
      assertThat(health("providers")).startsWith("warning|").contains("mistral");
      // one that does not say which it has may have it
      try (var older = database.worker("older")) {
        older.renewLease(0);
        assertThat(why(id).path("state").asText()).isNotEqualTo("no_provider");
        assertThat(health("providers")).startsWith("ok|");
      }
    }
  }

  @Test
  void saysThatItIsInKafkaBehindHowManyRecords() {
    try (var worker = database.worker("w")) {
      var id = inserted();
      captured(worker, queues(queue(", \"behind\": {\"0\": 1234}, \"unfinished\": 7"), ""));
      var why = why(id);
      assertThat(why.path("state").asText()).isEqualTo("in_kafka");
      assertThat(why.path("behind").asLong()).isEqualTo(1234);
      assertThat(why.path("worker").asText()).isEqualTo("w");
      assertThat(why.path("detail").path("partition").asInt()).isZero();
      assertThat(why.path("reason").asText())
          .startsWith(
              "it waits in partition 0 of topic pgoffload.requests.llm: worker w has 1234 records");
      worker.tells(
          "{\"queues\": "
              + queues(queue(", \"behind\": {\"0\": 9}, \"full\": true, \"unfinished\": 7"), "")
              + "}");
      assertThat(why(id).path("reason").asText())
          .contains("it has as many unfinished as it may have (7)");
      worker.tells("{\"queues\": " + queues(queue(", \"consumes\": false"), "") + "}");
      assertThat(why(id).path("reason").asText()).contains("no connection to Kafka");
      worker.tells(
          "{\"queues\": "
              + queues("{\"topic\": \"t\", \"partitions\": 1, \"assigned\": []}", "")
              + "}");
      assertThat(why(id).path("reason").asText()).startsWith("no worker has said");
    }
  }

  /// The hashes of Kafka's own tests of its clients.
  @ParameterizedTest
  @CsvSource({
    "21, -973932308",
    "foobar, -790332482",
    "a-little-bit-long-string, -985981536",
    "abc, 479470107"
  })
  void findsThePartitionAsKafkasClientsDo(String key, int hash) {
    for (int partitions : new int[] {1, 12, Integer.MAX_VALUE}) {
      assertThat(
              database
                  .admin()
                  .number("select pgoffload.partition_of(?, ?::integer)", key, partitions))
          .isEqualTo((hash & Integer.MAX_VALUE) % partitions);
    }
  }

  @Test
  void saysBehindWhichIdOfItsOrderingKeyItIs() {
    try (var worker = database.worker("w")) {
      var first =
          app.number(
              "insert into llm_request (prompt, ordering_key) values ('p', 'k') returning id");
      var second =
          app.number(
              "insert into llm_request (prompt, ordering_key) values ('p', 'k') returning id");
      var third =
          app.number(
              "insert into llm_request (prompt, ordering_key) values ('p', 'k') returning id");
      worker.tells("{\"queues\": " + queues(queue(""), "") + "}");
      var sent = database.sent();
      var why = why(third);
      assertThat(why.path("state").asText()).isEqualTo("ordering_key");
      assertThat(why.path("blocker").asLong()).isEqualTo(first);
      assertThat(why.path("behind").asLong()).isEqualTo(2);
      worker.claim(sent.getFirst());
      // to a model: until the one before has begun
      assertThat(why(third).path("blocker").asLong()).isEqualTo(second);
      assertThat(why(second).path("state").asText()).isEqualTo("queued");
    }
  }

  @Test
  void namesNoRequestOfAnotherRole() {
    try (var worker = database.worker("w");
        var mallory = database.open("mallory")) {
      mallory.run("insert into llm_request (prompt, ordering_key) values ('p', 'shared')");
      var id =
          app.number(
              "insert into llm_request (prompt, ordering_key) values ('p', 'shared') returning id");
      captured(worker, queues(queue(""), ""));
      var why = why(id);
      assertThat(why.path("state").asText()).isEqualTo("ordering_key");
      assertThat(why.path("blocker").isNull()).isTrue();
      assertThat(why.path("reason").asText()).contains("another role's");
    }
  }

  @Test
  void saysWhatAModelWaitsFor() {
    try (var worker = database.worker("w")) {
      var id = inserted();
      var other =
          app.number("insert into llm_request (prompt, model) values ('p', 'big') returning id");
      long until = System.currentTimeMillis() + 60_000;
      captured(
          worker,
          queues(
              queue(
                  ", \"places\": {\"echo:echo-1\": [40, 2000], \"echo:big\": [5, 25000, "
                      + other
                      + "]}"),
              ", \"models\": {\"echo:echo-1\": {\"waiting\": 1000, \"calling\": 0, \"why\":"
                  + " \"vendor_asked\", \"until\": "
                  + until
                  + "}}"));
      var why = why(id);
      assertThat(why.path("state").asText()).isEqualTo("vendor_wait");
      assertThat(why.path("behind").asLong()).isEqualTo(39);
      assertThat(why.path("until").asText()).isNotEmpty();
      assertThat(why.path("exact").asBoolean()).isFalse();
      assertThat(why.path("reason").asText())
          .contains("worker w has 2000 of echo:echo-1 in flight, and 40 requests in its queue")
          .contains("has refused calls and asked to wait; the next one may begin in ");
      why = why(other);
      assertThat(why.path("state").asText()).isEqualTo("model_full");
      assertThat(why.path("reason").asText())
          .contains("5 requests in its queue, this one the next");
      assertThat(why.path("exact").asBoolean()).isTrue();
    }
  }

  @Test
  void saysWhatAClaimedRequestDoes() {
    try (var worker = database.worker("w")) {
      var calling = inserted();
      var retrying = inserted();
      var turn = inserted();
      var answer = inserted();
      var untold = inserted();
      worker.claim(database.sent().toArray(SentRequest[]::new));
      assertThat(why(calling).path("state").asText()).isEqualTo("claimed");
      long now = System.currentTimeMillis();
      worker.tells(
          "{\"queues\": "
              + queues(
                  queue(""),
                  """
                  , "models": {"echo:echo-1": {"waiting": 3, "calling": 0, "why": "requests_per_minute",
                               "until": %d, "per_second": 0.5}},
                  "in_flight": {"%d": ["calling", %d, 1, "echo:echo-1"],
                                "%d": ["next_try", %d, 2, "echo:echo-1", "rate_limited"],
                                "%d": ["turn", %d, 0, "echo:echo-1"],
                                "%d": ["answer", %d, 0]}
                  """
                      .formatted(
                          now + 30_000,
                          calling,
                          now - 12_000,
                          retrying,
                          now + 9_000,
                          turn,
                          now - 1000,
                          answer,
                          now - 1000))
              + "}");
      var why = why(calling);
      assertThat(why.path("state").asText()).isEqualTo("calling");
      assertThat(why.path("attempt").asInt()).isEqualTo(1);
      assertThat(why.path("worker").asText()).isEqualTo("w");
      assertThat(why.path("reason").asText())
          .startsWith("call 2, to echo:echo-1, has been under way for 1");
      why = why(retrying);
      assertThat(why.path("state").asText()).isEqualTo("next_try");
      assertThat(why.path("reason").asText())
          .startsWith("2 calls to echo:echo-1 failed (rate_limited)");
      assertThat(why.path("until").asText()).isNotEmpty();
      why = why(turn);
      assertThat(why.path("state").asText()).isEqualTo("model_pace");
      assertThat(why.path("exact").asBoolean()).isTrue();
      assertThat(why.path("reason").asText())
          .contains("gets as many calls as are configured (0.5 a second)");
      assertThat(why(answer).path("state").asText()).isEqualTo("another_answer");
      why = why(untold);
      assertThat(why.path("state").asText()).isEqualTo("model_pace");
      assertThat(why.path("exact").asBoolean()).isFalse();
      // all that do something else are told: the others wait for their turn
      worker.tells(
          "{\"queues\": "
              + queues(
                  queue(""),
                  ", \"models\": {\"echo:echo-1\": {\"waiting\": 1, \"calling\": 3, \"why\":"
                      + " \"concurrency\"}}, \"in_flight\": {}, \"busy\": ["
                      + calling
                      + "]")
              + "}");
      why = why(untold);
      assertThat(why.path("state").asText()).isEqualTo("model_pace");
      assertThat(why.path("exact").asBoolean()).isTrue();
      assertThat(why(calling).path("state").asText()).isEqualTo("claimed");
      app.run("select llm_cancel(?)", calling);
      assertThat(why(calling).path("state").asText()).isEqualTo("cancelling");
    }
  }

  @Test
  void saysThatATakeoverIsDue() {
    var id = inserted();
    try (var first = database.worker("first");
        var second = database.worker("second")) {
      first.claim(database.onlySent());
      first.releaseLease();
      var why = why(id);
      assertThat(why.path("state").asText()).isEqualTo("takeover_due");
      assertThat(why.path("worker").asText()).isEqualTo("first");
      assertThat(why.path("reason").asText())
          .startsWith("worker first, which has attempt 1 of it, has ended; another takes it over");
      second.releaseLease();
      assertThat(why(id).path("hint").asText()).isEqualTo("Start one with: pgoffload worker");
    }
  }

  @Test
  void saysThatItIsCancelledOrLate() {
    var id = inserted();
    var late =
        app.number("insert into llm_request (prompt, timeout) values ('p', '1 ms') returning id");
    app.run("select llm_cancel(?)", id);
    var why = why(id);
    assertThat(why.path("state").asText()).isEqualTo("cancelling");
    assertThat(why.path("detail").path("but_for_that").asText()).isNotEmpty();
    assertThat(why(late).path("state").asText()).isEqualTo("expiring");
  }

  @Test
  void saysWhichLimitATaskWaitsFor() {
    try (var ann = database.open("ann");
        var helper = database.worker("llm");
        var worker = database.sqlWorker("w")) {
      var id = ann.number("insert into sql_request (command) values ('select 1') returning id");
      captured(helper, queues(queue(""), ""));
      var role = "0/" + database.oid("ann");
      var session = role + "/" + ann.value("select session from sql_request where id = ?", id);
      String[][] places = {
        {"session_limit", "\"sessions\": {\"" + session + "\": [3, 16, 16]}"},
        {"role_limit", "\"roles\": {\"" + role + "\": [3, 16]}"},
        {"worker_limit", "\"depths\": {\"0\": [3, 32]}"},
        {"queued", "\"depths\": {\"0\": [1, 3]}"}
      };
      for (var place : places) {
        worker.tells(
            "{\"runs_sql\": 1, \"queues\": {\"sql\": {\"topic\": \"t\", \"partitions\": 1,"
                + " \"assigned\": [0], \"connections\": 32, \"per_role\": 16, "
                + place[1]
                + "}}}");
        var why = why(ann, id);
        assertThat(why.path("state").asText()).isEqualTo(place[0]);
        assertThat(why.path("worker").asText()).isEqualTo("w");
      }
    }
  }

  @Test
  void saysWhatAClaimedTaskDoes() {
    try (var ann = database.open("ann");
        var worker = database.sqlWorker("w")) {
      var id = ann.number("insert into sql_request (command) values ('select 1') returning id");
      var request = database.onlySent();
      var claim = worker.claim(request);
      assertThat(why(ann, id).path("state").asText()).isEqualTo("claimed");
      worker
          .session()
          .run("select pgoffload.record_wait(?, 1, 'waits for a connection: too many')", id);
      var why = why(ann, id);
      assertThat(why.path("state").asText()).isEqualTo("no_session");
      assertThat(why.path("reason").asText()).contains("waits for a connection: too many");
      try (var task = PlayedTask.begin(database, request, claim)) {
        why = why(ann, id);
        assertThat(why.path("state").asText()).isEqualTo("running");
        assertThat(why.path("detail").path("pid").asLong()).isEqualTo(task.pid());
      }
    }
  }

  @Test
  void forgetsWhatAWorkerToldThatIsGone() {
    try (var worker = database.worker("w")) {
      worker.tells("{\"calls\": 3, \"queues\": {\"a\": 1}}");
      assertThat(database.admin().rows("select told from pgoffload.worker_queue"))
          .containsExactly("{\"a\": 1}");
      // users read these columns
      assertThat(app.rows("select doing from pgoffload.worker")).containsExactly("{\"calls\": 3}");
      assertThat(worker.renewLease(0)).isTrue();
    }
    database.admin().run("delete from pgoffload.worker");
    database.admin().run("select pgoffload.remove_dead_leases()");
    assertThat(database.admin().rows("select told from pgoffload.worker_queue")).isEmpty();
  }

  @Test
  void saysWhoHasPausedItsModelOrItsRole() {
    try (var worker = database.worker("w");
        var ops = database.open("ops")) {
      var id = inserted();
      var other =
          app.number("insert into llm_request (prompt, model) values ('p', 'other') returning id");
      captured(worker, queues(queue(", \"places\": {\"echo:echo-1\": [1, 0]}"), ""));
      assertThat(why(id).path("state").asText()).isEqualTo("model_full");
      // by what the worker takes where the request names none
      ops.run("select pgoffload_pause_model('echo-1', 'echo', 'too dear')");
      var why = why(id);
      assertThat(why.path("state").asText()).isEqualTo("paused");
      assertThat(why.path("reason").asText())
          .matches("ops has paused model echo:echo-1, \\d+ s ago: too dear");
      assertThat(why.path("hint").asText()).contains("pgoffload_resume_model('echo-1', 'echo')");
      assertThat(why.path("since").asText())
          .isEqualTo(ops.value("select to_json(since) #>> '{}' from pgoffload_paused"));
      assertThat(why.path("detail").path("paused_by").asText()).isEqualTo("ops");
      assertThat(why.path("detail").path("pause_reason").asText()).isEqualTo("too dear");
      assertThat(why(other).path("state").asText()).isEqualTo("queued");
      ops.run("select pgoffload_pause_role('app')");
      assertThat(why(other).path("reason").asText()).startsWith("ops has paused role app, ");
      assertThat(why(other).path("hint").asText()).contains("pgoffload_resume_role('app')");
      ops.run("select pgoffload_resume_role('app')");
      ops.run("select pgoffload_resume_model('echo-1', 'echo')");
      assertThat(why(id).path("state").asText()).isEqualTo("model_full");
    }
  }

  @Test
  void saysThatAClaimedRequestWaitsForItsPausedModel() {
    try (var worker = database.worker("w");
        var ops = database.open("ops")) {
      var id = inserted();
      worker.claim(database.onlySent());
      ops.run("select pgoffload_pause_model(provider => 'echo')");
      worker.tells(
          "{\"queues\": "
              + queues(
                  queue(""),
                  ", \"models\": {\"echo:echo-1\": {\"waiting\": 1, \"calling\": 0, \"why\": \"paused\"}}")
              + "}");
      var why = why(id);
      assertThat(why.path("state").asText()).isEqualTo("paused");
      assertThat(why.path("reason").asText()).startsWith("ops has paused provider echo, ");
      assertThat(why.path("attempt").asInt()).isEqualTo(1);
    }
  }
}
