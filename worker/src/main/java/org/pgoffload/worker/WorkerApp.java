package org.pgoffload.worker;

import java.sql.SQLException;
import java.time.Clock;
import java.time.InstantSource;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.function.BooleanSupplier;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.GroupProtocol;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.pgoffload.telemetry.Health;
import org.pgoffload.telemetry.RunningPart;
import org.pgoffload.telemetry.Telemetry;
import org.pgoffload.worker.delivery.ClaimRequests;
import org.pgoffload.worker.delivery.ConsumeRequests;
import org.pgoffload.worker.delivery.DatabaseClock;
import org.pgoffload.worker.delivery.EarlyCancellations;
import org.pgoffload.worker.delivery.FindPublished;
import org.pgoffload.worker.delivery.Lease;
import org.pgoffload.worker.delivery.ListenToCommands;
import org.pgoffload.worker.delivery.MeasureRequests;
import org.pgoffload.worker.delivery.OpenPool;
import org.pgoffload.worker.delivery.PendingRequests;
import org.pgoffload.worker.delivery.PublishResults;
import org.pgoffload.worker.delivery.RequestHandler;
import org.pgoffload.worker.delivery.RunRequests;
import org.pgoffload.worker.delivery.SigningKeyCache;
import org.pgoffload.worker.delivery.VerifyRequest;
import org.pgoffload.worker.llm.AnswerRequest;
import org.pgoffload.worker.llm.ClaimFence;
import org.pgoffload.worker.llm.ConsultCache;
import org.pgoffload.worker.llm.CountWorkers;
import org.pgoffload.worker.llm.DeferRequests;
import org.pgoffload.worker.llm.InFlightRequests;
import org.pgoffload.worker.llm.LlmRequestHandler;
import org.pgoffload.worker.llm.ObeyCancellations;
import org.pgoffload.worker.llm.calls.EmbedTogether;
import org.pgoffload.worker.llm.calls.MakeCalls;
import org.pgoffload.worker.sql.ObeySqlCommands;
import org.pgoffload.worker.sql.RunTask;
import org.pgoffload.worker.sql.RunningTasks;
import org.pgoffload.worker.sql.SqlRequestHandler;
import org.pgoffload.worker.sql.SweepLargeAnswers;
import org.pgoffload.worker.sql.TaskRecords;
import org.pgoffload.worker.sql.TaskScheduler;
import org.pgoffload.worker.sql.TaskSessions;
import org.pgoffload.worker.vendors.LlmProviders;
import org.pgoffload.worker.vendors.http.FileDescriptors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Executes requests and publishes their results, for as long as it is open.
public final class WorkerApp implements RunningPart {
  private static final Logger LOG = LoggerFactory.getLogger(WorkerApp.class);

  /// In the order in which they were started: closed in reverse.
  private final Deque<AutoCloseable> started;

  private final List<Loop> loops;
  private final Lease lease;

  /// What works until it is told to end.
  ///
  /// @param works whether it does, just now
  private record Loop(Thread thread, Runnable end, BooleanSupplier works) {}

