package org.pgoffload.protocol;

import java.time.Duration;
import java.util.List;
import java.util.regex.Pattern;

/// The names of one installation's topics, all under one prefix.
///
/// @param prefix what every name starts with, followed by a dot
public record TopicNames(String prefix) {
  /// How much longer a record is kept at most: a topic deletes whole segments.
  public static final Duration KEPT_LONGER = Duration.ofDays(1);

  /// The prefix when none is configured.
  public static final String DEFAULT_PREFIX = "pgoffload";

  private static final Pattern LEGAL = Pattern.compile("[a-zA-Z0-9._-]{1,200}");

  public TopicNames {
    if (!LEGAL.matcher(prefix).matches()) {
      throw new IllegalArgumentException(
          "the topic prefix '"
              + prefix
              + "' must be 1 to 200 characters of letters, digits, dot, underscore and hyphen");
    }
  }

  /// Signed SQL requests; key: [Routing#recordKey()].
  public String sqlRequests() {
    return prefix + ".requests.sql";
  }

  /// Signed LLM requests; key: [Routing#recordKey()].
  public String llmRequests() {
    return prefix + ".requests.llm";
  }

  /// Requests that have to wait before they are tried (again).
  public String deferred() {
    return prefix + ".deferred";
  }

  /// Results; key: always the request id.
  public String results() {
    return prefix + ".results";
  }

  /// Pieces of streamed answers; key: always the request id.
  public String pieces() {
    return prefix + ".pieces";
  }

  /// Signed commands to every worker: the cancellation of a request, the progress of a task; key:
  /// [Routing#recordKey()].
  public String commands() {
    return prefix + ".commands";
  }

  /// Records that could not be understood or trusted, with the reason in their headers.
  public String deadLetters() {
    return prefix + ".dead-letters";
  }

  /// Usage aggregates (compacted).
  public String usage() {
    return prefix + ".usage";
  }

  /// Which server takes the installation's writes, and which parts have found it (compacted, one
  /// partition); key: [ControlRecord#recordKey()]. Also the transactional id of those that write
  /// the record of the primary.
  public String control() {
    return prefix + ".control";
  }

  /// Empty records with which a Connect cluster stores how far it has captured. The producer needs
  /// no such topic, and the installer makes none.
  public String heartbeats() {
    return prefix + ".heartbeats";
  }

  /// The topics of requests that are executed, which have a consumer group of workers each.
  public List<String> requests() {
    return List.of(llmRequests(), sqlRequests(), deferred());
  }

  /// The consumer group of the workers that read a topic of requests: what it has committed is
  /// finished.
  ///
  /// @throws IllegalArgumentException for any other topic
  public String workersOf(String requests) {
    if (requests.equals(llmRequests())) {
      return prefix + ".worker.llm";
    }
    if (requests.equals(sqlRequests())) {
      return prefix + ".worker.sql";
    }
    if (requests.equals(deferred())) {
      return prefix + ".worker.deferred";
    }
    throw new IllegalArgumentException("no worker reads requests from " + requests);
  }

  /// The consumer group that reads the results, which is also its application's id: what it has
  /// committed is in the database.
  public String writeBack() {
    return prefix + ".results-writer";
  }

  /// Every topic of the installer's, in the order in which they are created.
  public List<String> all() {
    return List.of(
        sqlRequests(),
        llmRequests(),
        deferred(),
        results(),
        pieces(),
        commands(),
        deadLetters(),
        usage(),
        control());
  }
}
