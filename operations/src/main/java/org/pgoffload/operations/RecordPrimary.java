package org.pgoffload.operations;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.UUID;
import java.util.stream.Collectors;
import org.apache.kafka.common.KafkaException;
import org.jspecify.annotations.Nullable;
import org.pgoffload.operations.retention.RemoveOldRequests;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.platform.DatabaseServer;
import org.pgoffload.platform.KafkaFault;
import org.pgoffload.platform.Query;
import org.pgoffload.platform.TopicOffsets;
import org.pgoffload.platform.primary.ControlState;
import org.pgoffload.platform.primary.NotPrimaryException;
import org.pgoffload.platform.primary.NotPrimaryException.Code;
import org.pgoffload.platform.primary.ReadControl;
import org.pgoffload.platform.primary.ReplacePrimary;
import org.pgoffload.platform.primary.ServerIdentity;
import org.pgoffload.platform.primary.TimelineHistory;
import org.pgoffload.protocol.ControlRecord.Fork;
import org.pgoffload.protocol.ControlRecord.Primary;
import org.pgoffload.protocol.ControlRecord.Server;
import org.pgoffload.protocol.TopicNames;
import org.pgoffload.schema.InstallException;

/// Writes the record of the primary, without which no part works: the first one of an installation,
/// and one that an administrator answers for. Longer than 300 lines because what is refused when
/// the record is written is what is refused when a command looks for its server.
public final class RecordPrimary {
  private static final String REFUSED = "the record of the primary cannot be read or written";
  private static final Duration SILENCE = Duration.ofSeconds(30);

  private RecordPrimary() {}

  /// A server beside the record of the primary.
  ///
  /// @param server as it was asked
  /// @param state of the topic
  /// @param refusal why parts do not write to the server; null if it is the recorded primary
  public record Comparison(
      ServerIdentity server, ControlState state, @Nullable NotPrimaryException refusal) {}

  /// Compares the server with the record.
  ///
  /// @param database the owner's login, or one of a part
  /// @param kafka Kafka's client properties
  /// @throws InstallException if either cannot be asked
  public static Comparison compare(
      DatabaseAddress database, Map<String, Object> kafka, TopicNames topics) {
    var one = only(database);
    try (var connection = one.connectAsPart("pgoffload promote")) {
      // before the server, whose position goes on meanwhile: it must not look behind its own record
      var state = read(kafka, topics);
      var server = ServerIdentity.read(connection);
      return new Comparison(
          server,
          state,
          state.refusal(server, one.servers().getFirst(), topics.control()).orElse(null));
    } catch (SQLException e) {
      throw notAsked(e);
    }
  }

  /// What is on the topic; nothing where there is no such topic.
  ///
  /// @throws InstallException if Kafka refuses or does not answer
  public static ControlState read(Map<String, Object> kafka, TopicNames topics) {
    return AskKafka.ask(
        kafka,
        REFUSED,
        admin -> {
          if (!TopicOffsets.get(admin.listTopics().names()).contains(topics.control())) {
            return ControlState.none();
          }
          try (var read = new ReadControl(kafka, topics)) {
            read.readToEnd();
            return read.state();
          } catch (KafkaException e) {
            throw new InstallException(REFUSED + ": " + KafkaFault.words(e), e);
          }
        });
  }

  /// The address with the one server that takes writes. An old primary that has returned takes them
  /// as well, and so two have to be told apart by the administrator.
  ///
  /// @throws InstallException if several take writes
  public static DatabaseAddress only(DatabaseAddress database) {
    if (database.servers().size() == 1) {
      return database;
    }
    var writable = writable(database);
    if (writable.size() > 1) {
      throw new InstallException(
          "several servers take writes ("
              + writable.stream().map(DatabaseServer::toString).collect(Collectors.joining(", "))
              + "): name the one that is meant with --database-url",
          null);
    }
    return database.at(writable.getFirst());
  }

  /// The servers that take writes; the first one where none answers.
  private static List<DatabaseServer> writable(DatabaseAddress database) {
    var writable =
        database.servers().stream().filter(server -> takesWrites(database.at(server))).toList();
    return writable.isEmpty() ? List.of(database.servers().getFirst()) : writable;
  }

  private static boolean takesWrites(DatabaseAddress one) {
    try (var connection = one.connectAsPart("pgoffload promote", SILENCE)) {
      return Query.row(
          connection, "select not pg_catalog.pg_is_in_recovery()", row -> row.getBoolean(1));
    } catch (SQLException e) {
      return false;
    }
  }

