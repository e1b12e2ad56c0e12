package org.pgoffload.protocol;

import java.util.Arrays;
import java.util.Optional;

/// The kind of a request. Each kind belongs to one channel, so that requests of one channel do not
/// wait behind those of another.
public enum RequestKind {
  /// A completion by a language model.
  ASK("ask", RequestChannel.LLM),
  /// Embeddings of one or more texts.
  EMBED("embed", RequestChannel.LLM),
  /// Documents in the order of how much they help to answer a query.
  RERANK("rerank", RequestChannel.LLM),
  /// SQL to run in the background.
  SQL("sql", RequestChannel.SQL),
  /// The cancellation of the request whose id it bears.
  CANCEL("cancel", RequestChannel.COMMANDS),
  /// The progress that a running SQL task reports.
  PROGRESS("progress", RequestChannel.COMMANDS);

  private final String wireName;
  private final RequestChannel channel;

  RequestKind(String wireName, RequestChannel channel) {
    this.wireName = wireName;
    this.channel = channel;
  }

  /// The kind of this wire name, or empty for one of a newer version.
  public static Optional<RequestKind> ofWireName(String wireName) {
    return Arrays.stream(values()).filter(kind -> kind.wireName.equals(wireName)).findFirst();
  }

  /// The name in messages and tables.
  public String wireName() {
    return wireName;
  }

  /// The channel of its requests.
  public RequestChannel channel() {
    return channel;
  }

  /// The topic of this kind's requests.
  public String topic(TopicNames topics) {
    return channel.topic(topics);
  }
}
