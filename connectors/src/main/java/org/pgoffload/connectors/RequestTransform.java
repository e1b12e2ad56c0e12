package org.pgoffload.connectors;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Map;
import java.util.Objects;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.connect.connector.ConnectRecord;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.transforms.Transformation;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.DeadLetterReason;
import org.pgoffload.protocol.MalformedMessageException;
import org.pgoffload.protocol.RecordHeaders;
import org.pgoffload.protocol.RequestKind;
import org.pgoffload.protocol.Routing;
import org.pgoffload.protocol.Signature;
import org.pgoffload.protocol.TopicNames;

/// Turns a captured logical decoding message into a request record: its topic by the request's
/// kind, its key by the ordering key, the group or the id, the signature as a header, and the
/// envelope's bytes, as the database signed them, as the value.
///
/// An unreadable message goes to the dead-letter topic with the reason, so that nothing stops the
/// capture; a message larger than any request goes there without its content. Nothing is trusted
/// here: any role can emit such a message, and the worker checks the signature. Heartbeats become
/// empty records of their own topic. Anything else passes unchanged.
///
/// Loads in a Kafka Connect worker, with StringConverter for keys and ByteArrayConverter for
/// values. Stateless once configured.
///
/// @param <R> the record type of the Connect runtime
public final class RequestTransform<R extends ConnectRecord<R>> implements Transformation<R> {
  /// The configuration of the topics' prefix.
  public static final String TOPIC_PREFIX_CONFIG = "topic.prefix";

  /// The configuration of the largest request in bytes, the database's setting `max_request_bytes`.
  public static final String MAX_REQUEST_BYTES_CONFIG = "max.request.bytes";

  private static final String HEARTBEAT = "io.debezium.connector.common.Heartbeat";

  /// Of a topic's room above the largest request: a key, and the signature.
  private static final int OVERHEAD_BYTES = 512 << 10;

  private static final ConfigDef CONFIG =
      new ConfigDef()
          .define(
              TOPIC_PREFIX_CONFIG,
              ConfigDef.Type.STRING,
              TopicNames.DEFAULT_PREFIX,
              ConfigDef.Importance.HIGH,
              "What the names of all topics start with, followed by a dot.")
          .define(
              MAX_REQUEST_BYTES_CONFIG,
              ConfigDef.Type.INT,
              // the producer sees for itself what Kafka does not take
              Integer.MAX_VALUE,
              ConfigDef.Range.atLeast(1),
              ConfigDef.Importance.MEDIUM,
              "The largest request in bytes. What is larger goes to the dead letters, without its"
                  + " content.");

  private long maxBytes = Long.MAX_VALUE;
  private TopicNames topics = new TopicNames(TopicNames.DEFAULT_PREFIX);

  @Override
  public void configure(Map<String, ?> configuration) {
    var parsed = CONFIG.parse(configuration);
    topics = new TopicNames((String) Objects.requireNonNull(parsed.get(TOPIC_PREFIX_CONFIG)));
    int maxRequest = (int) Objects.requireNonNull(parsed.get(MAX_REQUEST_BYTES_CONFIG));
    maxBytes = (long) maxRequest + OVERHEAD_BYTES;
  }

  @Override
  public R apply(R record) {
    // Debezium's value of a logical decoding message: op "m", and a struct of prefix and content
    if (!(record.value() instanceof Struct value)) {
      return record;
    }
    if (HEARTBEAT.equals(value.schema().name())) {
      // a struct fits no ByteArrayConverter; what counts is the position that comes with it
      return record(record, topics.heartbeats(), topics.prefix(), new byte[0]);
    }
    if (value.schema().field("message") == null || !"m".equals(value.getString("op"))) {
      return record;
    }
    byte[] content = bytes(value.getStruct("message").get("content"));
    try {
      requireRoom(content.length);
      int lineFeed = indexOfLineFeed(content);
      var signature = Signature.parse(new String(content, 0, lineFeed, StandardCharsets.US_ASCII));
      byte[] envelope = Arrays.copyOfRange(content, lineFeed + 1, content.length);
      var routing = Routing.read(envelope);
      requireRoom(
          content.length + (long) routing.recordKey().getBytes(StandardCharsets.UTF_8).length);
      // a kind of a newer version is the LLM worker's to refuse, with an answer to its caller
      var kind = RequestKind.ofWireName(routing.kind()).orElse(RequestKind.ASK);
      var request = record(record, kind.topic(topics), routing.recordKey(), envelope);
      request.headers().addString(RecordHeaders.SIGNATURE, signature.text());
      var traceparent = routing.traceparent();
      if (traceparent != null) {
        request.headers().addString(RecordHeaders.TRACEPARENT, traceparent);
      }
      return request;
    } catch (MalformedMessageException e) {
      byte[] kept = content.length > maxBytes ? new byte[0] : content;
      var deadLetter = record(record, topics.deadLetters(), null, kept);
      deadLetter.headers().addString(RecordHeaders.REASON, e.reason().code());
      deadLetter.headers().addString(RecordHeaders.REASON_DETAIL, String.valueOf(e.getMessage()));
      deadLetter.headers().addString(RecordHeaders.ORIGIN, origin(value));
      return deadLetter;
    }
  }

  private static <R extends ConnectRecord<R>> R record(
      R from, String topic, @Nullable String key, byte[] value) {
    var record =
        from.newRecord(
            topic,
            null,
            key == null ? Schema.OPTIONAL_STRING_SCHEMA : Schema.STRING_SCHEMA,
            key,
            Schema.BYTES_SCHEMA,
            value,
            // the message's own timestamp is stale: Kafka's time of sending serves
            null);
    record.headers().clear();
    return record;
  }

  private void requireRoom(long bytes) {
    if (bytes > maxBytes) {
      throw new MalformedMessageException(
          DeadLetterReason.MALFORMED,
          bytes + " bytes, larger than any request may be (max_request_bytes)");
    }
  }

  private static int indexOfLineFeed(byte[] content) {
    for (int i = 0; i < Math.min(content.length, 100); i++) {
      if (content[i] == '\n') {
        return i;
      }
    }
    throw new MalformedMessageException(
        DeadLetterReason.MALFORMED, "the message does not begin with a signature line");
  }

  private static byte[] bytes(@Nullable Object content) {
    if (content instanceof byte[] array) {
      return array;
    }
    if (content instanceof ByteBuffer buffer) {
      byte[] array = new byte[buffer.remaining()];
      buffer.duplicate().get(array);
      return array;
    }
    return new byte[0];
  }

  private static String origin(Struct value) {
    var source = value.schema().field("source") == null ? null : value.getStruct("source");
    if (source == null || source.schema().field("lsn") == null || source.get("lsn") == null) {
      return "lsn unknown";
    }
    return "lsn " + source.get("lsn");
  }

  @Override
  public ConfigDef config() {
    return CONFIG;
  }

  @Override
  public void close() {}
}