  /// The server that a command may write to, alone: the recorded primary, or the one that takes
  /// writes where nothing was recorded yet.
  ///
  /// @param database the owner's login
  /// @param kafka Kafka's client properties
  /// @param topics of a database that does not say where its primary is recorded
  /// @throws InstallException with what to do, if the record names another server or is not there
  public static DatabaseAddress own(
      DatabaseAddress database, Map<String, Object> kafka, TopicNames topics) {
    // asked before Kafka: its words come first
    var recorded = recordedIn(database);
    var names = recorded.orElse(topics);
    var state = read(kafka, names);
    if (recorded.isPresent() && state.primary() == null && state.unreadable().isEmpty()) {
      throw new InstallException(
          "no_record: the primary of this installation is recorded in topic "
              + names.control()
              + ", which is not there, has no record, or may not be read by this login. Nothing has"
              + " changed. pgoffload install says what to do",
          null);
    }
    return own(database, state, names);
  }

  /// The same for `install`, which makes the topics that are missing and may give the installation
  /// others.
  static DatabaseAddress toInstall(
      DatabaseAddress database, Map<String, Object> kafka, TopicNames topics) {
    recordedIn(database);
    return own(database, read(kafka, topics), topics);
  }

  /// The copy that `adopt` is to make an installation of its own, alone.
  ///
  /// @param kafka Kafka's client properties
  /// @throws InstallException if parts follow the server, or several take writes
  public static DatabaseAddress copy(
      DatabaseAddress database, Map<String, Object> kafka, TopicNames topics) {
    var one = only(database);
    var state = read(kafka, recordedIn(one).orElse(topics));
    try (var connection = one.connectAsPart("pgoffload adopt", SILENCE)) {
      var followers =
          isInstalled(connection)
              ? state.followers(ServerIdentity.read(connection))
              : List.<String>of();
      if (!followers.isEmpty()) {
        throw new InstallException(
            "the server on "
                + one.servers().getFirst()
                + " is no copy: it is the primary that "
                + String.join(", ", followers)
                + " follow. Name the copy with --database-url, or end these parts first",
            null);
      }
      return one;
    } catch (SQLException e) {
      throw notAsked(e);
    }
  }

  /// The names of the topics with the record, as the database knows them; empty before the first
  /// record.
  private static Optional<TopicNames> recordedIn(DatabaseAddress database) {
    try (var connection = database.connectAsPart("pgoffload install", SILENCE)) {
      return isInstalled(connection)
          ? Query.first(
              connection,
              "select pg_catalog.regexp_replace(s.value, '[.]control$', '')"
                  + " from pgoffload.setting s where s.name = 'control_topic' and s.value <> ''",
              row -> new TopicNames(row.getString(1)))
          : Optional.empty();
    } catch (SQLException e) {
      throw notAsked(e);
    }
  }

  private static InstallException notAsked(SQLException e) {
    return new InstallException("the server cannot be asked: " + e.getMessage(), e);
  }

  private static DatabaseAddress own(
      DatabaseAddress database, ControlState state, TopicNames topics) {
    var servers = state.primary() == null ? only(database).servers() : writable(database);
    var refusals = new ArrayList<InstallException>();
    for (var server : servers) {
      var one = database.at(server);
      try (var connection = one.connectAsPart("pgoffload install", SILENCE)) {
        if (servers.size() > 1 || isInstalled(connection)) {
          refuse(state, ServerIdentity.read(connection), one, topics);
        }
        return one;
      } catch (InstallException e) {
        refusals.add(e);
      } catch (SQLException e) {
        refusals.add(notAsked(e));
      }
    }
    throw refusals.getFirst();
  }

  private static boolean isInstalled(Connection connection) throws SQLException {
    return Query.row(
        connection,
        "select pg_catalog.to_regprocedure('pgoffload.server_identity()') is not null",
        row -> row.getBoolean(1));
  }

  private static void refuse(
      ControlState state, ServerIdentity server, DatabaseAddress database, TopicNames topics) {
    state
        .refusal(server, database.servers().getFirst(), topics.control())
        .filter(refusal -> refusal.code() != Code.NO_RECORD)
        .ifPresent(refusal -> {
          throw new InstallException(String.valueOf(refusal.getMessage()), refusal);
        });
  }

  /// Writes the first record of an installation, or the ids of its topics into the one that is
  /// there.
  ///
  /// @param database the owner's login
  /// @param kafka Kafka's client properties
  /// @return a line saying what changed, or empty
  /// @throws InstallException if there was a record before and is none now, so that this may be a
  ///   copy, or if the record is of another server
  public static Optional<String> install(
      DatabaseAddress database, Map<String, Object> kafka, TopicNames topics) {
    var ids = InstallTopics.ids(kafka, topics);
    // a writer keeps others from writing: not where there is nothing to write
    var state = read(kafka, topics);
    var before = state.primary();
    try (var connection = database.connectAsPart("pgoffload install")) {
      var server = ServerIdentity.read(connection);
      if (before != null) {
        refuse(state, server, database, topics);
        if (before.topics().equals(ids)) {
          return Optional.empty();
        }
      } else {
        refuseWithoutRecord(connection, topics);
      }
      try (var replace = ReplacePrimary.begin(kafka, topics)) {
        // read anew: parts tell how far it has come meanwhile
        refuse(replace.state(), ServerIdentity.read(connection), database, topics);
        var present = replace.state().primary();
        replace.write(
            present == null
                ? primary(server, history(database, server), token(server), ids)
                : new Primary(
                    present.installation(),
                    present.server(),
                    present.token(),
                    present.position(),
                    ids));
        RecordSetting.run(database, "control_topic", topics.control());
        return Optional.of(
            present == null
                ? "recorded the primary, on timeline "
                    + server.timeline()
                    + ", in topic "
                    + topics.control()
                : "recorded the ids of the topics in topic " + topics.control());
      }
    } catch (SQLException e) {
      throw new InstallException(
          "the primary could not be recorded; run pgoffload install again: " + e.getMessage(), e);
    } catch (KafkaException e) {
      throw new InstallException(REFUSED + ": " + KafkaFault.words(e), e);
    }
  }

