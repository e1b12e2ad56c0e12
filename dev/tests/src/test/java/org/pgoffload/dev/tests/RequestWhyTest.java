package org.pgoffload.dev.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.pgoffload.dev.tests.Sql.awaitRows;
import static org.pgoffload.dev.tests.Sql.execute;
import static org.pgoffload.dev.tests.Sql.value;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.EnumSet;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.pgoffload.dev.launcher.Part;
import org.pgoffload.platform.Settings;

/// Why requests wait, of real parts, in a database of its own.
class RequestWhyTest extends OnSharedInstallation {
  private static final EnumSet<Part> CAPTURING = EnumSet.of(Part.PRODUCER, Part.MAINTENANCE);
  private static final EnumSet<Part> WORKING = EnumSet.of(Part.WORKER, Part.RESULTS);

  @TempDir Path directory;

  @Test
  void saysWhatARequestWaitsForOnItsWay() throws Exception {
    try (var own = OwnDatabase.create(installation, "why", "why")) {
      assertThat(own.ran("install")).contains("Installed into");
      var environment = own.environment();
      environment.put("LLM_PROVIDER", "echo");
      environment.put("LLM_REQUESTS_PER_MINUTE", "1");
      environment.put("PGOFFLOAD_MAX_IN_FLIGHT", "1");
      environment.put("PGOFFLOAD_DEFER_AFTER", "1h");
      environment.put("PGOFFLOAD_DRAIN_TIMEOUT", "1s");
      // no SQL
      environment.remove(Settings.TASK_DATABASE);
      // nine others share the limit, so that a busy machine has the time to look
      try (var admin = own.admin().connect("test")) {
        execute(
            admin,
            "insert into pgoffload.worker (name, provider, model, version, heartbeat_at)"
                + " select 'silent ' || i, 'echo', 'echo', '0', now() + interval '1 h'"
                + " from generate_series(1, 9) i");
      }
      try (var asking = own.application().connect("test")) {
        try (var _ = own.start(directory.resolve("paced"), WORKING, environment)) {
          try (var _ = own.start(directory.resolve("captured"), CAPTURING, environment)) {
            withAPacedModel(own, asking);
          }
          withoutAProducer(own, asking);
        }
        withAFullWorker(own, asking, environment);
      }
    }
  }

  private static String inserted(Connection asking, String what) throws SQLException {
    return value(asking, "insert into " + what + " returning id");
  }

  private static void awaitState(Connection asking, String id, String state) {
    awaitRows(asking, "select state from request_why(" + id + ")", state);
  }

  private static String reason(Connection asking, String id) throws SQLException {
    return value(asking, "select reason from request_why(" + id + ")");
  }

  private void withAPacedModel(OwnDatabase own, Connection asking) throws Exception {
    var answered = inserted(asking, "llm_request (prompt) values ('p')");
    awaitState(asking, answered, "finished");

    // claimed, and waits for its turn
    var next = inserted(asking, "llm_request (prompt) values ('p')");
    awaitState(asking, next, "model_pace");
    assertThat(reason(asking, next)).contains("gets as many calls as are configured");
    awaitRows(
        asking,
        "select until > now() and exact and attempt = 1 from request_why(" + next + ")",
        "t");

    var model = new String[] {"--model", "echo-no-model", "--provider", "echo"};
    assertThat(own.ran("pause", model[0], model[1], model[2], model[3], "--reason", "the bill"))
        .contains("model echo:echo-no-model is paused.");
    awaitState(asking, next, "paused");
    assertThat(reason(asking, next)).contains("has paused model echo:echo-no-model", "the bill");
    assertThat(own.ran("resume", model[0], model[1], model[2], model[3]))
        .contains("model echo:echo-no-model is resumed.");
    awaitState(asking, next, "model_pace");
    assertThat(own.ran("pause", "--role", "app")).contains("role app is paused.");
    assertThat(own.ran("resume", "--role", "app")).contains("role app is resumed.");
    assertThat(own.ran("resume", "--role", "app")).contains("role app was not paused.");
    assertThat(own.run(own.admin(), "pause").status()).isEqualTo(2);

    // there is no room for it: it waits in the worker's queue
    var later = inserted(asking, "llm_request (prompt, ordering_key) values ('p', 'k')");
    awaitRows(
        asking,
        "select state || ' ' || exact || ' ' || behind from request_why(" + later + ")",
        "model_pace true 0");
    var last = inserted(asking, "llm_request (prompt, ordering_key) values ('p', 'k')");
    awaitState(asking, last, "ordering_key");
    assertThat(value(asking, "select blocker from request_why(" + last + ")")).isEqualTo(later);

    // of a launch Kafka alone knows: status asks it, and maintain tells the database
    var launched = value(asking, "select cookie from pg_background_launch_v2('select 1')");
    awaitState(asking, launched, "no_sql_worker");
    await()
        .atMost(PATIENCE)
        .untilAsserted(
            () -> assertThat(own.ran("status")).contains("requests for SQL wait in Kafka (1)"));
    awaitRows(asking, "select state from llm_health where \"check\" = 'sql'", "warning");
    var sql = inserted(asking, "sql_request (command) values ('select 1')");
    awaitState(asking, sql, "no_sql_worker");
    var elsewhere = inserted(asking, "llm_request (prompt, provider) values ('p', 'nobody')");
    // it fails at once: no worker has it, and nothing keeps the worker from saying so
    awaitState(asking, elsewhere, "finished");

    var said = own.ran("why", next);
    assertThat(said)
        .contains("Request " + next + " (ask): model_pace", "-> ", "Known of the request itself");
    var json = new ObjectMapper().readTree(own.ran("why", "--json", later));
    assertThat(json.path("state").asText()).isEqualTo("model_pace");
    assertThat(json.path("kafka").path("topic").asText()).isEqualTo("why.requests.llm");
    assertThat(json.path("kafka").path("unfinished").asInt()).isPositive();
    var unknown = own.run(own.admin(), "why", "123456789");
    assertThat(unknown.status()).isEqualTo(1);
    assertThat(unknown.errors()).contains("request 123456789 does not exist");
  }

  private void withoutAProducer(OwnDatabase own, Connection asking) throws Exception {
    var id = inserted(asking, "llm_request (prompt) values ('p')");
    awaitState(asking, id, "not_captured");
    await()
        .atMost(PATIENCE)
        .untilAsserted(
            () -> assertThat(reason(asking, id)).contains("nobody reads from replication slot"));
    assertThat(own.ran("why", id)).contains("-> Start a producer.");
  }

  private void withAFullWorker(OwnDatabase own, Connection asking, Map<String, String> environment)
      throws Exception {
    environment.put("PGOFFLOAD_MAX_BYTES_IN_FLIGHT", "1");
    var parts = EnumSet.of(Part.PRODUCER, Part.WORKER, Part.RESULTS);
    try (var _ = own.start(directory.resolve("full"), parts, environment)) {
      // it has begun one that waits, and so reads no more
      awaitRows(
          asking,
          "select count(*) > 0 from llm_queue q, request_why(q.id) w where w.state = 'model_pace' and w.exact",
          "t");
      var id = inserted(asking, "llm_request (prompt) values ('p')");
      awaitState(asking, id, "in_kafka");
      assertThat(reason(asking, id)).contains("it has as many unfinished as it may have");
    }
  }
}
