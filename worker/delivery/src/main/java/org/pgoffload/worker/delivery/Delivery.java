package org.pgoffload.worker.delivery;

import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.function.BooleanSupplier;
import java.util.function.IntConsumer;
import javax.sql.DataSource;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.pgoffload.platform.KeepPositions;
import org.pgoffload.platform.RepeatedRecords;
import org.pgoffload.protocol.RequestChannel;
import org.pgoffload.telemetry.Health;
import org.pgoffload.telemetry.RunningPart;
import org.pgoffload.telemetry.Telemetry;
import org.pgoffload.worker.delivery.commands.CommandHandler;
import org.pgoffload.worker.delivery.commands.EarlyCancellations;
import org.pgoffload.worker.delivery.commands.ListenToCommands;
import org.pgoffload.worker.delivery.lease.CountWorkers;
import org.pgoffload.worker.delivery.lease.DatabaseClock;
import org.pgoffload.worker.delivery.lease.Lease;
import org.pgoffload.worker.delivery.records.ReadRecords;
import org.pgoffload.worker.delivery.trust.SigningKeyCache;
import org.pgoffload.worker.delivery.trust.VerifyRequest;
import org.pgoffload.worker.delivery.waiting.SeenPartitions;

/// The delivery of requests to their handlers: has everything that all handlers share, and a thread
/// for each queue and for the commands.
///
/// To be opened, given its handlers, and started, by one thread.
public final class Delivery implements RunningPart {
  /// What waits for its turn leaves the memory to what runs.
  private static final int SHARE_OF_WAITING_RECORDS = 16;

  private final DeliverySettings settings;
  private final OpenedParts parts;
  private final DataSource database;
  private final DatabaseClock clock;
  private final VerifyRequest verify;
  private final MeasureRequests measure;
  private final PublishRecords publish;
  private final Lease lease;
  private final ScheduledExecutorService timer;
  private final EarlyCancellations cancellations = new EarlyCancellations();
  private final List<Loop> loops = new ArrayList<>();

  /// What works until it is told to end.
  ///
  /// @param works whether it does, just now
  private record Loop(Thread thread, Runnable end, Runnable reopen, BooleanSupplier works) {}

  /// Registers the worker. Nothing is consumed yet.
  ///
  /// @param parts which are closed with the delivery, also those that are added later
  /// @param database the worker's own connections
  /// @throws SQLException if the database cannot be asked
  public Delivery(
      DeliverySettings settings,
      OpenedParts parts,
      DataSource database,
      Telemetry telemetry,
      Lease.Label label)
      throws SQLException {
    this.settings = settings;
    this.parts = parts;
    this.database = database;
    clock = DatabaseClock.ask(database);
    var keys = new SigningKeyCache(database);
    verify = new VerifyRequest(keys, clock);
    measure = new MeasureRequests(telemetry);
    publish = parts.add(new PublishRecords(settings.kafka(), settings.topics(), measure));
    lease = parts.add(new Lease(database, label, measure));
    measure.watch(lease);
    timer =
        parts.add(
            Executors.newSingleThreadScheduledExecutor(
                Thread.ofPlatform().daemon().name("pgoffload-timer").factory()));
    keys.readAgainEveryFewSeconds(timer);
  }

  public DeliverySettings settings() {
    return settings;
  }

  /// The worker's own connections.
  public DataSource database() {
    return database;
  }

  /// The database's clock.
  public DatabaseClock clock() {
    return clock;
  }

  public MeasureRequests measure() {
    return measure;
  }

  public PublishRecords publish() {
    return publish;
  }

  public Lease lease() {
    return lease;
  }

  /// Cancellations of requests that are not recorded yet.
  public EarlyCancellations cancellations() {
    return cancellations;
  }

  /// For what is short and does not block for long.
  public ScheduledExecutorService timer() {
    return timer;
  }

  /// Closes a part of a handler with the delivery, before what the delivery itself has opened.
  public <T extends AutoCloseable> T opened(T part) {
    return parts.add(part);
  }

  /// Tells a handler how many workers live, every few seconds: they share configured limits.
  public void shareWith(IntConsumer workers) {
    CountWorkers.every(timer, database, workers, clock);
  }

  /// A topic of requests, with its share of the memory for those that wait.
  ///
  /// @param name in the names of metrics, threads and Kafka clients
  public RequestQueue queue(String name, String topic, RequestChannel channel) {
    return new RequestQueue(
        name,
        topic,
        channel,
        settings.maxInFlight(),
        settings.maxBytesInFlight() / SHARE_OF_WAITING_RECORDS);
  }

  /// Will consume a handler's requests.
  ///
  /// @param pending where they count as unfinished
  /// @param run executes them
  public <A extends Attempt> void consume(
      RequestHandler<A> handler, PendingRequests pending, RunRequests run) {
    var queue = handler.queue();
    measure.watch(queue.name(), pending, clock);
    var seen = new SeenPartitions(queue.topic());
    var repeated = new RepeatedRecords();
    var judge = new JudgeRecord(verify, run, queue.channel(), repeated);
    var readAgain =
        parts.add(
            new ReadAgain(
                pending,
                new ReadRecords(
                    () -> new KafkaConsumer<>(ConsumerProperties.again(settings, queue))),
                judge));
    var consume =
        new ConsumeRequests(
            settings,
            new DeliverRequests<>(handler, pending, run, measure, readAgain, settings.topics()),
            () -> new KafkaConsumer<>(ConsumerProperties.requests(settings, queue)),
            judge,
            new KeepPositions(
                KeepPositions.Session.of(database),
                repeated,
                () -> !lease.isOutdated(),
                "Requests"),
            seen);
    measure
        .waiting()
        .add(told -> {
          var own = told.putObject(queue.name());
          seen.tell(own);
          if (!consume.works()) {
            own.put("consumes", false);
          }
          pending.tell(own);
          handler.scheduler().tell(own);
        });
    lease.whenPaused(handler.scheduler()::pause);
    var name = "pgoffload-" + queue.name() + "-requests";
    loops.add(
        new Loop(
            Thread.ofPlatform().name(name).unstarted(consume),
            consume::close,
            consume::reopen,
            consume::works));
  }

  /// Will hand commands to these handlers, in this order.
  public void obey(List<CommandHandler> handlers) {
    var listen =
        new ListenToCommands(
            settings.topics().commands(),
            new KafkaConsumer<byte[], byte[]>(ConsumerProperties.commands(settings)),
            verify,
            cancellations,
            List.copyOf(handlers));
    loops.add(
        new Loop(
            Thread.ofPlatform().name("pgoffload-commands").unstarted(listen),
            listen::close,
            listen::readAgain,
            () -> true));
  }

  /// The database was failed over. The worker registers anew, and the consumers of requests go back
  /// to where the database knows them to have come, that of commands to the beginning. What runs
  /// goes on.
  ///
  /// @param token of the timeline
  public void goBack(UUID token) {
    lease.failedOver(token);
    loops.forEach(loop -> loop.reopen.run());
  }

  /// Begins to consume.
  public void start() {
    loops.forEach(each -> each.thread.start());
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
    parts.close();
  }
}
