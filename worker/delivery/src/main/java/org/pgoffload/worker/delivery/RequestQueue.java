package org.pgoffload.worker.delivery;

import org.pgoffload.protocol.RequestChannel;
import org.pgoffload.protocol.TopicNames;

/// The topic that a handler's requests come from.
///
/// @param name in the names of metrics, threads and Kafka clients
/// @param topic the topic
/// @param channel which kinds of requests belong there
/// @param window how many unfinished records make the worker take no more
public record RequestQueue(String name, String topic, RequestChannel channel, int window) {
  /// Whether the producer publishes to this topic, rather than a worker.
  boolean isFirst(TopicNames topics) {
    return topic.equals(channel.topic(topics));
  }
}
