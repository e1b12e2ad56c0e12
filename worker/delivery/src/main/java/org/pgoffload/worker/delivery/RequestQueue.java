package org.pgoffload.worker.delivery;

import org.pgoffload.protocol.RequestChannel;
import org.pgoffload.protocol.TopicNames;

/// The topic that a handler's requests come from.
///
/// @param name in the names of metrics, threads and Kafka clients
/// @param topic the topic
/// @param channel which kinds of requests belong there
/// @param mostRecords how many records of requests that wait are kept in memory
/// @param mostRecordBytes and their bytes
public record RequestQueue(
    String name, String topic, RequestChannel channel, int mostRecords, long mostRecordBytes) {
  /// Whether the producer publishes to this topic, rather than a worker.
  boolean isFirst(TopicNames topics) {
    return topic.equals(channel.topic(topics));
  }
}
