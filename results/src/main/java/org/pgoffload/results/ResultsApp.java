package org.pgoffload.results;

import java.time.Duration;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.GroupProtocol;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Writes results back to the database, at least once and idempotent by request id, for as long as
/// it is open.
public final class ResultsApp implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(ResultsApp.class);

  private final KafkaStreams streams;
  private final WriteBack writeBack;
  private final CountDownLatch running;
  private final CountDownLatch ended;

  private ResultsApp(
      KafkaStreams streams, WriteBack writeBack, CountDownLatch running, CountDownLatch ended) {
    this.streams = streams;
    this.writeBack = writeBack;
    this.running = running;
    this.ended = ended;
  }

  /// Starts in the background. Faults of the database or of Kafka are waited out, not thrown.
  public static ResultsApp start(ResultsConfiguration configuration) {
    var writeBack = new WriteBack(configuration.database());
    var running = new CountDownLatch(1);
    var ended = new CountDownLatch(1);
    var streams =
        new KafkaStreams(
            ResultsTopology.of(configuration.topics(), writeBack),
            streamsProperties(configuration),
            new CommitAfterWriteBack(writeBack));
    streams.setUncaughtExceptionHandler(fault -> {
      LOG.warn(
          "The results thread ended and is replaced; what was not committed is read again: {}",
          fault.toString());
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
    return new ResultsApp(streams, writeBack, running, ended);
  }

  /// Waits until results are being written.
  ///
  /// @throws IllegalStateException if they are not within the time
  public void awaitRunning(Duration patience) throws InterruptedException {
    if (!running.await(patience.toMillis(), java.util.concurrent.TimeUnit.MILLISECONDS)) {
      throw new IllegalStateException(
          "the results application is "
              + streams.state()
              + " after "
              + patience.toSeconds()
              + " s");
    }
  }

  /// Waits until the application ends, which it does when it is closed or cannot go on.
  public void awaitEnd() throws InterruptedException {
    ended.await();
  }

  @Override
  public void close() {
    streams.close(Duration.ofSeconds(5));
    writeBack.close();
    ended.countDown();
  }

  static Properties streamsProperties(ResultsConfiguration configuration) {
    var properties = new Properties();
    properties.putAll(configuration.kafka());
    properties.put(
        StreamsConfig.APPLICATION_ID_CONFIG, configuration.topics().prefix() + ".results-writer");
    properties.put(StreamsConfig.STATE_DIR_CONFIG, configuration.stateDirectory().toString());
    // with "streams" the commit is never asked of the consumer that waits for the writer
    properties.put(
        StreamsConfig.GROUP_PROTOCOL_CONFIG,
        GroupProtocol.CLASSIC.name().toLowerCase(java.util.Locale.ROOT));
    properties.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.AT_LEAST_ONCE);
    // results that came before the first start count as well
    properties.put(
        StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
    // a database that is away for long must not throw the application out of its group
    properties.put(
        StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_INTERVAL_MS_CONFIG),
        (int) Duration.ofMinutes(30).toMillis());
    // a killed application's successor begins sooner than after the default 45 s
    properties.put(
        StreamsConfig.consumerPrefix(ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG),
        (int) Duration.ofSeconds(6).toMillis());
    properties.put(
        StreamsConfig.consumerPrefix(ConsumerConfig.HEARTBEAT_INTERVAL_MS_CONFIG),
        (int) Duration.ofSeconds(2).toMillis());
    properties.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100);
    properties.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0);
    // Streams' own default of 100 ms would be most of a round trip
    properties.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 0);
    properties.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 1000);
    // one thread is enough: it only hands over, and the writer groups what it hands
    properties.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
    return properties;
  }
}
