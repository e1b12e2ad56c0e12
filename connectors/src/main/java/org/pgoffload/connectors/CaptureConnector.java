package org.pgoffload.connectors;

import io.debezium.connector.postgresql.PostgresConnector;
import org.apache.kafka.connect.connector.Task;

/// Debezium's PostgreSQL connector with a [CaptureTask].
public class CaptureConnector extends PostgresConnector {
  @Override
  public Class<? extends Task> taskClass() {
    return CaptureTask.class;
  }
}
