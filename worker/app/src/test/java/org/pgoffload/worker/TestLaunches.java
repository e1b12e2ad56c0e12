package org.pgoffload.worker;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.UUID;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.TaskDatabase;
import org.pgoffload.protocol.ResultMessage;
import org.pgoffload.protocol.SqlResult;
import org.pgoffload.worker.delivery.DeliverySettings;
import org.pgoffload.worker.delivery.TestRequests;
import org.pgoffload.worker.llm.LlmSettings;
import org.pgoffload.worker.llm.calls.CallSettings;
import org.pgoffload.worker.sql.SqlSettings;
import org.pgoffload.worker.sql.sessions.SqlLimits;

/// Launches and commands of alice and bob, signed and sent as the database would.
final class TestLaunches {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final TestInstallation installation;
  private final String installationId;
  private String keyId = "";
  private String key = "";
  private final Map<String, Long> oids;

  private @Nullable Instant published;

  TestLaunches(TestInstallation installation) {
    this.installation = installation;
    installation.createLogin("alice");
    installation.createLogin("bob");
    installation.execute(
        """
        grant pgbackground_role to alice, bob;
        grant all on schema public to alice, bob;
        """);
    installationId = installation.query("select id from pgoffload.installation");
    oids = Map.of("alice", oid("alice"), "bob", oid("bob"));
    signWithTheNewestKey();
  }

  /// To be called after the keys were revoked.
  void signWithTheNewestKey() {
    keyId = installation.query("select max(key_id) from pgoffload.signing_key");
    key =
        installation.query(
            "select encode(key, 'hex') from pgoffload.signing_key where key_id = " + keyId);
  }

  WorkerConfiguration configuration(String name, int connections, int perRole, Duration drain) {
    var address = installation.admin();
    return new WorkerConfiguration(
        installation.worker(),
        new DeliverySettings(
            name, "test", installation.topics(), installation.kafka(), 2000, 256 << 20, drain),
        new LlmSettings(2000, LlmSettings.DEFAULT_DEFER_AFTER, CallSettings.DEFAULTS),
        new SqlSettings(
            new TaskDatabase(address.host(), address.port(), address.database(), Map.of()),
            new SqlLimits(connections, perRole, Duration.ofSeconds(30))));
  }

  /// What may differ between launches.
  ///
  /// @param timeout or null for none
  record Launch(
      String role,
      String command,
      boolean immediate,
      @Nullable String orderingKey,
      @Nullable String session,
      @Nullable Integer maxWorkers,
      int depth,
      @Nullable Duration timeout) {
    static Launch of(String role, String command) {
      return new Launch(role, command, true, null, "s", 100, 0, null);
    }

    Launch keyed(String key) {
      return new Launch(role, command, immediate, key, session, maxWorkers, depth, timeout);
    }

    Launch inSession(String key, int most) {
      return new Launch(role, command, immediate, orderingKey, key, most, depth, timeout);
    }

    Launch nested(int levels) {
      return new Launch(
          role, command, immediate, orderingKey, session, maxWorkers, levels, timeout);
    }

    Launch within(Duration time) {
      return new Launch(role, command, immediate, orderingKey, session, maxWorkers, depth, time);
    }

    Launch inserted() {
      return new Launch(role, command, false, orderingKey, session, maxWorkers, depth, timeout);
    }
  }

  long launch(String role, String command) {
    return launch(Launch.of(role, command));
  }

  long launch(Launch launch) {
    long id = installation.newId();
    launch(id, launch);
    return id;
  }

  void launch(long id, Launch launch) {
    launch(id, launch, envelope -> {});
  }

  /// A launch as this database would never sign it.
  void launch(long id, Launch launch, Consumer<ObjectNode> spoil) {
    var payload = JSON.createObjectNode();
    payload.put("command", launch.command);
    payload.put("queue_size", 65_536);
    payload.put("login_oid", oids.get(launch.role));
    payload.set("settings", JSON.createObjectNode());
    payload.put("session", launch.session);
    payload.put("max_workers", launch.maxWorkers);
    payload.put("depth", launch.depth);
    payload.put("submitted", false);
    var envelope = envelope(id, "sql", launch.role, payload);
    envelope.put("ordering_key", launch.orderingKey);
    envelope.put("immediate", launch.immediate);
    if (launch.timeout != null) {
      envelope.put("timeout_ms", launch.timeout.toMillis());
    }
    spoil.accept(envelope);
    // one partition, so that they arrive in this order
    send(installation.topics().sqlRequests(), "k", envelope);
  }

  void cancel(String role, long id) {
    send(
        installation.topics().commands(),
        Long.toString(id),
        envelope(id, "cancel", role, JSON.createObjectNode()));
  }

  void progress(String role, long id, int percent, int pid) {
    var payload = JSON.createObjectNode();
    payload.put("pct", percent);
    payload.put("message", "so far");
    payload.put("pid", pid);
    send(
        installation.topics().commands(),
        Long.toString(id),
        envelope(id, "progress", role, payload));
  }

  private ObjectNode envelope(long id, String kind, String role, ObjectNode payload) {
    var envelope = JSON.createObjectNode();
    envelope.put("version", 1);
    envelope.put("id", id);
    envelope.put("kind", kind);
    envelope.putNull("ordering_key");
    envelope.put("immediate", true);
    envelope.put("installation", installationId);
    envelope.put("nonce", new UUID(0, id).toString());
    envelope.put("signed_at_us", Instant.now().toEpochMilli() * 1000);
    envelope.putNull("timeout_ms");
    var by = envelope.putObject("requested_by");
    by.put("user", role);
    by.put("user_oid", oids.get(role));
    by.put("session_user", role);
    by.put("session_user_oid", oids.get(role));
    by.put("role", "none");
    envelope.set("payload", payload);
    return envelope;
  }

  /// What is sent from now on was published at this time, by its records' own word; null: now.
  void publishedAt(@Nullable Instant time) {
    published = time;
  }

  private void send(String topic, String recordKey, ObjectNode envelope) {
    var text = envelope.toString();
    installation.send(
        topic,
        recordKey,
        text.getBytes(StandardCharsets.UTF_8),
        keyId + ":" + TestRequests.mac(key, text),
        Objects.requireNonNullElseGet(published, Instant::now));
  }

  private long oid(String role) {
    return Long.parseLong(installation.query("select '" + role + "'::regrole::oid"));
  }

  /// The terminal results on the topic, in its order.
  List<SqlResult> results() {
    return installation.read(installation.topics().results()).stream()
        .map(record -> ResultMessage.read(record.value()))
        .filter(SqlResult.class::isInstance)
        .map(SqlResult.class::cast)
        .toList();
  }

  Optional<SqlResult> resultOf(long id) {
    return results().stream().filter(result -> result.id() == id).findFirst();
  }
}
