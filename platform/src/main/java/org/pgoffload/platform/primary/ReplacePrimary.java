package org.pgoffload.platform.primary;

import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.errors.InterruptException;
import org.pgoffload.platform.HeaderText;
import org.pgoffload.platform.ProducerProperties;
import org.pgoffload.protocol.ControlRecord.Primary;
import org.pgoffload.protocol.TopicNames;

/// Writes the record of the primary. Of two writers the later one is the only one: Kafka refuses
/// what the earlier one writes after the later one has begun, and the later one has read what the
/// earlier one had written until then. So the record that was read is the one that is replaced.
public final class ReplacePrimary implements AutoCloseable {
  private static final Duration PATIENCE = Duration.ofSeconds(20);

  private final TopicNames topics;
  private final KafkaProducer<byte[], byte[]> producer;
  private final ReadControl read;

  private ReplacePrimary(
      TopicNames topics, KafkaProducer<byte[], byte[]> producer, ReadControl read) {
    this.topics = topics;
    this.producer = producer;
    this.read = read;
  }

  /// Keeps earlier writers from writing, and reads what they have written.
  ///
  /// @param kafka Kafka's client properties
  /// @throws KafkaException if Kafka does not answer or refuses
  public static ReplacePrimary begin(Map<String, Object> kafka, TopicNames topics) {
    var properties = ProducerProperties.of(kafka, "pgoffload-replace-primary", 1 << 20);
    properties.put(ProducerConfig.TRANSACTIONAL_ID_CONFIG, topics.control());
    properties.put(ProducerConfig.MAX_BLOCK_MS_CONFIG, PATIENCE.toMillis());
    properties.put(
        ProducerConfig.TRANSACTION_TIMEOUT_CONFIG, (int) Duration.ofSeconds(10).toMillis());
    var producer = new KafkaProducer<byte[], byte[]>(properties);
    try {
      producer.initTransactions();
      var read = new ReadControl(kafka, topics);
      try {
        read.readToEnd();
        return new ReplacePrimary(topics, producer, read);
      } catch (RuntimeException e) {
        read.close();
        throw e;
      }
    } catch (RuntimeException e) {
      producer.close(Duration.ZERO);
      throw e;
    }
  }

  /// What was on the topic when this began.
  public ControlState state() {
    return read.state();
  }

  /// Writes the record; it is durable when this returns.
  ///
  /// @throws KafkaException if it is not written, or another writer has begun
  public void write(Primary primary) {
    producer.beginTransaction();
    try {
      producer
          .send(
              new ProducerRecord<>(
                  topics.control(), 0, HeaderText.bytes(primary.recordKey()), primary.write()))
          .get();
      producer.commitTransaction();
    } catch (ExecutionException e) {
      producer.abortTransaction();
      throw e.getCause() instanceof KafkaException refusal ? refusal : new KafkaException(e);
    } catch (InterruptedException e) {
      throw new InterruptException(e);
    }
  }

  /// A record that was not written is aborted by the next writer.
  @Override
  public void close() {
    read.close();
    producer.close(Duration.ZERO);
  }
}
