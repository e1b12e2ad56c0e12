package org.pgoffload.results;

import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.errors.InterruptException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.DeadLetterReason;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Sends to the dead letters what the database found to have no claim. Kafka Streams cannot do it:
/// what it forwards belongs to its own thread, and this is known on the writer's.
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
  public void bury(TakenRecord record, DeadLetterReason reason, String detail) {
    try {
      var _ =
          producer()
              .send(
                  new ProducerRecord<>(
                      topic, null, record.key(), record.value(), record.asLetter(reason, detail)))
              .get();
    } catch (ExecutionException e) {
      if (!(e.getCause() instanceof RecordTooLargeException)) {
        throw e.getCause() instanceof KafkaException fault ? fault : new KafkaException(e);
      }
      // as DropWhatIsTooLarge does: nothing else may wait for it
      LOG.error("{} is too large for the dead letters: it is left out", record);
    } catch (InterruptedException e) {
      throw new InterruptException(e);
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
    // they come one at a time, each waited for
    properties.put(ProducerConfig.LINGER_MS_CONFIG, 0);
    // as for the records that are no results
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
