package org.pgoffload.results;

import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.OffsetDateTime;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.Record;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.DeadLetterReason;
import org.pgoffload.protocol.MalformedMessageException;
import org.pgoffload.protocol.Result;
import org.pgoffload.protocol.ResultMessage;
import org.pgoffload.protocol.SqlResult;
import org.pgoffload.protocol.SqlRows;
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
      byte @Nullable [] value = record.value();
      ResultMessage message;
      try {
        message = read(value == null ? new byte[0] : value);
      } catch (MalformedMessageException e) {
        bury(record, e.reason(), String.valueOf(e.getMessage()));
        return;
      } catch (RuntimeException e) {
        // what cannot be read now cannot be read after a restart either: it must not stop the rest
        bury(
            record,
            DeadLetterReason.MALFORMED,
            "the results application failed to read it: " + e.getClass().getName());
        return;
      }
      writeBack.write(message);
    }

    private void bury(Record<byte[], byte[]> record, DeadLetterReason reason, String detail) {
      var origin =
          context()
              .recordMetadata()
              .map(place -> place.topic() + "-" + place.partition() + "@" + place.offset())
              .orElse("unknown");
      LOG.warn("The record at {} is no result ({}); it goes to the dead letters", origin, detail);
      var headers = new RecordHeaders(record.headers());
      headers.add(org.pgoffload.protocol.RecordHeaders.REASON, utf8(reason.code()));
      headers.add(org.pgoffload.protocol.RecordHeaders.REASON_DETAIL, utf8(detail));
      headers.add(org.pgoffload.protocol.RecordHeaders.ORIGIN, utf8(origin));
      context().forward(record.withHeaders(headers), "dead-letters");
    }
  }

  /// Reads a message and checks what the tables insist on. Those of SQL check themselves.
  private static ResultMessage read(byte[] value) {
    var message = ResultMessage.read(value);
    switch (message) {
      case Result result -> check(result);
      case SqlResult _, SqlRows _ -> {}
    }
    return message;
  }

  private static void check(Result result) {
    requirePresent("kind", result.kind());
    requirePresent("requested_by", result.requestedBy());
    requirePresent("finished_at", result.finishedAt());
    if (result.id() <= 0) {
      throw malformed("its id is not positive");
    }
    if (result.requestedByOid() < 0 || result.requestedByOid() > 0xFFFF_FFFFL) {
      throw malformed("its requested_by_oid is no oid");
    }
    try {
      var _ = OffsetDateTime.parse(result.finishedAt());
    } catch (DateTimeException e) {
      throw malformed("its finished_at is not an ISO-8601 time");
    }
  }

  private static void requirePresent(String field, @Nullable String value) {
    if (value == null) {
      throw malformed("it has no field '" + field + "'");
    }
  }

  private static MalformedMessageException malformed(String detail) {
    return new MalformedMessageException(DeadLetterReason.MALFORMED, detail);
  }

  private static byte[] utf8(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }
}
