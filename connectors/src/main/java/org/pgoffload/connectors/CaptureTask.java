package org.pgoffload.connectors;

import io.debezium.config.Configuration;
import io.debezium.connector.base.QueueProviderService;
import io.debezium.connector.postgresql.PostgresConnectorTask;
import io.debezium.pipeline.DataChangeEvent;
import io.debezium.service.spi.ServiceProvider;
import io.debezium.service.spi.ServiceRegistry;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.connect.source.SourceRecord;

/// Debezium's task, which sleeps until there is a record.
///
/// Debezium's own wait counts whole milliseconds and asks without a pause for the rest of the last
/// one: with a poll interval of 3 ms that is a third of a processor while nothing happens. This
/// task waits for its queue first. A fault of the streaming thread is seen when the wait is over.
public class CaptureTask extends PostgresConnectorTask {
  private static final Duration WAIT = Duration.ofMillis(100);

  /// Records of one batch, of those that are there. Debezium sets up its logging and hands over
  /// between threads once for a batch. They are no more than the queue holds, 64 MB.
  private static final int MOST_RECORDS = 64;

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
    var records = new ArrayList<>(super.doPoll());
    while (queue.size() > 0 && records.size() < MOST_RECORDS) {
      records.addAll(super.doPoll());
    }
    return records;
  }
}
