package org.pgoffload.results;

import java.nio.charset.StandardCharsets;
import java.util.function.BiConsumer;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.Record;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.DeadLetterReason;
import org.pgoffload.protocol.LlmPiece;
import org.pgoffload.protocol.LlmUsage;
import org.pgoffload.protocol.MalformedMessageException;
import org.pgoffload.protocol.TopicNames;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The write-back's topology: results, pieces and usage in, rows out. What is none of them goes to
/// the dead letters.
final class ResultsTopology {
  private static final Logger LOG = LoggerFactory.getLogger(ResultsTopology.class);

  private static final String DEAD_LETTERS = "dead-letters";

  private ResultsTopology() {}

  static Topology of(TopicNames topics, WriteBack writeBack) {
    var bytes = Serdes.ByteArray();
    return new Topology()
        .addSource("results", bytes.deserializer(), bytes.deserializer(), topics.results())
        .addSource("pieces", bytes.deserializer(), bytes.deserializer(), topics.pieces())
        .addSource("usage", bytes.deserializer(), bytes.deserializer(), topics.usage())
        .addProcessor(
            "write-results",
            () ->
                new HandOver(
                    "result",
                    (value, headers) -> writeBack.write(ReadRecord.result(value), headers)),
            "results")
        .addProcessor(
            "write-pieces",
            () -> new HandOver("piece", (value, _) -> writeBack.write(LlmPiece.read(value))),
            "pieces")
        .addProcessor(
            "write-usage",
            () -> new HandOver("usage", (value, _) -> writeBack.write(LlmUsage.read(value))),
            "usage")
        .addSink(
            DEAD_LETTERS,
            topics.deadLetters(),
            bytes.serializer(),
            bytes.serializer(),
            "write-results",
            "write-pieces",
            "write-usage");
  }

  /// Hands each message to the writer, without waiting for it: the commit waits.
  private static final class HandOver extends ContextualProcessor<byte[], byte[], byte[], byte[]> {
    private final String name;
    private final BiConsumer<byte[], Headers> readAndWrite;

    /// @param name what a record of the topic is
    HandOver(String name, BiConsumer<byte[], Headers> readAndWrite) {
      this.name = name;
      this.readAndWrite = readAndWrite;
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
      byte @Nullable [] value = record.value();
      try {
        readAndWrite.accept(value == null ? new byte[0] : value, record.headers());
      } catch (WriteBackClosedException e) {
        throw e;
      } catch (MalformedMessageException e) {
        bury(record, e.reason(), String.valueOf(e.getMessage()));
      } catch (RuntimeException e) {
        // what cannot be read now cannot be read after a restart either: it must not stop the rest
        bury(
            record,
            DeadLetterReason.MALFORMED,
            "the results application failed to read it: " + e.getClass().getName());
      }
    }

    private void bury(Record<byte[], byte[]> record, DeadLetterReason reason, String detail) {
      var origin =
          context()
              .recordMetadata()
              .map(place -> place.topic() + "-" + place.partition() + "@" + place.offset())
              .orElse("unknown");
      LOG.warn("The record at {} is no {} ({}); it goes to the dead letters", origin, name, detail);
      var headers = new RecordHeaders(record.headers());
      headers.add(org.pgoffload.protocol.RecordHeaders.REASON, utf8(reason.code()));
      headers.add(org.pgoffload.protocol.RecordHeaders.REASON_DETAIL, utf8(detail));
      headers.add(org.pgoffload.protocol.RecordHeaders.ORIGIN, utf8(origin));
      context().forward(record.withHeaders(headers), DEAD_LETTERS);
    }
  }

  private static byte[] utf8(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }
}
