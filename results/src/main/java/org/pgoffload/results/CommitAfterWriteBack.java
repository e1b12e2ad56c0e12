package org.pgoffload.results;

import java.time.Duration;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.OffsetCommitCallback;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.streams.KafkaClientSupplier;
import org.apache.kafka.streams.processor.internals.DefaultKafkaClientSupplier;

/// Gives Kafka Streams a main consumer whose offset commits wait for the writer, so that an offset
/// never moves past a result that is not in the database.
///
/// A state store cannot do this: its flush comes after the offset commit, or only with the commit
/// interval. Streams calls the main consumer's `commitSync` for every commit with the classic group
/// protocol only, which is why that is pinned.
final class CommitAfterWriteBack implements KafkaClientSupplier {
  private final KafkaClientSupplier ordinary = new DefaultKafkaClientSupplier();
  private final WriteBack writeBack;

  CommitAfterWriteBack(WriteBack writeBack) {
    this.writeBack = writeBack;
  }

  @Override
  public Consumer<byte[], byte[]> getConsumer(Map<String, Object> configuration) {
    return new WaitingConsumer(configuration, writeBack);
  }

  @Override
  public Admin getAdmin(Map<String, Object> configuration) {
    return ordinary.getAdmin(configuration);
  }

  @Override
  public Producer<byte[], byte[]> getProducer(Map<String, Object> configuration) {
    return ordinary.getProducer(configuration);
  }

  @Override
  public Consumer<byte[], byte[]> getRestoreConsumer(Map<String, Object> configuration) {
    return ordinary.getRestoreConsumer(configuration);
  }

  @Override
  public Consumer<byte[], byte[]> getGlobalConsumer(Map<String, Object> configuration) {
    return ordinary.getGlobalConsumer(configuration);
  }

  private static final class WaitingConsumer extends KafkaConsumer<byte[], byte[]> {
    private final WriteBack writeBack;

    WaitingConsumer(Map<String, Object> configuration, WriteBack writeBack) {
      super(configuration, new ByteArrayDeserializer(), new ByteArrayDeserializer());
      this.writeBack = writeBack;
    }

    @Override
    public void commitSync(Map<TopicPartition, OffsetAndMetadata> offsets) {
      writeBack.flush();
      super.commitSync(offsets);
    }

    @Override
    public void commitSync(Map<TopicPartition, OffsetAndMetadata> offsets, Duration timeout) {
      writeBack.flush();
      super.commitSync(offsets, timeout);
    }

    // Streams does not call the following; if a later version does, it must not get past the
    // writer.

    @Override
    public void commitSync() {
      writeBack.flush();
      super.commitSync();
    }

    @Override
    public void commitSync(Duration timeout) {
      writeBack.flush();
      super.commitSync(timeout);
    }

    @Override
    public void commitAsync() {
      writeBack.flush();
      super.commitAsync();
    }

    @Override
    public void commitAsync(OffsetCommitCallback callback) {
      writeBack.flush();
      super.commitAsync(callback);
    }

    @Override
    public void commitAsync(
        Map<TopicPartition, OffsetAndMetadata> offsets, OffsetCommitCallback callback) {
      writeBack.flush();
      super.commitAsync(offsets, callback);
    }
  }
}