  /// A clone with a Kafka of its own looks just like an installation whose Kafka is gone.
  private static void refuseWithoutRecord(Connection connection, TopicNames topics)
      throws SQLException {
    var refused =
        Query.row(
            connection,
            "select (select s.value from pgoffload.setting s where s.name = 'control_topic') <> ''"
                + " and ((select r.is_called from pgoffload.request_id r)"
                + " or pgoffload.current_id_range() > 0)",
            row -> row.getBoolean(1));
    if (refused) {
      throw new InstallException(
          "no_record: the record of the primary is gone from topic "
              + topics.control()
              + ", or this is a copy of the database with a Kafka of its own. Nothing is executed"
              + " until you say which: pgoffload promote --accept if this is the installation and"
              + " its topics were lost, pgoffload adopt if it is a copy",
          null);
    }
  }

  /// The server that was accepted.
  ///
  /// @param server as it was asked
  /// @param atWork the parts that were at work with the primary of before when this was asked
  public record Accepted(ServerIdentity server, List<String> atWork) {}

  /// Makes the server the recorded primary, whatever the record says: the administrator knows that
  /// it is no copy. A break of the capture is recorded, and the parts of the primary of before
  /// stop.
  ///
  /// @param database the owner's login
  /// @param kafka Kafka's client properties
  /// @throws InstallException if it is a copy by its own word, or of another installation, or
  ///   either server refuses
  public static Accepted accept(
      DatabaseAddress database, Map<String, Object> kafka, TopicNames topics) {
    var where = only(database);
    var ids = InstallTopics.ids(kafka, topics);
    try (var connection = where.connectAsPart("pgoffload promote");
        var replace = ReplacePrimary.begin(kafka, topics)) {
      var server = ServerIdentity.read(connection);
      replace
          .state()
          .refusal(server, where.servers().getFirst(), topics.control())
          .filter(refusal ->
              switch (refusal.code()) {
                case COPIED_DATABASE, OTHER_INSTALLATION, UNKNOWN_VERSION -> true;
                case NO_RECORD,
                    OLD_TIMELINE,
                    NOT_ACCEPTED,
                    OTHER_FORK,
                    BEHIND_RECORD,
                    OTHER_SERVER ->
                    false;
              })
          .ifPresent(refusal -> {
            throw new InstallException(String.valueOf(refusal.getMessage()), refusal);
          });
      Query.execute(connection, "select pgoffload.prepare_timeline()");
      var history = history(where, server);
      var token =
          Query.row(
              connection,
              "select pgoffload.begin_timeline(?, ?::pg_catalog.pg_lsn, 'accepted')",
              row -> row.getObject(1, UUID.class),
              server.timeline(),
              history.isEmpty() ? null : history.getLast().switchedAt().toString());
      // what follows has a range of ids of its own, and every range has its partitions
      RemoveOldRequests.makePartitionsAhead(connection);
      replace.write(primary(server, history, token, ids));
      RecordSetting.run(where, "control_topic", topics.control());
      return new Accepted(server, replace.state().parts().keySet().stream().sorted().toList());
    } catch (SQLException e) {
      throw new InstallException(
          "the server could not be accepted; run pgoffload promote --accept again: "
              + e.getMessage(),
          e);
    } catch (KafkaException e) {
      throw new InstallException(REFUSED + ": " + KafkaFault.words(e), e);
    }
  }

  private static Primary primary(
      ServerIdentity server, List<Fork> history, UUID token, Map<String, String> topics) {
    return new Primary(
        server.installation(),
        new Server(server.systemIdentifier(), server.timeline(), history),
        token,
        server.confirmed(),
        topics);
  }

  private static UUID token(ServerIdentity server) {
    return Objects.requireNonNull(server.token(), "install has made the first");
  }

  /// Not known where the owner's login has no REPLICATION.
  private static List<Fork> history(DatabaseAddress database, ServerIdentity server) {
    try {
      return TimelineHistory.read(database, server.timeline(), SILENCE);
    } catch (SQLException e) {
      return List.of();
    }
  }
}
