package org.pgoffload.worker;

import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.worker.delivery.DeliverySettings;
import org.pgoffload.worker.llm.LlmSettings;
import org.pgoffload.worker.sql.SqlSettings;

/// What a worker needs to run, besides its [org.pgoffload.worker.models.LlmProviders].
///
/// @param database a login that is a member of pgoffload_worker
/// @param delivery how requests are consumed
/// @param llm how requests to models are executed
/// @param sql how background SQL is executed, or null for a worker that executes none
public record WorkerConfiguration(
    DatabaseAddress database,
    DeliverySettings delivery,
    LlmSettings llm,
    @Nullable SqlSettings sql) {
  public WorkerConfiguration {
    if (llm.maxDeferred() < delivery.maxInFlight()) {
      throw new IllegalArgumentException("max deferred must not be less than max in flight");
    }
  }

  /// Names the places, without passwords.
  @Override
  public String toString() {
    return "WorkerConfiguration["
        + delivery.name()
        + ", "
        + database
        + ", "
        + delivery.topics()
        + "]";
  }
}
