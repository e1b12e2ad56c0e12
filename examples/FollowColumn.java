import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.HashSet;
import java.util.Locale;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/// Follows a maintained column on the results topic into a search index outside of the database: a
/// JSON file with the newest answer of each row, by the row's key, and the rows of each word.
///
/// The file has the offsets that it has come to besides, and is replaced as a whole: the index and
/// its place change together, and no consumer group is needed. A real index keeps the two in one
/// transaction likewise, or writes by the rules of [#answered], which any repetition leaves as it is.
///
/// One file, on a JDK of 22 or newer, with kafka-clients and jackson-databind on the class path:
///
///     java -cp 'lib/*' examples/FollowColumn.java localhost:9092 ticket_mood mood.json
///     jq '.words.calm' mood.json
final class FollowColumn {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final String column;
  private final Path file;
  private final ObjectNode index;

  private FollowColumn(String column, Path file) throws IOException {
    this.column = column;
    this.file = file;
    this.index =
        Files.exists(file)
            ? (ObjectNode) JSON.readTree(file.toFile())
            : JSON.createObjectNode();
  }

  public static void main(String[] arguments) throws IOException {
    if (arguments.length < 3) {
      System.err.println("usage: java FollowColumn.java BOOTSTRAP_SERVERS COLUMN FILE [TOPIC]");
      System.exit(2);
    }
    var topic = arguments.length > 3 ? arguments[3] : "pgoffload.results";
    var properties = new Properties();
    properties.put("bootstrap.servers", arguments[0]);
    properties.put("enable.auto.commit", "false");
    // where the last place is not on the topic any more, after a rest longer than its retention
    properties.put("auto.offset.reset", "earliest");
    // the embeddings of many chunks
    properties.put("max.partition.fetch.bytes", Integer.toString(32 << 20));
    new FollowColumn(arguments[1], Path.of(arguments[2])).run(properties, topic);
  }

  private void run(Properties properties, String topic) throws IOException {
    try (var consumer =
        new KafkaConsumer<>(
            properties, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
      var partitions =
          consumer.partitionsFor(topic).stream()
              .map(partition -> new TopicPartition(topic, partition.partition()))
              .toList();
      consumer.assign(partitions);
      var offsets = index.withObject("/offsets");
      for (var partition : partitions) {
        consumer.seek(partition, offsets.path("" + partition.partition()).asLong(0));
      }
      while (true) {
        var records = consumer.poll(Duration.ofSeconds(1));
        if (records.isEmpty()) {
          continue;
        }
        for (var record : records) {
          receive(record);
        }
        for (var partition : partitions) {
          offsets.put("" + partition.partition(), consumer.position(partition));
        }
        write();
      }
    }
  }

  private void receive(ConsumerRecord<byte[], byte[]> record) {
    JsonNode message;
    try {
      message = record.value() == null ? null : JSON.readTree(record.value());
    } catch (IOException e) {
      message = null;
    }
    if (message == null || message.path("version").asInt() != 1) {
      // a newer major version: read its changelog, then change this
      System.err.println(
          "skipped " + record.topic() + "-" + record.partition() + "@" + record.offset());
    } else if (message.path("kind").asText().equals("withdrawn")) {
      withdrawn(message);
    } else if (message.path("maintained").path("name").asText().equals(column)
        && message.path("status").asText().equals("succeeded")) {
      answered(message, record);
    }
  }

  /// Of a row the highest id is the newest request, whatever the order of the records. Of an id the
  /// first record counts. A row without an answer is kept with its id alone, so that no older one
  /// takes its place.
  private void answered(JsonNode result, ConsumerRecord<byte[], byte[]> record) {
    var rows = index.withObject("/rows");
    var key = result.path("maintained").path("key").toString();
    long id = result.path("id").asLong();
    if (rows.path(key).path("id").asLong() >= id) {
      return;
    }
    var row = rows.putObject(key).put("id", id).put("offset", record.offset());
    // one of the three, or none: then the row has nothing to ask about
    for (var field : new String[] {"answer", "chunks", "embeddings"}) {
      if (result.has(field)) {
        row.set(field, result.path(field));
      }
    }
    System.out.println(key + " " + id);
  }

  /// The database that had it was lost: the row has no answer until another one follows.
  private void withdrawn(JsonNode message) {
    index.withObject("/rows")
        .removeIf(row ->
            row.path("id").asLong() == message.path("id").asLong()
                && row.path("offset").asLong() == message.path("offset").asLong());
  }

  /// With the words anew: an index of this size can be made as a whole.
  private void write() throws IOException {
    var words = index.putObject("words");
    for (var row : index.withObject("/rows").properties()) {
      var text = new StringBuilder(row.getValue().path("answer").asText());
      row.getValue().path("chunks").forEach(chunk -> text.append(' ').append(chunk.asText()));
      var found = new HashSet<String>();
      for (var word : text.toString().toLowerCase(Locale.ROOT).split("[^\\p{L}\\p{N}]+")) {
        if (!word.isEmpty() && found.add(word)) {
          ((ArrayNode) (words.has(word) ? words.get(word) : words.putArray(word)))
              .add(row.getKey());
        }
      }
    }
    var written = file.resolveSibling(file.getFileName() + ".new");
    JSON.writeValue(written.toFile(), index);
    Files.move(written, file, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
  }
}
