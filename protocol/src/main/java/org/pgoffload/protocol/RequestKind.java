package org.pgoffload.protocol;

import java.util.Arrays;
import java.util.Optional;

/// What a request asks for. Each kind belongs to one lane, so that neither waits behind the other.
public enum RequestKind {
  /// A completion by a language model.
  ASK("ask", Lane.LLM),
  /// Embeddings of one or more texts.
  EMBED("embed", Lane.LLM),
  /// SQL to run in the background.
  SQL("sql", Lane.SQL),
  /// The cancellation of the request whose id it bears.
  CANCEL("cancel", Lane.COMMANDS),
  /// What a running SQL task says of its progress.
  PROGRESS("progress", Lane.COMMANDS);

  /// A topic with consumers of its own.
  public enum Lane {
    LLM,
    SQL,
    /// What every worker reads, whoever has the request.
    COMMANDS
  }

  private final String wireName;
  private final Lane lane;

  RequestKind(String wireName, Lane lane) {
    this.wireName = wireName;
    this.lane = lane;
  }

  /// The kind of this wire name, or empty for one of a newer version.
  public static Optional<RequestKind> ofWireName(String wireName) {
    return Arrays.stream(values()).filter(kind -> kind.wireName.equals(wireName)).findFirst();
  }

  /// The name in messages and tables.
  public String wireName() {
    return wireName;
  }

  public Lane lane() {
    return lane;
  }

  /// The topic of this kind's requests.
  public String topic(TopicNames topics) {
    return switch (lane) {
      case LLM -> topics.llmRequests();
      case SQL -> topics.sqlRequests();
      case COMMANDS -> topics.commands();
    };
  }
}
