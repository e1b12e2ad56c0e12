package org.pgoffload.dev.servers.kafka;

import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.jspecify.annotations.Nullable;

/// A Kafka for tests, with clients that stay open: a test looks at a topic many times a second, and
/// a new client for each look would be most of its work. Thread-safe.
public final class TestBroker implements AutoCloseable {
  private KafkaBroker broker;
  private final Map<String, TopicReader> readers = new HashMap<>();
  private @Nullable Admin admin;
  private @Nullable Producer<byte[], byte[]> producer;

  private TestBroker(KafkaBroker broker) {
    this.broker = broker;
  }

  private static final class Shared {
    private static final TestBroker BROKER = new TestBroker(BrokerInJvm.start(options()));
  }

  /// The one broker of this JVM, started when it is first asked for, and ended with the JVM. The
  /// topics of each test need names of their own.
  public static TestBroker shared() {
    return Shared.BROKER;
  }

  /// A broker of the caller's own that can be killed.
  public static TestBroker startProcess() {
    return new TestBroker(BrokerProcess.start(options()));
  }

  private static BrokerOptions options() {
    // a consumer of the newer protocol learns its partitions with its next heartbeat
    return BrokerOptions.temporary()
        .withSettings(
            Map.of(
                "group.consumer.min.heartbeat.interval.ms", "100",
                "group.consumer.heartbeat.interval.ms", "100"));
  }

  /// What every client needs to reach it.
  public Map<String, Object> address() {
    return Map.of("bootstrap.servers", broker.bootstrapServers());
  }

  public synchronized Admin admin() {
    if (admin == null) {
      admin = Admin.create(address());
    }
    return admin;
  }

  /// Sends a record without waiting for it.
  public synchronized Producer<byte[], byte[]> producer() {
    if (producer == null) {
      var settings = new HashMap<>(address());
      settings.put("linger.ms", 0);
      // As the parts have it: of several in flight, a first batch that has to be sent again (its
      // leader is not known yet) is refused for ever once the second one was taken.
      settings.put("max.in.flight.requests.per.connection", 1);
      settings.put("max.request.size", 32 << 20);
      producer =
          new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
    }
    return producer;
  }

  /// Sends a record, and returns when the broker has it.
  public void send(ProducerRecord<byte[], byte[]> record) {
    try {
      producer().send(record).get();
    } catch (ExecutionException e) {
      throw new IllegalStateException("the record was not taken", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(e);
    }
  }

  /// Sends records together, and returns when the broker has them all.
  public void sendAll(Collection<ProducerRecord<byte[], byte[]>> records) {
    for (var record : records) {
      var _ = producer().send(record);
    }
    producer().flush();
  }

  /// Everything that was on a topic until now, but for what no transaction has committed; in the
  /// order of each partition. For topics from which nothing is removed.
  public synchronized List<ConsumerRecord<byte[], byte[]>> read(String topic) {
    return readers.computeIfAbsent(topic, _ -> new TopicReader(address(), topic)).all();
  }

  /// The offsets that a group has committed; none if there is no such group.
  public Map<TopicPartition, OffsetAndMetadata> committed(String group) {
    try {
      var offsets =
          new HashMap<>(
              admin().listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get());
      offsets.values().removeIf(Objects::isNull);
      return offsets;
    } catch (ExecutionException e) {
      return Map.of();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(e);
    }
  }

  /// The sum of the offsets that a group has committed on a topic.
  public long committed(String group, String topic) {
    return committed(group).entrySet().stream()
        .filter(offset -> offset.getKey().topic().equals(topic))
        .mapToLong(offset -> offset.getValue().offset())
        .sum();
  }

  /// Commits everything that is on a topic now, as a group that has read it.
  public synchronized void commitAll(String group, String topic) {
    var ends = new HashMap<TopicPartition, OffsetAndMetadata>();
    readers
        .computeIfAbsent(topic, _ -> new TopicReader(address(), topic))
        .ends()
        .forEach((partition, end) -> ends.put(partition, new OffsetAndMetadata(end)));
    try {
      admin().alterConsumerGroupOffsets(group, ends).all().get();
    } catch (ExecutionException e) {
      throw new IllegalStateException("the offsets were not committed", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(e);
    }
  }

  /// Removes the records of a partition before an offset, as retention does.
  public void trim(String topic, int partition, long before) {
    try {
      admin()
          .deleteRecords(
              Map.of(new TopicPartition(topic, partition), RecordsToDelete.beforeOffset(before)))
          .all()
          .get();
    } catch (ExecutionException e) {
      throw new IllegalStateException("the records were not removed", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(e);
    }
  }

  /// Closes what reads topics: those of an earlier test are read no more.
  public synchronized void forgetTopics() {
    readers.values().forEach(TopicReader::close);
    readers.clear();
  }

  /// As `kill -9` does.
  public synchronized void kill() {
    closeClients();
    ((BrokerProcess) broker).kill();
  }

  /// Starts it again with what it had.
  public synchronized void startAgain() {
    broker = BrokerProcess.start(broker.options());
  }

  private void closeClients() {
    forgetTopics();
    if (producer != null) {
      producer.close(Duration.ZERO);
      producer = null;
    }
    if (admin != null) {
      admin.close(Duration.ZERO);
      admin = null;
    }
  }

  /// Closes the clients, and ends a broker of the caller's own; the shared one ends with the JVM.
  @Override
  public synchronized void close() {
    closeClients();
    if (broker instanceof BrokerProcess) {
      broker.close();
    }
  }
}
