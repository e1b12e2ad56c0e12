package org.pgoffload.platform.primary;

import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.UUID;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.DatabaseServer;
import org.pgoffload.platform.primary.NotPrimaryException.Code;
import org.pgoffload.protocol.ControlRecord;
import org.pgoffload.protocol.ControlRecord.Part;
import org.pgoffload.protocol.ControlRecord.Position;
import org.pgoffload.protocol.ControlRecord.Primary;
import org.pgoffload.protocol.MalformedMessageException;
import org.pgoffload.protocol.WalPosition;

/// The records of the topic `control`, as far as they were read. Immutable.
///
/// @param primary the record of the primary, or null if there is none
/// @param unreadable why the record of the primary cannot be read, or empty
/// @param position the newest, or null
/// @param parts the parts that have not ended in order, by name
public record ControlState(
    @Nullable Primary primary,
    String unreadable,
    @Nullable Position position,
    Map<String, Seen> parts) {
  static final ControlState EMPTY = new ControlState(null, "", null, Map.of());

  /// Of a topic without records.
  public static ControlState none() {
    return EMPTY;
  }

  /// A part's newest record.
  ///
  /// @param offset of the record
  /// @param readAt when it was read, by `System.nanoTime`
  public record Seen(Part part, long offset, long readAt) {}

  public ControlState {
    parts = Map.copyOf(parts);
  }

  ControlState with(ConsumerRecord<byte[], byte[]> record) {
    var key = record.key() == null ? "" : new String(record.key(), StandardCharsets.UTF_8);
    if (record.value() == null) {
      var others = new HashMap<>(parts);
      return key.startsWith(Part.KEY_PREFIX)
              && others.remove(key.substring(Part.KEY_PREFIX.length())) != null
          ? new ControlState(primary, unreadable, position, others)
          : this;
    }
    try {
      return ControlRecord.read(record.value())
          // a record under another key would stand in that one's place once it is compacted
          .filter(read -> read.recordKey().equals(key))
          .map(read -> with(read, record.offset()))
          .orElse(this);
    } catch (MalformedMessageException e) {
      return key.equals(Primary.KIND)
          ? new ControlState(null, String.valueOf(e.getMessage()), position, parts)
          : this;
    }
  }

  private ControlState with(ControlRecord read, long offset) {
    return switch (read) {
      case Primary found -> new ControlState(found, "", position, parts);
      case Position found -> new ControlState(primary, unreadable, found, parts);
      case Part found -> {
        var all = new HashMap<>(parts);
        all.put(found.name(), new Seen(found, offset, System.nanoTime()));
        yield new ControlState(primary, unreadable, position, all);
      }
    };
  }

  /// The token of the recorded primary.
  public Optional<UUID> token() {
    return Optional.ofNullable(primary).map(Primary::token);
  }

  /// How far the recorded primary is known to have come.
  public WalPosition reached() {
    var recorded = primary;
    var newest = position;
    if (recorded == null) {
      return WalPosition.ZERO;
    }
    return newest != null && newest.token().equals(recorded.token())
        ? newest.position().orLater(recorded.position())
        : recorded.position();
  }

  /// Whether the server is the recorded primary, without a look at what other parts have found.
  ///
  /// @param where the server was found
  /// @param topic of the record
  /// @return why it is not, or empty if it is
  public Optional<NotPrimaryException> refusal(
      ServerIdentity server, DatabaseServer where, String topic) {
    var recorded = primary;
    if (!unreadable.isEmpty()) {
      return refuse(
          Code.UNKNOWN_VERSION,
          "the record of the primary in topic "
              + topic
              + " cannot be read ("
              + unreadable
              + "): upgrade this part");
    }
    if (server.copied()) {
      return refuse(
          Code.COPIED_DATABASE,
          "the database on "
              + where
              + " is a copy of another installation; to run it as one of its own: pgoffload adopt");
    }
    if (recorded == null) {
      return refuse(
          Code.NO_RECORD,
          "topic "
              + topic
              + " has no record of the primary: run pgoffload install, which writes it or says why"
              + " not");
    }
    if (!recorded.installation().equals(server.installation())
        || recorded.server().systemIdentifier() != server.systemIdentifier()) {
      return refuse(
          Code.OTHER_INSTALLATION,
          "topic "
              + topic
              + " is of installation "
              + recorded.installation()
              + ", and the database on "
              + where
              + " of "
              + server.installation()
              + ": make topics of its own with pgoffload install --topic-prefix, and give its parts"
              + " PGOFFLOAD_TOPIC_PREFIX; or remove those of an installation that is gone: pgoffload"
              + " uninstall, then pgoffload uninstall --topics");
    }
    int timeline = recorded.server().timeline();
    if (server.timeline() < timeline) {
      return refuse(
          Code.OLD_TIMELINE,
          "the server on "
              + where
              + " is on timeline "
              + server.timeline()
              + ", which the installation has left for timeline "
              + timeline
              + ": an old primary that has returned is to be made a standby of the new one"
              + " (pg_rewind)");
    }
    if (server.timeline() > timeline) {
      return refuse(
          Code.NOT_ACCEPTED,
          "the server on "
              + where
              + " was promoted to timeline "
              + server.timeline()
              + ", and timeline "
              + timeline
              + " is recorded: the producer accepts it, or says why not");
    }
    if (!recorded.token().equals(server.token())) {
      return refuse(
          Code.OTHER_FORK,
          "the server on "
              + where
              + " is on timeline "
              + timeline
              + " as the recorded primary is, but another server was accepted for it: make this one"
              + " a standby of that one, or pgoffload adopt if it is a copy");
    }
    if (server.flushed().compareTo(reached()) < 0) {
      return refuse(
          Code.BEHIND_RECORD,
          "the server on "
              + where
              + " has WAL up to "
              + server.flushed()
              + ", and the recorded primary had come to "
              + reached()
              + ": a copy is made an installation of its own by pgoffload adopt, a restored server"
              + " the primary again by pgoffload promote --accept");
    }
    return Optional.empty();
  }

  /// Whether a part was last at work with another server that has the same token.
  public boolean namesAnotherServer(ServerIdentity server) {
    return parts.values().stream()
        .anyMatch(seen ->
            seen.part.token().equals(server.token())
                && !seen.part.started().equals(server.started()));
  }

  /// The names of the parts that were last at work with the server since it was started.
  public List<String> followers(ServerIdentity server) {
    return parts.values().stream()
        .map(Seen::part)
        .filter(
            part -> part.token().equals(server.token()) && part.started().equals(server.started()))
        .map(Part::name)
        .sorted()
        .toList();
  }

  /// A part that works with another server than this one and says so still.
  ///
  /// @param since what was read before does not count, by `System.nanoTime`
  /// @param self the name of the part that asks
  Optional<Seen> withAnotherServer(ServerIdentity server, long since, String self) {
    return parts.values().stream()
        .filter(seen ->
            !seen.part.name().equals(self)
                && Objects.equals(seen.part.token(), server.token())
                && !seen.part.started().equals(server.started())
                && seen.readAt - since >= 0)
        .findFirst();
  }

  private static Optional<NotPrimaryException> refuse(Code code, String words) {
    return Optional.of(new NotPrimaryException(code, words));
  }
}
