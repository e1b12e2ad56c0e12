package org.pgoffload.connectors;

import static org.assertj.core.api.Assertions.assertThat;

import io.debezium.config.Configuration;
import io.debezium.connector.base.QueueProviderService;
import io.debezium.connector.postgresql.PostgresConnectorConfig;
import io.debezium.pipeline.DataChangeEvent;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Map;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.source.SourceRecord;
import org.junit.jupiter.api.Test;

final class CaptureTaskTest {
  private static final Schema MESSAGE =
      SchemaBuilder.struct().field("content", Schema.BYTES_SCHEMA).build();

  private final CaptureTask task = new CaptureTask();

  @Test
  void beginsAgainWithoutTheRecordsOfTheLastStream() throws Exception {
    var first = start();
    first
        .<DataChangeEvent>getQueueProvider()
        .enqueue(new DataChangeEvent(new SourceRecord(Map.of(), Map.of(), "t", null, "r")));
    first.getQueueProvider().close(); // as doStop
    assertThat(start().getQueueProvider().size()).isZero();
  }

  @Test
  void endsABatchOfLargeRecordsBeforeTheyFillTheHeap() throws Exception {
    var queue = new ArrayDeque<SourceRecord>();
    var filled =
        new CaptureTask() {
          @Override
          List<SourceRecord> pollQueue() {
            return List.of(queue.remove());
          }
        };
    var provider = start(filled).<DataChangeEvent>getQueueProvider();
    for (int size : new int[] {3 << 20, 3 << 20, 1}) {
      var message = new Struct(MESSAGE).put("content", ByteBuffer.allocate(size));
      queue.add(new SourceRecord(Map.of(), Map.of(), "t", MESSAGE, message));
      provider.enqueue(new DataChangeEvent(queue.getLast()));
    }
    assertThat(filled.doPoll()).hasSize(2);
    assertThat(queue).hasSize(1);
  }

  /// What start does with the queue.
  private QueueProviderService start() {
    return start(task);
  }

  private static QueueProviderService start(CaptureTask task) {
    var config =
        new PostgresConnectorConfig(
            Configuration.from(
                Map.of(
                    "topic.prefix", "t",
                    "database.hostname", "h",
                    "database.user", "u",
                    "database.dbname", "d")));
    task.registerServiceProviders(config.getServiceRegistry());
    return config.getServiceRegistry().tryGetService(QueueProviderService.class);
  }
}
