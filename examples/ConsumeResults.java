import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/// A consumer of pgoffload's results, as docs/consuming-results.md asks it to be: it reads version 1,
/// takes the first result of an id that is not withdrawn and leaves the others out, puts the rows of SQL together from
/// their chunks, and commits what it has handled.
///
/// One file, on a JDK of 22 or newer, with kafka-clients and jackson-databind on the class path:
///
///     java -cp 'lib/*' examples/ConsumeResults.java localhost:9092 my-group
final class ConsumeResults {
  private static final ObjectMapper JSON = new ObjectMapper();

  /// The offset of the result that counts, of each id; how many are remembered. A duplicate comes within seconds of a fault as a rule, and at the
  /// latest when a request is sent again. Where it matters for longer, and over a restart of yours,
  /// make the id a primary key where you write to, and let it decide.
  private static final int REMEMBERED = 1_000_000;

  private final Map<Long, Long> handled =
      new LinkedHashMap<>() {
        @Override
        protected boolean removeEldestEntry(Map.Entry<Long, Long> eldest) {
          return size() > REMEMBERED;
        }
      };

  /// Chunks of rows by request and attempt, in their order; they stand before their result.
  private final Map<String, Attempt> chunks = new LinkedHashMap<>();

  public static void main(String[] arguments) {
    if (arguments.length < 2) {
      System.err.println("usage: java ConsumeResults.java BOOTSTRAP_SERVERS GROUP [TOPIC]");
      System.exit(2);
    }
    var topic = arguments.length > 2 ? arguments[2] : "pgoffload.results";
    var properties = new Properties();
    properties.put("bootstrap.servers", arguments[0]);
    properties.put("group.id", arguments[1]);
    properties.put("auto.offset.reset", "earliest");
    // only what is handled is committed
    properties.put("enable.auto.commit", "false");
    // the chunks of a large result, and an answer as large as a topic takes
    properties.put("max.partition.fetch.bytes", Integer.toString(32 << 20));
    new ConsumeResults().run(properties, topic);
  }

  private void run(Properties properties, String topic) {
    try (var consumer =
        new KafkaConsumer<>(
            properties, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
      consumer.subscribe(List.of(topic), new Rebalances());
      while (true) {
        for (var record : consumer.poll(Duration.ofSeconds(1))) {
          receive(record);
        }
        consumer.commitSync(handledIn(consumer));
      }
    }
  }

  /// Chunks whose result is still to come are in memory only: were this process to end, the result
  /// would come without them. So of each partition what stands before the first of them is handled.
  private Map<TopicPartition, OffsetAndMetadata> handledIn(KafkaConsumer<?, ?> consumer) {
    var handledUpTo = new HashMap<TopicPartition, OffsetAndMetadata>();
    for (var partition : consumer.assignment()) {
      long next =
          chunks.values().stream()
              .filter(attempt -> attempt.partition.equals(partition))
              .mapToLong(attempt -> attempt.firstOffset)
              .min()
              .orElse(consumer.position(partition));
      handledUpTo.put(partition, new OffsetAndMetadata(next));
    }
    return handledUpTo;
  }

  /// The chunks of one attempt at a request that have come.
  private record Attempt(
      TopicPartition partition, long firstOffset, TreeMap<Integer, JsonNode> chunks) {}

  private final class Rebalances implements ConsumerRebalanceListener {
    @Override
    public void onPartitionsRevoked(Collection<TopicPartition> revoked) {
      // whoever has them next reads their chunks again
      chunks.values().removeIf(attempt -> revoked.contains(attempt.partition));
    }

    @Override
    public void onPartitionsAssigned(Collection<TopicPartition> assigned) {}
  }

  private void receive(ConsumerRecord<byte[], byte[]> record) {
    JsonNode message;
    try {
      message = record.value() == null ? null : JSON.readTree(record.value());
    } catch (IOException e) {
      message = null;
    }
    if (message == null || !message.isObject()) {
      skip(record, "it is no JSON object");
      return;
    }
    if (message.path("version").asInt() != 1) {
      // a newer major version: read its changelog, then change this
      skip(record, "its version is " + message.path("version"));
      return;
    }
    long id = message.path("id").asLong();
    switch (message.path("kind").asText()) {
      case "sql_rows" -> {
        if (!handled.containsKey(id)) {
          chunks
              .computeIfAbsent(
                  id + "/" + message.path("attempt").asInt(),
                  attempt ->
                      new Attempt(
                          new TopicPartition(record.topic(), record.partition()),
                          record.offset(),
                          new TreeMap<>()))
              .chunks
              .put(message.path("number").asInt(), message);
        }
      }
      case "sql" -> {
        if (first(id, record)) {
          sql(id, message);
        }
        // those of attempts that came to nothing
        chunks.keySet().removeIf(attempt -> attempt.startsWith(id + "/"));
      }
      case "withdrawn" -> {
        // the database that had it was lost: undo what was done with it, another one may follow
        if (handled.remove(id, message.path("offset").asLong())) {
          System.out.println(id + " withdrawn");
        }
      }
      // ask, embed, and kinds that come later, which have the same fields
      default -> {
        if (first(id, record)) {
          answer(id, message);
        }
      }
    }
  }

  /// Whether it is the first result of its id: all of an id are in one partition, in one order.
  private boolean first(long id, ConsumerRecord<?, ?> record) {
    return handled.putIfAbsent(id, record.offset()) == null;
  }

  private static void answer(long id, JsonNode result) {
    if (result.path("status").asText().equals("succeeded")) {
      System.out.println(
          id
              + " "
              + result.path("requested_by").asText()
              + " "
              + (result.has("answer") ? result.path("answer") : result.path("embeddings")));
    } else {
      System.out.println(
          id + " " + result.path("status").asText() + " " + result.path("error_code").asText());
    }
  }

  private void sql(long id, JsonNode result) {
    if (!result.path("status").asText().equals("succeeded")) {
      System.out.println(
          id
              + " "
              + result.path("status").asText()
              + " "
              + result.path("error").path("sqlstate").asText());
      return;
    }
    var attempt = chunks.get(id + "/" + result.path("attempt").asInt());
    int expected = result.path("chunks").asInt();
    // chunks of other numbers are nobody's
    var of = attempt == null ? null : attempt.chunks.headMap(expected, true);
    if (expected > 0 && (of == null || of.size() < expected)) {
      System.out.println(id + " rows before the beginning of this consumer");
      return;
    }
    System.out.println(id + " " + result.path("tags") + " " + result.path("row_count"));
    if (expected == 0) {
      result.path("rows").forEach(row -> System.out.println(id + " " + row));
      return;
    }
    var piece = new StringBuilder();
    for (var chunk : of.values()) {
      if (chunk.has("rows")) {
        chunk.path("rows").forEach(row -> System.out.println(id + " " + row));
        continue;
      }
      // a row that no chunk could hold, in pieces
      piece.append(chunk.path("piece").asText());
      if (chunk.path("ends").asBoolean()) {
        try {
          System.out.println(id + " " + JSON.readTree(piece.toString()).path(0));
        } catch (IOException e) {
          throw new IllegalStateException("the pieces of a row of " + id + " do not fit", e);
        }
        piece.setLength(0);
      }
    }
  }

  private static void skip(ConsumerRecord<byte[], byte[]> record, String why) {
    System.err.println(
        "skipped "
            + record.topic()
            + "-"
            + record.partition()
            + "@"
            + record.offset()
            + ": "
            + why);
  }
}
