package org.pgoffload.results;

import java.util.function.Consumer;
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
import org.pgoffload.telemetry.CountDeadLetters;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The write-back's topology: results, pieces and usage in, rows out. Any other record goes to the
/// dead letters.
final class ResultsTopology {
  private static final Logger LOG = LoggerFactory.getLogger(ResultsTopology.class);

  private static final String DEAD_LETTERS = "dead-letters";

  private ResultsTopology() {}

  /// @param deadLetters is told of each
  static Topology of(TopicNames topics, WriteBack writeBack, CountDeadLetters deadLetters) {
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
                    deadLetters,
                    record -> writeBack.write(ReadRecord.result(record.value()), record)),
            "results")
        .addProcessor(
            "write-pieces",
            () ->
                new HandOver(
                    "piece",
                    deadLetters,
                    record -> writeBack.write(LlmPiece.read(record.value()), record)),
            "pieces")
        .addProcessor(
            "write-usage",
            () ->
                new HandOver(
                    "usage", deadLetters, record -> writeBack.write(LlmUsage.read(record.value()))),
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
    private final CountDeadLetters deadLetters;
    private final Consumer<TakenRecord> readAndWrite;

    /// @param name what a record of the topic is
    HandOver(String name, CountDeadLetters deadLetters, Consumer<TakenRecord> readAndWrite) {
      this.name = name;
      this.deadLetters = deadLetters;
      this.readAndWrite = readAndWrite;
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
      var taken = taken(record);
      try {
        readAndWrite.accept(taken);
      } catch (WriteBackClosedException e) {
        throw e;
      } catch (MalformedMessageException e) {
        bury(record, taken, e.reason(), String.valueOf(e.getMessage()));
      } catch (RuntimeException e) {
        // what cannot be read now cannot be read after a restart either: it must not stop the rest
        bury(
            record,
            taken,
            DeadLetterReason.MALFORMED,
            "the results application failed to read it: " + e.getClass().getName());
      }
    }

    private TakenRecord taken(Record<byte[], byte[]> record) {
      byte @Nullable [] value = record.value();
      return new TakenRecord(
          record.key(),
          value == null ? new byte[0] : value,
          record.headers(),
          context()
              .recordMetadata()
              .map(place -> place.topic() + "-" + place.partition() + "@" + place.offset())
              .orElse("unknown"));
    }

    private void bury(
        Record<byte[], byte[]> record, TakenRecord taken, DeadLetterReason reason, String detail) {
      LOG.warn("{} is no {} ({}); it goes to the dead letters", taken, name, detail);
      deadLetters.count(reason.code());
      context().forward(record.withHeaders(taken.asLetter(reason, detail)), DEAD_LETTERS);
    }
  }
}
