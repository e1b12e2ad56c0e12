package org.pgoffload.worker;

import java.sql.SQLException;
import java.time.Clock;
import java.time.InstantSource;
import java.util.ArrayList;
import org.pgoffload.platform.primary.FollowPrimary;
import org.pgoffload.telemetry.Health;
import org.pgoffload.telemetry.RunningPart;
import org.pgoffload.telemetry.Telemetry;
import org.pgoffload.worker.delivery.Delivery;
import org.pgoffload.worker.delivery.OpenedParts;
import org.pgoffload.worker.delivery.commands.CommandHandler;
import org.pgoffload.worker.delivery.lease.Lease;
import org.pgoffload.worker.llm.LlmRequests;
import org.pgoffload.worker.models.FileDescriptors;
import org.pgoffload.worker.models.LlmProviders;
import org.pgoffload.worker.sql.SqlRequests;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Executes requests and publishes their results, for as long as it is open.
public final class WorkerApp implements RunningPart {
  private static final Logger LOG = LoggerFactory.getLogger(WorkerApp.class);

  private final Delivery delivery;

  private WorkerApp(Delivery delivery) {
    this.delivery = delivery;
  }

  /// Registers and begins to work in the background.
  ///
  /// @param providers are closed with the worker, also when it cannot begin
  /// @param telemetry is told what is measured and done
  /// @throws WorkerStartException if the database cannot be asked, with what to do
  public static WorkerApp start(
      WorkerConfiguration configuration, LlmProviders providers, Telemetry telemetry) {
    return start(configuration, providers, Clock.systemUTC(), telemetry);
  }

  /// Starts the worker with a clock of its own for the times of calls.
  ///
  /// @param machine by which nothing is decided: it only says when calls were made
  public static WorkerApp start(
      WorkerConfiguration configuration,
      LlmProviders providers,
      InstantSource machine,
      Telemetry telemetry) {
    var opened = new OpenedParts();
    var _ = opened.add(providers);
    try {
      return new WorkerApp(started(configuration, providers, machine, telemetry, opened));
    } catch (SQLException e) {
      opened.close();
      throw new WorkerStartException(
          "the worker cannot use " + configuration.database() + ": " + e.getMessage(), e);
    } catch (RuntimeException e) {
      opened.close();
      throw e;
    }
  }

  private static Delivery started(
      WorkerConfiguration configuration,
      LlmProviders providers,
      InstantSource machine,
      Telemetry telemetry,
      OpenedParts opened)
      throws SQLException {
    var settings = configuration.delivery();
    var provider = providers.primary();
    var primary =
        opened.add(
            FollowPrimary.start(
                configuration.database(),
                settings.kafka(),
                settings.topics(),
                "worker " + settings.name()));
    var delivery =
        new Delivery(
            settings,
            opened,
            opened.add(OpenPool.open(configuration, primary, telemetry.metrics())),
            telemetry,
            new Lease.Label(
                settings.name(),
                settings.version(),
                provider.name(),
                provider.defaultModel(),
                providers
                    .reranker()
                    .map(reranker ->
                        new Lease.Reranker(reranker.defaultModel(), reranker.mostDocuments()))
                    .orElse(null)));
    var commands = new ArrayList<CommandHandler>();
    commands.add(LlmRequests.open(delivery, configuration.llm(), providers, machine, telemetry));
    FileDescriptors.tooFewFor(connections(configuration)).ifPresent(LOG::warn);
    LOG.info(
        "Worker {} asks {} (model {})", settings.name(), provider.name(), provider.defaultModel());
    providers
        .reranker()
        .ifPresent(reranker ->
            LOG.info("Worker {} ranks by {}", settings.name(), reranker.defaultModel()));
    var sql = configuration.sql();
    if (sql == null) {
      delivery.measure().tell("tasks", () -> 0);
      delivery.measure().tell("runs_sql", () -> 0);
    } else {
      commands.add(SqlRequests.open(delivery, sql, primary, telemetry.metrics()));
      LOG.info("Worker {} runs SQL in {}", settings.name(), sql.database());
    }
    delivery.obey(commands);
    primary.onChange(() -> primary.token().ifPresent(delivery::goBack));
    delivery.start();
    return delivery;
  }

  /// A connection for each call and each task.
  private static long connections(WorkerConfiguration configuration) {
    var sql = configuration.sql();
    return configuration.delivery().maxInFlight() + (sql == null ? 0L : sql.limits().connections());
  }

  @Override
  public Health health() {
    return delivery.health();
  }

  @Override
  public void awaitEnd() throws InterruptedException {
    delivery.awaitEnd();
  }

  /// Begins nothing more, lets what runs finish within the drain time, leaves the rest to the next
  /// worker, and gives the lease up. Idempotent.
  @Override
  public void close() {
    delivery.close();
  }
}
