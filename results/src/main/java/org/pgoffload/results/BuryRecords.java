package org.pgoffload.results;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.errors.InterruptException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Sends records to the dead letters.
///
/// Connects when the first one is there, which in most installations is never. For one thread at a
/// time; closing is safe from another.
final class BuryRecords implements WriteBack.Bury, AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(BuryRecords.class);

  private final Map<String, Object> kafka;
  private final String topic;
  private volatile @Nullable Producer<byte[], byte[]> producer;
  private volatile boolean closed;

  /// @param kafka the client's properties
  /// @param topic of dead letters
  BuryRecords(Map<String, Object> kafka, String topic) {
    this.kafka = kafka;
    this.topic = topic;
  }

  @Override
  public void bury(Deque<Letter> letters) {
    var open = producer();
    for (var sent : sendUntilFault(open, letters)) {
      try {
        var _ = sent.get();
      } catch (ExecutionException e) {
        if (!(e.getCause() instanceof RecordTooLargeException)) {
          throw e.getCause() instanceof KafkaException fault ? fault : new KafkaException(e);
        }
        // its headers have made it too large; refused for ever, it would let no other be written
        LOG.error("{} is too large for the dead letters: it is left out", letters.getFirst());
      } catch (InterruptedException e) {
        throw new InterruptException(e);
      }
      letters.removeFirst();
    }
  }

  /// Sends up to the first that fails at once: without a broker every one would block.
  private List<Future<RecordMetadata>> sendUntilFault(
      Producer<byte[], byte[]> open, Deque<Letter> letters) {
    var sending = new ArrayList<Future<RecordMetadata>>();
    for (var letter : letters) {
      var sent = send(open, letter);
      sending.add(sent);
      if (sent.state() == Future.State.FAILED) {
        break;
      }
    }
    return sending;
  }

  private Future<RecordMetadata> send(Producer<byte[], byte[]> open, Letter letter) {
    try {
      return open.send(letter.on(topic));
    } catch (IllegalStateException e) {
      throw new KafkaException("closed", e);
    }
  }

  private synchronized Producer<byte[], byte[]> producer() {
    if (closed) {
      throw new KafkaException("closed");
    }
    var open = producer;
    if (open == null) {
      open = new KafkaProducer<>(properties(kafka));
      producer = open;
    }
    return open;
  }

  private static Map<String, Object> properties(Map<String, Object> kafka) {
    var properties = new HashMap<>(kafka);
    properties.put(ProducerConfig.KEY_SERIALIZER_CLASS_CONFIG, ByteArraySerializer.class);
    properties.put(ProducerConfig.VALUE_SERIALIZER_CLASS_CONFIG, ByteArraySerializer.class);
    // its offset is committed once it is a dead letter
    properties.put(ProducerConfig.ACKS_CONFIG, "all");
    // they are waited for
    properties.put(ProducerConfig.LINGER_MS_CONFIG, 0);
    // meanwhile the consumer does not poll
    properties.putIfAbsent(ProducerConfig.MAX_BLOCK_MS_CONFIG, 5_000);
    // whatever fits the results topic can become a dead letter: Kafka's own limit is 1 MB
    properties.put(ProducerConfig.MAX_REQUEST_SIZE_CONFIG, 32 << 20);
    properties.putIfAbsent(ProducerConfig.CLIENT_ID_CONFIG, "pgoffload-results-dead-letters");
    return properties;
  }

  /// What is being sent fails: its record is read again.
  @Override
  public synchronized void close() {
    closed = true;
    var open = producer;
    if (open != null) {
      open.close(Duration.ZERO);
    }
  }
}
