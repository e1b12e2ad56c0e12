package org.pgoffload.protocol;

import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;

/// A record of the topic `control`, by which the parts of an installation know which server takes
/// its writes. The topic is compacted: of each key the last record stands. The JSON schema is
/// `control.v1.schema.json`.
public sealed interface ControlRecord {
  /// The major version this code writes and reads.
  int VERSION = 1;

  /// Major version of the message.
  int version();

  /// Which record it is, in the JSON.
  String kind();

  /// The record's key.
  String recordKey();

  /// The record's value.
  default byte[] write() {
    return Json.write(this);
  }

  /// The record of the primary: the server and the timeline on which alone the parts write. It
  /// changes when another timeline is made the installation's own, and then alone.
  ///
  /// @param kind `primary`
  /// @param installation id of the installation
  /// @param server the recorded server
  /// @param token what the database has as well on this timeline and on no other
  /// @param position up to which requests were captured from the server when the record was written
  /// @param topics ids of the topics of requests, by their names; may be empty
  record Primary(
      @JsonProperty("version") int version,
      @JsonProperty("kind") String kind,
      @JsonProperty("installation") String installation,
      @JsonProperty("server") Server server,
      @JsonProperty("token") UUID token,
      @JsonProperty("position") WalPosition position,
      @JsonProperty("topics") Map<String, String> topics)
      implements ControlRecord {
    /// The `kind` of such a record, and its key.
    public static final String KIND = "primary";

    public Primary {
      requireVersion(version);
      Require.that(KIND.equals(kind), "the kind is not primary");
      Require.that(installation != null && !installation.isBlank(), "there is no installation");
      Require.that(server != null && token != null && position != null, "a field is missing");
      topics = topics == null ? Map.of() : Map.copyOf(topics);
    }

    public Primary(
        String installation,
        Server server,
        UUID token,
        WalPosition position,
        Map<String, String> topics) {
      this(VERSION, KIND, installation, server, token, position, topics);
    }

    @Override
    public String recordKey() {
      return KIND;
    }
  }

  /// A server by the history of its WAL.
  ///
  /// @param systemIdentifier of the cluster, which its standbys share
  /// @param timeline on which it writes
  /// @param history the timelines before, the oldest first; empty where it is not known
  record Server(
      @JsonProperty("system_identifier") long systemIdentifier,
      @JsonProperty("timeline") int timeline,
      @JsonProperty("history") List<Fork> history) {
    public Server {
      Require.that(timeline >= 1, "a timeline is less than 1");
      history = history == null ? List.of() : List.copyOf(history);
    }
  }

  /// The end of a timeline: where the next one left it.
  ///
  /// @param timeline that was left
  /// @param switchedAt the position up to which both have the same
  record Fork(
      @JsonProperty("timeline") int timeline, @JsonProperty("switched_at") WalPosition switchedAt) {
    public Fork {
      Require.that(timeline >= 1, "a timeline is less than 1");
      Require.that(switchedAt != null, "a field is missing");
    }
  }

  /// How far the recorded primary has come. A server with the token that has not come so far is a
  /// copy, or was restored.
  ///
  /// @param kind `position`
  /// @param token of the primary
  /// @param position up to which requests are captured
  record Position(
      @JsonProperty("version") int version,
      @JsonProperty("kind") String kind,
      @JsonProperty("token") UUID token,
      @JsonProperty("position") WalPosition position)
      implements ControlRecord {
    /// The `kind` of such a record, and its key.
    public static final String KIND = "position";

    public Position {
      requireVersion(version);
      Require.that(KIND.equals(kind), "the kind is not position");
      Require.that(token != null && position != null, "a field is missing");
    }

    public Position(UUID token, WalPosition position) {
      this(VERSION, KIND, token, position);
    }

    @Override
    public String recordKey() {
      return KIND;
    }
  }

  /// A part that has just asked its server, and the server was the recorded primary. A part that
  /// ends in order removes its record.
  ///
  /// @param kind `part`
  /// @param name of the part, unique to its process
  /// @param token of the primary
  /// @param started when the part's server was started, by which two servers are told apart
  record Part(
      @JsonProperty("version") int version,
      @JsonProperty("kind") String kind,
      @JsonProperty("name") String name,
      @JsonProperty("token") UUID token,
      @JsonProperty("started") String started)
      implements ControlRecord {
    /// The `kind` of such a record.
    public static final String KIND = "part";

    /// The keys of such records begin with it.
    public static final String KEY_PREFIX = "part:";

    public Part {
      requireVersion(version);
      Require.that(KIND.equals(kind), "the kind is not part");
      Require.that(name != null && token != null && started != null, "a field is missing");
    }

    public Part(String name, UUID token, String started) {
      this(VERSION, KIND, name, token, started);
    }

    @Override
    public String recordKey() {
      return key(name);
    }

    /// The key of a part's record.
    public static String key(String name) {
      return KEY_PREFIX + name;
    }
  }

  /// Reads a record's value. Unknown fields are ignored.
  ///
  /// @return empty for a kind that this version does not know
  /// @throws MalformedMessageException if the bytes are no such record, or of another major version
  static Optional<ControlRecord> read(byte[] bytes) {
    var otherwise = "not the JSON of a record of version " + VERSION;
    var head = Json.read(bytes, Head.class, otherwise);
    if (head.version != VERSION) {
      throw new MalformedMessageException(
          DeadLetterReason.UNKNOWN_VERSION, otherwise + ", but of version " + head.version);
    }
    return switch (head.kind) {
      case Primary.KIND -> Optional.of(Json.read(bytes, Primary.class, otherwise));
      case Position.KIND -> Optional.of(Json.read(bytes, Position.class, otherwise));
      case Part.KIND -> Optional.of(Json.read(bytes, Part.class, otherwise));
      default -> Optional.empty();
    };
  }

  private static void requireVersion(int version) {
    Require.that(version == VERSION, "it is of version " + version + ", and this is " + VERSION);
  }

  /// The fields that say what the others are.
  ///
  /// @param kind of the record; empty if there is none
  record Head(@JsonProperty("version") int version, @JsonProperty("kind") String kind) {
    public Head {
      kind = kind == null ? "" : kind;
    }
  }
}
