package org.pgoffload.connectors;

import static org.assertj.core.api.Assertions.assertThat;

import io.debezium.config.Configuration;
import io.debezium.connector.base.QueueProviderService;
import io.debezium.connector.postgresql.PostgresConnectorConfig;
import io.debezium.pipeline.DataChangeEvent;
import java.util.Map;
import org.apache.kafka.connect.source.SourceRecord;
import org.junit.jupiter.api.Test;

final class CaptureTaskTest {
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

  /// What start does with the queue.
  private QueueProviderService start() {
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