  private WorkerApp(Deque<AutoCloseable> started, List<Loop> loops, Lease lease) {
    this.started = started;
    this.loops = loops;
    this.lease = lease;
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
    var started = new ArrayDeque<AutoCloseable>();
    started.push(providers);
    var provider = providers.primary();
    try {
      var database = opened(started, OpenPool.open(configuration, telemetry.metrics()));
      var clock = DatabaseClock.ask(database);
      var trust = new SigningKeyCache(database);
      var verify = new VerifyRequest(trust, clock);
      var measure = new MeasureRequests(telemetry);
      var received = new PendingRequests();
      measure.watch("llm", received, clock);
      var deferred = new PendingRequests();
      measure.watch("deferred", deferred, clock);
      var launched = new PendingRequests();
      var asked = new InFlightRequests();
      var publish =
          opened(
              started, new PublishResults(configuration.kafka(), configuration.topics(), measure));
      var lease =
          opened(
              started,
              new Lease(
                  database,
                  configuration,
                  provider.name(),
                  provider.defaultModel(),
                  () -> asked.count() + launched.running(),
                  measure::summary));
      measure.watch(lease);
      var make = opened(started, new MakeCalls(configuration.calls(), machine, telemetry));
      var timer =
          opened(
              started,
              Executors.newSingleThreadScheduledExecutor(
                  Thread.ofPlatform().daemon().name("pgoffload-timer").factory()));
      CountWorkers.every(timer, database, make, clock);
      trust.readAgainEveryFewSeconds(timer);
      var answer =
          new AnswerRequest(
              configuration.name(),
              providers,
              make,
              opened(started, new EmbedTogether(make, configuration.calls())),
              new ConsultCache(database, lease),
              publish::begin,
              timer,
              clock);
      var claims = new ClaimRequests(database, lease);
      var confirm = new ClaimFence(database, lease, asked);
      var find =
          opened(
              started,
              new FindPublished(
                  configuration.topics().results(),
                  () -> new KafkaConsumer<>(takeoverProperties(configuration)),
                  database));
      var runAsked = new RunRequests(publish, measure);
      var loops = new ArrayList<Loop>();
      var llm =
          new LlmRequestHandler(
              configuration.topics().llmRequests(),
              configuration.maxInFlight(),
              true,
              configuration,
              claims,
              answer,
              publish,
              runAsked,
              received,
              asked,
              find,
              confirm,
              clock,
              measure);
      loops.add(
          loop(
              "pgoffload-llm-requests",
              consume(configuration, "llm", llm, runAsked, received, verify)));
      var later =
          new LlmRequestHandler(
              configuration.topics().deferred(),
              configuration.maxDeferred(),
              false,
              configuration,
              claims,
              answer,
              publish,
              runAsked,
              deferred,
              asked,
              find,
              confirm,
              clock,
              measure);
      loops.add(
          loop(
              "pgoffload-deferred-requests",
              consume(configuration, "deferred", later, runAsked, deferred, verify)));
      var _ =
          opened(
              started,
              new DeferRequests(
                  asked,
                  received,
                  configuration.maxInFlight(),
                  configuration.deferAfter(),
                  publish));
      FileDescriptors.tooFewFor(connections(configuration)).ifPresent(LOG::warn);
      LOG.info(
          "Worker {} asks {} (model {})",
          configuration.name(),
          provider.name(),
          provider.defaultModel());
      var sqlDatabase = configuration.sqlDatabase();
      ListenToCommands.ObeyCommand obeySql = null;
      if (sqlDatabase != null) {
        var limits = configuration.sqlLimits();
        var records = new TaskRecords(database, lease);
        var sessions =
            opened(started, new TaskSessions(sqlDatabase, records, configuration.name(), limits));
        var tasks = opened(started, new RunningTasks(records));
        var cancellations = new EarlyCancellations();
        var runLaunched = new RunRequests(publish, measure);
        var sql =
            new SqlRequestHandler(
                configuration.topics().sqlRequests(),
                clock,
                new TaskScheduler(limits),
                records,
                new RunTask(sessions, records, publish, configuration.name(), clock),
                tasks,
                runLaunched,
                launched,
                cancellations,
                measure);
        measure.watch("sql", launched, clock);
        measure.watchTasks(launched::running);
        measure.watch(sessions);
        loops.add(
            loop(
                "pgoffload-sql-requests",
                consume(configuration, "sql", sql, runLaunched, launched, verify)));
        obeySql = new ObeySqlCommands(records, tasks, sql, cancellations);
        var _ = opened(started, new SweepLargeAnswers(records));
        LOG.info("Worker {} runs SQL in {}", configuration.name(), sqlDatabase);
      }
      loops.add(
          loop(
              "pgoffload-commands",
              new ListenToCommands(
                  configuration.topics().commands(),
                  new KafkaConsumer<byte[], byte[]>(commandsProperties(configuration)),
                  verify,
                  new ObeyCancellations(
                      database,
                      lease,
                      asked,
                      cancelled ->
                          runAsked.begin(
                              cancelled.id(),
                              () -> {
                                if (cancelled.attempt() == 1
                                    || !find.isPublished(
                                        cancelled.id(), cancelled.requestedByOid())) {
                                  publish.result(answer.cancelled(cancelled));
                                }
                                runAsked.published(cancelled.id());
                                asked.endEnding(cancelled.id());
                                return true;
                              }),
                      obeySql))));
      loops.forEach(each -> each.thread.start());
      return new WorkerApp(started, List.copyOf(loops), lease);
    } catch (SQLException e) {
      closeAll(started);
      throw new WorkerStartException(
          "the worker cannot use " + configuration.database() + ": " + e.getMessage(), e);
    } catch (RuntimeException e) {
      closeAll(started);
      throw e;
    }
  }

  /// A connection for each call and each task.
  private static long connections(WorkerConfiguration configuration) {
    return configuration.maxInFlight()
        + (configuration.sqlDatabase() == null ? 0L : configuration.sqlLimits().connections());
  }

  private static <T extends AutoCloseable> T opened(Deque<AutoCloseable> started, T part) {
    started.push(part);
    return part;
  }

