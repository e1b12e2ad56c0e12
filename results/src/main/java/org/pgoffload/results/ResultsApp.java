package org.pgoffload.results;

import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.pgoffload.platform.primary.FollowPrimary;
import org.pgoffload.telemetry.CountDeadLetters;
import org.pgoffload.telemetry.Health;
import org.pgoffload.telemetry.RunningPart;
import org.pgoffload.telemetry.Telemetry;

/// Writes results, pieces and usage back to the database, at least once and idempotent, and counts
/// the usage, for as long as it is open.
public final class ResultsApp implements RunningPart {
  private static final Duration PATIENCE_AT_CLOSE = Duration.ofSeconds(1);

  private final ConsumeResults consume;
  private final WriteGroup groups;
  private final LazyProducer producer;
  private final UsageApp usage;
  private final StepMaintained maintained;
  private final FollowPrimary primary;
  private final CountDownLatch closing;
  private final Thread thread;

  private ResultsApp(
      ConsumeResults consume,
      WriteGroup groups,
      LazyProducer producer,
      UsageApp usage,
      FollowPrimary primary,
      CountDownLatch closing) {
    this.consume = consume;
    this.groups = groups;
    this.producer = producer;
    this.usage = usage;
    this.maintained = StepMaintained.start(primary, closing);
    this.primary = primary;
    this.closing = closing;
    this.thread = Thread.ofPlatform().name("pgoffload-write-back").start(this::run);
  }

  /// Starts in the background. Faults of the database or of Kafka are waited out, not thrown.
  ///
  /// @param telemetry takes the measures and traces
  public static ResultsApp start(ResultsConfiguration configuration, Telemetry telemetry) {
    var primary =
        FollowPrimary.start(
            configuration.database(),
            configuration.kafka(),
            configuration.topics(),
            FollowPrimary.nameOf("results"));
    var groups = new WriteGroup(primary, WriteGroup.LEAST_PATIENCE);
    var producer = new LazyProducer(configuration.kafka());
    var bury = new BuryRecords(producer, configuration.topics().deadLetters());
    var writeBack =
        new WriteBack(groups, bury, new CountDeadLetters(telemetry.metrics()), telemetry);
    var closing = new CountDownLatch(1);
    var consume =
        new ConsumeResults(
            configuration,
            writeBack,
            groups.positions(),
            new WithdrawResults(groups, producer, configuration.topics()),
            closing);
    var usage = UsageApp.start(configuration, consume.running(), telemetry.metrics());
    primary.onChange(() -> {
      // again when the session is gone: with that one it would not have gone back
      consume.reopen();
      groups.abort();
      consume.reopen();
    });
    return new ResultsApp(consume, groups, producer, usage, primary, closing);
  }

  private void run() {
    try {
      consume.run();
    } finally {
      groups.disconnect();
    }
  }

  /// Waits until results are being written.
  ///
  /// @throws IllegalStateException if they are not within the time
  public void awaitRunning(Duration patience) throws InterruptedException {
    if (!consume.running().await(patience.toMillis(), TimeUnit.MILLISECONDS)) {
      throw new IllegalStateException(
          "the results application does not write results after "
              + patience.toSeconds()
              + " s: "
              + consume.waitsFor());
    }
  }

  @Override
  public Health health() {
    if (!thread.isAlive()) {
      return Health.ended();
    }
    var waitsFor = consume.waitsFor();
    if (!waitsFor.isEmpty()) {
      return Health.waiting(waitsFor);
    }
    return consume.waitsForDatabase()
        ? Health.waiting("the database does not take results; the log says why")
        : Health.ready("writes results back");
  }

  @Override
  public void awaitEnd() throws InterruptedException {
    thread.join();
  }

  /// Ends within a few seconds. What is not written by then, because the database is away, is not
  /// committed either, and read again by the next one. Idempotent.
  @Override
  public void close() {
    closing.countDown();
    var usageEnding = Thread.ofVirtual().name("pgoffload-usage-close").start(usage::close);
    try {
      if (!thread.join(PATIENCE_AT_CLOSE)) {
        // a statement that waits, for a lock say, or a dead letter that no broker takes
        groups.abort();
        producer.close();
      }
      thread.join();
      usageEnding.join();
      maintained.awaitEnd();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    producer.close();
    primary.close();
  }
}
