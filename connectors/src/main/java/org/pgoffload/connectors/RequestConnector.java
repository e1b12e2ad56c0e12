package org.pgoffload.connectors;

import org.apache.kafka.connect.connector.Task;

/// The connector for a Connect cluster, with a task that never makes a slot, waits out a database
/// that is away, and begins where the slot stands.
///
/// [ConnectConfiguration] makes its configuration.
public final class RequestConnector extends CaptureConnector {
  @Override
  public Class<? extends Task> taskClass() {
    return RequestConnectorTask.class;
  }
}
