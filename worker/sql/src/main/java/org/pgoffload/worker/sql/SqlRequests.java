package org.pgoffload.worker.sql;

import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import org.pgoffload.platform.primary.FollowPrimary;
import org.pgoffload.protocol.RequestChannel;
import org.pgoffload.worker.delivery.Delivery;
import org.pgoffload.worker.delivery.RunRequests;
import org.pgoffload.worker.delivery.commands.CommandHandler;
import org.pgoffload.worker.sql.scheduling.TaskScheduler;
import org.pgoffload.worker.sql.sessions.TaskSessions;

/// Opens what executes background SQL.
public final class SqlRequests {
  private SqlRequests() {}

  /// Has requests for SQL consumed.
  ///
  /// @return what obeys the commands to them
  public static CommandHandler open(
      Delivery delivery, SqlSettings settings, FollowPrimary primary, MeterRegistry metrics) {
    var worker = delivery.settings().name();
    var topics = delivery.settings().topics();
    var records = new TaskRecords(delivery.database(), delivery.lease());
    var sessions =
        delivery.opened(
            new TaskSessions(
                () -> primary.of(settings.database()), records, worker, settings.limits()));
    primary.onChange(sessions::closeIdle);
    var tasks = delivery.opened(new RunningTasks(records));
    primary.onChange(tasks::loseSessions);
    var scheduler = new TaskScheduler(settings.limits());
    var commands = new ObeySqlCommands(records, tasks, scheduler, delivery.cancellations());
    var handler =
        new SqlRequestHandler(
            delivery.queue("sql", topics.sqlRequests(), RequestChannel.SQL),
            delivery.clock(),
            scheduler,
            records,
            new SqlRequestHandler.Work(
                new RunTask(
                    sessions,
                    records,
                    new PublishTaskResults(delivery.publish()),
                    worker,
                    delivery.clock()),
                tasks,
                commands));
    delivery.consume(
        handler, handler.pending(), new RunRequests("sql", delivery.publish(), delivery.measure()));
    var _ = delivery.opened(new SweepLargeAnswers(records));
    delivery.measure().watchRunning(handler.pending()::running);
    delivery.measure().tell("tasks", handler.pending()::running);
    // llm_maintain refuses where no worker has ever said so
    delivery.measure().tell("runs_sql", () -> 1);
    watch(handler, sessions, metrics);
    return commands;
  }

  private static void watch(
      SqlRequestHandler handler, TaskSessions sessions, MeterRegistry metrics) {
    Gauge.builder("pgoffload.tasks.running", handler.pending(), pending -> pending.running())
        .description("Tasks of background SQL that run")
        .register(metrics);
    Gauge.builder("pgoffload.sql.sessions", sessions, TaskSessions::active)
        .description("Sessions that run tasks of background SQL, or are kept for the next one")
        .tag("state", "active")
        .register(metrics);
    Gauge.builder("pgoffload.sql.sessions", sessions, TaskSessions::idle)
        .tag("state", "idle")
        .register(metrics);
  }
}
