package org.pgoffload.protocol;

/// A topic of requests with consumers of its own.
public enum RequestChannel {
  /// Questions to language models.
  LLM,
  /// Background SQL.
  SQL,
  /// Commands, which every worker reads, whichever worker has the request.
  COMMANDS;

  /// The topic that requests are published to.
  public String topic(TopicNames topics) {
    return switch (this) {
      case LLM -> topics.llmRequests();
      case SQL -> topics.sqlRequests();
      case COMMANDS -> topics.commands();
    };
  }
}
