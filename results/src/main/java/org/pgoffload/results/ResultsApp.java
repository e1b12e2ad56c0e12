package org.pgoffload.results;

import java.time.Duration;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.streams.CloseOptions;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.jspecify.annotations.Nullable;
import org.pgoffload.platform.KafkaFault;
import org.pgoffload.telemetry.BrokerConnections;
import org.pgoffload.telemetry.CountDeadLetters;
import org.pgoffload.telemetry.Health;
import org.pgoffload.telemetry.RunningPart;
import org.pgoffload.telemetry.Telemetry;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Writes results, pieces and usage back to the database, at least once and idempotent, and counts
/// the usage, for as long as it is open.
public final class ResultsApp implements RunningPart {
  private static final Logger LOG = LoggerFactory.getLogger(ResultsApp.class);

  private final KafkaStreams streams;
  private final WriteBack writeBack;
  private final BuryRecords bury;
  private final UsageApp usage;
  private final Phases phases;

  /// The latches that the phases of the application open.
  private record Phases(CountDownLatch running, CountDownLatch closing, CountDownLatch ended) {}

  private ResultsApp(
      KafkaStreams streams, WriteBack writeBack, BuryRecords bury, UsageApp usage, Phases phases) {
    this.streams = streams;
    this.writeBack = writeBack;
    this.bury = bury;
    this.usage = usage;
    this.phases = phases;
  }

  /// Starts in the background. Faults of the database or of Kafka are waited out, not thrown.
  ///
  /// @param telemetry takes the measures and traces
  public static ResultsApp start(ResultsConfiguration configuration, Telemetry telemetry) {
    var deadLetters = new CountDeadLetters(telemetry.metrics());
    var bury = new BuryRecords(configuration.kafka(), configuration.topics().deadLetters());
    var writeBack = new WriteBack(configuration.database(), bury, deadLetters, telemetry);
    try {
      return start(configuration, writeBack, bury, deadLetters, telemetry);
    } catch (RuntimeException e) {
      writeBack.close();
      bury.close();
      throw e;
    }
  }

  private static ResultsApp start(
      ResultsConfiguration configuration,
      WriteBack writeBack,
      BuryRecords bury,
      CountDeadLetters deadLetters,
      Telemetry telemetry) {
    var running = new CountDownLatch(1);
    var closing = new CountDownLatch(1);
    var ended = new CountDownLatch(1);
    var streams =
        new KafkaStreams(
            ResultsTopology.of(configuration.topics(), writeBack, deadLetters),
            streamsProperties(configuration),
            new CommitAfterWriteBack(writeBack));
    streams.setUncaughtExceptionHandler(fault -> {
      if (closing.getCount() == 0 || isWriteBackClosed(fault)) {
        LOG.debug("The results thread ended with its writer", fault);
        return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
      }
      LOG.warn(
          "The results thread ended and is replaced; what was not committed is read again: {}",
          KafkaFault.words(fault));
      // a fault that stays must not be met in a tight loop
      pause(closing);
      return StreamThreadExceptionResponse.REPLACE_THREAD;
    });
    streams.setStateListener((now, before) -> {
      if (now == KafkaStreams.State.RUNNING) {
        LOG.info(
            "Writing results from {} to {}",
            configuration.topics().results(),
            configuration.database());
        running.countDown();
      }
      if (now == KafkaStreams.State.NOT_RUNNING || now == KafkaStreams.State.ERROR) {
        ended.countDown();
      }
    });
    streams.start();
    return new ResultsApp(
        streams,
        writeBack,
        bury,
        UsageApp.start(configuration, running, telemetry.metrics()),
        new Phases(running, closing, ended));
  }

  private static boolean isWriteBackClosed(@Nullable Throwable fault) {
    while (fault != null && !(fault instanceof WriteBackClosedException)) {
      fault = fault.getCause();
    }
    return fault != null;
  }

  private static void pause(CountDownLatch closing) {
    try {
      var _ = closing.await(500, TimeUnit.MILLISECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /// Waits until results are being written.
  ///
  /// @throws IllegalStateException if they are not within the time
  public void awaitRunning(Duration patience) throws InterruptedException {
    if (!phases.running.await(patience.toMillis(), TimeUnit.MILLISECONDS)) {
      throw new IllegalStateException(
          "the results application is "
              + streams.state()
              + " after "
              + patience.toSeconds()
              + " s");
    }
  }

  @Override
  public Health health() {
    var state = streams.state();
    if (phases.ended.getCount() == 0) {
      return Health.ended();
    }
    if (state != KafkaStreams.State.RUNNING) {
      return Health.waiting("the streams application is " + state);
    }
    if (BrokerConnections.of(streams.metrics().values()).none()) {
      return Health.waiting("no broker of Kafka answers");
    }
    return writeBack.waits()
        ? Health.waiting("the database does not take results; the log says why")
        : Health.ready("writes results back");
  }

  @Override
  public void awaitEnd() throws InterruptedException {
    phases.ended.await();
  }

  /// Ends within a few seconds. What is not written by then, because the database is away, is not
  /// committed either, and read again by the next one. Idempotent.
  @Override
  public void close() {
    phases.closing.countDown();
    var usageEnding = Thread.ofVirtual().name("pgoffload-usage-close").start(usage::close);
    // leaving the group lets the next one begin at once, rather than after the session timeout
    var leaving =
        CloseOptions.groupMembershipOperation(CloseOptions.GroupMembershipOperation.LEAVE_GROUP);
    boolean closed = streams.close(leaving.withTimeout(Duration.ofSeconds(3)));
    writeBack.close();
    bury.close();
    if (!closed) {
      streams.close(Duration.ofSeconds(2));
    }
    try {
      usageEnding.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    phases.ended.countDown();
  }

  static Properties streamsProperties(ResultsConfiguration configuration) {
    var properties =
        StreamsProperties.of(
            configuration,
            configuration.topics().writeBack(),
            configuration.stateDirectory(),
            StreamsConfig.AT_LEAST_ONCE);
    // a database that is away for long must not throw the application out of its group
    properties.put(
        StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_INTERVAL_MS_CONFIG),
        (int) Duration.ofMinutes(30).toMillis());
    properties.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100);
    properties.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0);
    // Streams' own default of 100 ms would be most of a round trip
    properties.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 0);
    // whatever fits the results topic can become a dead letter: Kafka's own limit is 1 MB
    properties.put(StreamsConfig.producerPrefix(ProducerConfig.MAX_REQUEST_SIZE_CONFIG), 32 << 20);
    // what cannot become one must not stop the rest
    properties.put(
        StreamsConfig.PRODUCTION_EXCEPTION_HANDLER_CLASS_CONFIG, DropWhatIsTooLarge.class);
    properties.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 1000);
    // Usage is counted in transactions; what is not committed yet may be counted otherwise later.
    // The other topics have none: of those, a read ends at the same offset with and without this.
    properties.put(
        StreamsConfig.consumerPrefix(ConsumerConfig.ISOLATION_LEVEL_CONFIG), "read_committed");
    // whatever has come is handed over at once: a result need not wait for pieces that are older
    properties.put(StreamsConfig.MAX_TASK_IDLE_MS_CONFIG, StreamsConfig.MAX_TASK_IDLE_MS_DISABLED);
    return properties;
  }
}