  private static ConsumeRequests consume(
      WorkerConfiguration configuration,
      String group,
      RequestHandler handler,
      RunRequests run,
      PendingRequests unfinished,
      VerifyRequest verify) {
    return new ConsumeRequests(
        configuration,
        handler,
        run,
        unfinished,
        new KafkaConsumer<byte[], byte[]>(requestProperties(configuration, group, handler.topic())),
        verify);
  }

  private static Loop loop(String name, ConsumeRequests consume) {
    return new Loop(
        Thread.ofPlatform().name(name).unstarted(consume), consume::close, consume::works);
  }

  private static Loop loop(String name, ListenToCommands listen) {
    return new Loop(Thread.ofPlatform().name(name).unstarted(listen), listen::close, () -> true);
  }

  @Override
  public Health health() {
    if (!loops.stream().allMatch(loop -> loop.thread.isAlive())) {
      return Health.ended();
    }
    if (!lease.isFresh()) {
      return Health.waiting(
          "the lease could not be renewed: the database does not answer, and nothing new is begun");
    }
    for (var loop : loops) {
      if (!loop.works.getAsBoolean()) {
        return Health.waiting(loop.thread.getName() + " does not consume; the log says why");
      }
    }
    return Health.ready("consumes requests");
  }

  @Override
  public void awaitEnd() throws InterruptedException {
    for (var loop : loops) {
      loop.thread.join();
    }
  }

  /// Begins nothing more, lets what runs finish within the drain time, leaves the rest to the next
  /// worker, and gives the lease up. Idempotent.
  @Override
  public void close() {
    loops.forEach(loop -> loop.end.run());
    try {
      awaitEnd();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    closeAll(started);
  }

  private static void closeAll(Deque<AutoCloseable> started) {
    synchronized (started) {
      while (!started.isEmpty()) {
        var part = started.pop();
        try {
          part.close();
        } catch (Exception e) {
          LOG.warn("{} could not be closed", part.getClass().getSimpleName(), e);
        }
      }
    }
  }

  private static Map<String, Object> requestProperties(
      WorkerConfiguration configuration, String group, String topic) {
    var properties = consumerProperties(configuration, group);
    properties.put(ConsumerConfig.GROUP_ID_CONFIG, configuration.topics().workersOf(topic));
    // the new protocol rebalances without stopping anybody
    properties.put(ConsumerConfig.GROUP_PROTOCOL_CONFIG, GroupProtocol.CONSUMER.name());
    // a group without offsets begins with what was asked before the first worker came
    properties.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
    // what is polled counts as unfinished, whether it has begun or not
    properties.put(
        ConsumerConfig.MAX_POLL_RECORDS_CONFIG, Math.min(500, configuration.maxInFlight()));
    return properties;
  }

  private static Map<String, Object> commandsProperties(WorkerConfiguration configuration) {
    var properties = consumerProperties(configuration, "commands");
    // every worker reads all of them: a group would share them out
    properties.remove(ConsumerConfig.GROUP_ID_CONFIG);
    // what was removed while it was away is a day old
    properties.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
    return properties;
  }

  private static Map<String, Object> takeoverProperties(WorkerConfiguration configuration) {
    var properties = consumerProperties(configuration, "takeovers");
    // only to ask how far it has come: a consumer that assigns itself partitions joins no group
    properties.put(ConsumerConfig.GROUP_ID_CONFIG, configuration.topics().writeBack());
    // as the results application's own
    properties.put(ConsumerConfig.GROUP_PROTOCOL_CONFIG, GroupProtocol.CLASSIC.name());
    // what was committed may have been removed since
    properties.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
    properties.put(ConsumerConfig.MAX_POLL_RECORDS_CONFIG, 5000);
    return properties;
  }

  private static Map<String, Object> consumerProperties(
      WorkerConfiguration configuration, String purpose) {
    var properties = new HashMap<>(configuration.kafka());
    properties.put(ConsumerConfig.KEY_DESERIALIZER_CLASS_CONFIG, ByteArrayDeserializer.class);
    properties.put(ConsumerConfig.VALUE_DESERIALIZER_CLASS_CONFIG, ByteArrayDeserializer.class);
    // only what is finished is committed
    properties.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, false);
    // made by the installer, with their settings
    properties.put(ConsumerConfig.ALLOW_AUTO_CREATE_TOPICS_CONFIG, false);
    // each its own, or their metrics would be taken for one another's
    properties.put(
        ConsumerConfig.CLIENT_ID_CONFIG,
        configuration
                .kafka()
                .getOrDefault(
                    ConsumerConfig.CLIENT_ID_CONFIG, "pgoffload-worker-" + configuration.name())
            + "-"
            + purpose);
    return properties;
  }
}
