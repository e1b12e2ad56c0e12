package org.pgoffload.worker.sql.sessions;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Instant;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.Envelope;
import org.pgoffload.protocol.RequestKey;

/// What a signed request for background SQL asks for.
///
/// @param key which request it is
/// @param launcher the role that asked
/// @param createdAt when it was asked, by the database's clock
/// @param until when it is no longer wanted, or null for as long as it takes
public record SqlTask(
    RequestKey key,
    Launcher launcher,
    Command command,
    Rows rows,
    Scheduling scheduling,
    Instant createdAt,
    @Nullable Instant until) {
  private static final int DEFAULT_QUEUE_SIZE = 65_536;

  /// The role that asked.
  ///
  /// @param user its name
  /// @param userOid its oid
  /// @param loginOid the oid of the role that the worker logs in as
  public record Launcher(String user, long userOid, long loginOid) {}

  /// What is executed.
  ///
  /// @param label a name to find the task by, or null
  /// @param settings of the session that asked, a JSON object of names and values
  public record Command(String sql, @Nullable String label, String settings) {}

  /// What becomes of the rows.
  ///
  /// @param queueSize about how many bytes a chunk of them holds
  /// @param wanted false if nobody will fetch them
  public record Rows(int queueSize, boolean wanted) {}

  /// What decides when the task may begin.
  ///
  /// @param session the session that asked, or null
  /// @param maxWorkers how many tasks of that session may run at once, or null for any number
  /// @param depth how many tasks this one is nested in
  /// @param orderingKey requests of one key run one after another, or null
  public record Scheduling(
      @Nullable String session,
      @Nullable Integer maxWorkers,
      int depth,
      @Nullable String orderingKey) {}

  /// Reads an envelope. What is missing has its default: the database has checked what it signed.
  public static SqlTask of(Envelope envelope) {
    var payload = envelope.payload();
    var maxWorkers = payload.path("max_workers");
    var settings = payload.path("settings");
    return new SqlTask(
        envelope.key(),
        new Launcher(
            envelope.requestedBy().user(),
            envelope.requestedBy().userOid(),
            payload.path("login_oid").asLong(0)),
        new Command(
            payload.path("command").asText(""),
            text(payload, "label"),
            settings.isObject() ? settings.toString() : "{}"),
        new Rows(
            payload.path("queue_size").asInt(DEFAULT_QUEUE_SIZE),
            !payload.path("submitted").asBoolean(false)),
        new Scheduling(
            text(payload, "session"),
            maxWorkers.canConvertToInt() ? maxWorkers.asInt() : null,
            payload.path("depth").asInt(0),
            envelope.orderingKey()),
        envelope.createdAt(),
        envelope.deadline().orElse(null));
  }

  public long id() {
    return key.id();
  }

  /// When it is no longer wanted.
  public Optional<Instant> deadline() {
    return Optional.ofNullable(until);
  }

  /// The number by which the launching session knows the task, as the database counts it.
  public int pid() {
    int low = (int) (id() & Integer.MAX_VALUE);
    return low == 0 ? Integer.MAX_VALUE : low;
  }

  private static @Nullable String text(JsonNode payload, String field) {
    var value = payload.get(field);
    return value == null || value.isNull() ? null : value.asText();
  }

  /// Names the request without its content.
  @Override
  public String toString() {
    return "SqlTask[id=" + id() + "]";
  }
}
