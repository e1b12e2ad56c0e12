package org.pgoffload.connectors;

import io.debezium.config.Configuration;
import io.debezium.connector.base.QueueProviderService;
import io.debezium.connector.postgresql.PostgresConnectorTask;
import io.debezium.pipeline.DataChangeEvent;
import io.debezium.service.spi.ServiceProvider;
import io.debezium.service.spi.ServiceRegistry;
import io.debezium.util.ApproximateStructSizeCalculator;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.connect.source.SourceRecord;

/// Debezium's task, which sleeps until there is a record.
///
/// Debezium's own wait counts whole milliseconds and asks without a pause for the rest of the last
/// one: that is a third of a processor while nothing happens. This task waits for its queue first.
/// A fault of the streaming thread is seen when the wait is over.
public class CaptureTask extends PostgresConnectorTask {
  private static final Duration WAIT = Duration.ofMillis(100);

  /// Records of one batch, of those that are there. Debezium sets up its logging and hands over
  /// between threads once for a batch.
  private static final int MOST_RECORDS = 64;

  /// Bytes of one batch, which ends with the record that reaches them. The queue's own bound is
  /// none of a batch: the queue is filled again while a batch is taken.
  private static final long MOST_BYTES = 4L << 20;

  private volatile AwaitedQueue<DataChangeEvent> queue = new AwaitedQueue<>();

  @Override
  protected void registerServiceProviders(ServiceRegistry registry) {
    super.registerServiceProviders(registry);
    registry.registerServiceProvider(
        new ServiceProvider<QueueProviderService>() {
          @Override
          public Class<QueueProviderService> getServiceClass() {
            return QueueProviderService.class;
          }

          @Override
          public QueueProviderService createService(
              Configuration configuration, ServiceRegistry services) {
            // of each start: what a broken stream has left here comes again from the slot
            queue = new AwaitedQueue<>();
            return new QueueProviderService(queue);
          }
        });
  }

  @Override
  public List<SourceRecord> doPoll() throws InterruptedException {
    queue.await(WAIT);
    var records = new ArrayList<>(pollQueue());
    long bytes = bytes(records);
    while (queue.size() > 0 && records.size() < MOST_RECORDS && bytes < MOST_BYTES) {
      var next = pollQueue();
      bytes += bytes(next);
      records.addAll(next);
    }
    return records;
  }

  /// As many records as Debezium takes at once.
  List<SourceRecord> pollQueue() throws InterruptedException {
    return super.doPoll();
  }

  private static long bytes(List<SourceRecord> records) {
    return records.stream()
        .mapToLong(ApproximateStructSizeCalculator::getApproximateRecordSize)
        .sum();
  }
}
