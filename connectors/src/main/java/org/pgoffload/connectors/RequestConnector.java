package org.pgoffload.connectors;

import io.debezium.connector.postgresql.PostgresConnector;
import org.apache.kafka.connect.connector.Task;

/// Debezium's PostgreSQL connector for a Connect cluster, with a task that never makes a slot,
/// waits out a database that is away, and begins where the slot stands.
///
/// [ConnectConfiguration] makes its configuration.
public final class RequestConnector extends PostgresConnector {
  @Override
  public Class<? extends Task> taskClass() {
    return RequestConnectorTask.class;
  }
}
