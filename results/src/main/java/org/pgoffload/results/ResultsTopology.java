package org.pgoffload.results;

import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.Record;
import org.pgoffload.protocol.MalformedMessageException;
import org.pgoffload.protocol.Result;
import org.pgoffload.protocol.TopicNames;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The topology: results in, rows out. What is no result goes to the dead letters.
final class ResultsTopology {
  private static final Logger LOG = LoggerFactory.getLogger(ResultsTopology.class);

  private ResultsTopology() {}

  static Topology of(TopicNames topics, WriteBack writeBack) {
    var bytes = Serdes.ByteArray();
    return new Topology()
        .addSource("results", bytes.deserializer(), bytes.deserializer(), topics.results())
        .addProcessor("write-back", () -> new HandOver(writeBack), "results")
        .addSink(
            "dead-letters",
            topics.deadLetters(),
            bytes.serializer(),
            bytes.serializer(),
            "write-back");
  }

  /// Hands each result to the writer, without waiting for it: the commit waits.
  private static final class HandOver extends ContextualProcessor<byte[], byte[], byte[], byte[]> {
    private final WriteBack writeBack;

    HandOver(WriteBack writeBack) {
      this.writeBack = writeBack;
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
      byte[] value = record.value() == null ? new byte[0] : record.value();
      Result result;
      try {
        result = Result.read(value);
      } catch (MalformedMessageException e) {
        LOG.warn(
            "A record on the results topic is no result; it goes to the dead letters: {}",
            e.getMessage());
        var headers = new org.apache.kafka.common.header.internals.RecordHeaders(record.headers());
        headers.add(
            org.pgoffload.protocol.RecordHeaders.REASON,
            e.reason().code().getBytes(java.nio.charset.StandardCharsets.UTF_8));
        context().forward(record.withHeaders(headers), "dead-letters");
        return;
      }
      writeBack.write(result, value.length);
    }
  }
}
