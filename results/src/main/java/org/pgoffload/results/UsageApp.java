package org.pgoffload.results;

import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.GroupProtocol;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.config.TopicConfig;
import org.apache.kafka.streams.CloseOptions;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.processor.WallclockTimestampExtractor;
import org.pgoffload.platform.Complaint;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Counts the usage from the results topic to the usage topic, exactly once, for as long as it is
/// open.
///
/// Nothing waits for it. A fault ends Kafka Streams, and another begins after a pause, which grows
/// with each; what was not committed is counted then.
final class UsageApp implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(UsageApp.class);

  private static final Duration SHORTEST_PAUSE = Duration.ofSeconds(1);

  /// Also how long it has to go on until its fault counts as past.
  private static final Duration LONGEST_PAUSE = Duration.ofMinutes(1);

  private static final Duration PATIENCE_AT_CLOSE = Duration.ofSeconds(3);

  private static final String IN_SYNC_OF_THREE = "2";

  private final ResultsConfiguration configuration;
  private final CountDownLatch begin;
  private final SkippedRecords skipped = new SkippedRecords();
  private final CountDownLatch closing = new CountDownLatch(1);
  private final Thread supervisor;

  // written by the supervisor, and by the threads of the one Kafka Streams that it waits for
  private volatile Duration pause = SHORTEST_PAUSE;
  private final Complaint complaint = new Complaint(LOG);
  private volatile boolean counts;

  private UsageApp(ResultsConfiguration configuration, CountDownLatch begin) {
    this.configuration = configuration;
    this.begin = begin;
    this.supervisor = Thread.ofVirtual().name("pgoffload-usage").unstarted(this::supervise);
  }

  /// Starts in the background. Throws nothing: a failed start is tried again.
  ///
  /// @param begin opens when the counting may start, so that it does not delay the write-back
  static UsageApp start(
      ResultsConfiguration configuration, CountDownLatch begin, MeterRegistry metrics) {
    var app = new UsageApp(configuration, begin);
    Gauge.builder("pgoffload.usage.counting", app, each -> each.counts ? 1 : 0)
        .description("1 while usage is counted, which budgets depend on")
        .register(metrics);
    app.supervisor.start();
    return app;
  }

  private void supervise() {
    try {
      begin.await();
      while (!isClosing()) {
        try {
          countUntilItEnds();
        } catch (RuntimeException | Error e) {
          complain(e);
        }
        if (!closing.await(pause.toMillis(), TimeUnit.MILLISECONDS)) {
          var longer = pause.multipliedBy(2);
          pause = longer.compareTo(LONGEST_PAUSE) < 0 ? longer : LONGEST_PAUSE;
        }
      }
    } catch (InterruptedException e) {
      LOG.debug("The counting of usage is closing", e);
    }
    skipped.tell();
  }

  private void countUntilItEnds() throws InterruptedException {
    var ended = new CountDownLatch(1);
    var streams = new KafkaStreams(UsageTopology.of(configuration.topics(), skipped), prepare());
    try {
      streams.setUncaughtExceptionHandler(fault -> {
        complain(fault);
        return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
      });
      streams.setStateListener((now, _) -> {
        counts = now == KafkaStreams.State.RUNNING;
        if (now == KafkaStreams.State.NOT_RUNNING || now == KafkaStreams.State.ERROR) {
          ended.countDown();
        }
      });
      streams.start();
      if (!ended.await(LONGEST_PAUSE.toMillis(), TimeUnit.MILLISECONDS)) {
        forgetFault();
        ended.await();
      }
    } finally {
      // leaving the group lets the next one begin at once, rather than after the session timeout
      streams.close(
          CloseOptions.groupMembershipOperation(CloseOptions.GroupMembershipOperation.LEAVE_GROUP)
              .withTimeout(PATIENCE_AT_CLOSE));
    }
  }

  /// The properties with a directory of the very results topic that is there: what was left by
  /// another of the same name, on another Kafka or before everything was made anew, would be taken
  /// for its state.
  private Properties prepare() throws InterruptedException {
    var results = configuration.topics().results();
    var admin = Admin.create(configuration.kafka());
    try {
      var described = admin.describeTopics(List.of(results)).allTopicNames().get();
      var topic = described.values().iterator().next();
      int replicas =
          topic.partitions().stream()
              .mapToInt(partition -> partition.replicas().size())
              .min()
              .orElse(1);
      var properties =
          streamsProperties(
              configuration,
              configuration.stateDirectory().resolve(topic.topicId().toString()),
              replicas);
      makePartsTopic(admin, replicas);
      return properties;
    } catch (ExecutionException e) {
      throw new IllegalStateException(e.getCause());
    } finally {
      // not waiting for what is not answered any more
      admin.close(Duration.ZERO);
    }
  }

  /// Makes the topic between the two halves as Kafka Streams would, which first asks for it and
  /// warns that it is not there.
  private void makePartsTopic(Admin admin, int replicas) throws InterruptedException {
    var configs = new HashMap<String, String>();
    // Kafka Streams itself removes what it has read
    configs.put(TopicConfig.RETENTION_MS_CONFIG, "-1");
    if (replicas >= 3) {
      configs.put(TopicConfig.MIN_IN_SYNC_REPLICAS_CONFIG, IN_SYNC_OF_THREE);
    }
    var topic =
        new NewTopic(
                applicationId(configuration) + "-" + UsageTopology.PARTS + "-repartition",
                1,
                (short) ownReplicas(replicas))
            .configs(configs);
    try {
      admin.createTopics(List.of(topic)).all().get();
    } catch (ExecutionException e) {
      LOG.debug("It is there already, or else Kafka Streams says what is wrong", e);
    }
  }

  /// Of the internal topics: what was counted is to be as safe as what is counted. One broker alone
  /// has no three replicas, and its default will do.
  private static int ownReplicas(int ofResults) {
    return ofResults < 3 ? -1 : ofResults;
  }

  private static String applicationId(ResultsConfiguration configuration) {
    return configuration.topics().prefix() + ".usage";
  }

  /// A fault that stays is told once, however often it is met.
  private void complain(Throwable fault) {
    var cause = fault;
    while (cause.getCause() != null) {
      cause = cause.getCause();
    }
    if (isClosing()) {
      LOG.debug("The counting of usage ended while it was closed", fault);
    } else if (complaint.of(
        "Usage is not counted, and tried again from time to time; results are written all the same,"
            + " and are counted later: "
            + cause)) {
      LOG.debug("Where it came from", fault);
    }
  }

  private void forgetFault() {
    pause = SHORTEST_PAUSE;
    complaint.end("Usage is counted again");
  }

  private boolean isClosing() {
    return closing.getCount() == 0;
  }

  /// Ends within a few seconds. What is not committed is counted by the next one. Idempotent.
  @Override
  public void close() {
    closing.countDown();
    supervisor.interrupt();
    try {
      supervisor.join(PATIENCE_AT_CLOSE.plusSeconds(1));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /// @param replicas of the results topic
  static Properties streamsProperties(
      ResultsConfiguration configuration, Path stateDirectory, int replicas) {
    var properties = new Properties();
    properties.putAll(configuration.kafka());
    properties.put(StreamsConfig.APPLICATION_ID_CONFIG, applicationId(configuration));
    properties.put(StreamsConfig.STATE_DIR_CONFIG, stateDirectory.toString());
    properties.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    // Kafka clusters before 4.2 do not know "streams"
    properties.put(
        StreamsConfig.GROUP_PROTOCOL_CONFIG, GroupProtocol.CLASSIC.name().toLowerCase(Locale.ROOT));
    // results that came before the first start count as well
    properties.put(
        StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
    // a killed application's successor begins sooner than after the default 45 s
    properties.put(
        StreamsConfig.consumerPrefix(ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG),
        (int) Duration.ofSeconds(6).toMillis());
    properties.put(
        StreamsConfig.consumerPrefix(ConsumerConfig.HEARTBEAT_INTERVAL_MS_CONFIG),
        (int) Duration.ofSeconds(2).toMillis());
    // Nobody waits for a count: results are read in batches, or a busy broker would send each by
    // itself, and read on for the next.
    properties.put(
        StreamsConfig.mainConsumerPrefix(ConsumerConfig.FETCH_MIN_BYTES_CONFIG), 256 << 10);
    properties.put(
        StreamsConfig.mainConsumerPrefix(ConsumerConfig.FETCH_MAX_WAIT_MS_CONFIG),
        (int) Duration.ofMillis(250).toMillis());
    // nothing depends on a record's time, and a negative one would end the thread again and again
    properties.put(
        StreamsConfig.DEFAULT_TIMESTAMP_EXTRACTOR_CLASS_CONFIG, WallclockTimestampExtractor.class);
    // one thread counts thousands of results a second
    properties.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
    properties.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, ownReplicas(replicas));
    if (replicas >= 3) {
      properties.put(
          StreamsConfig.topicPrefix(TopicConfig.MIN_IN_SYNC_REPLICAS_CONFIG), IN_SYNC_OF_THREE);
    }
    // but not where it removes records that are not counted yet
    properties.put(StreamsConfig.topicPrefix(TopicConfig.RETENTION_BYTES_CONFIG), "-1");
    // The records between two commits are one transaction, with one record for each total. Usage
    // passes two such transactions, so it follows its results within a second or so, and budgets
    // too.
    properties.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 500);
    // thousands of totals; more than are changed between two commits
    properties.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 4L << 20);
    properties.put(StreamsConfig.ROCKSDB_CONFIG_SETTER_CLASS_CONFIG, BoundRocksDbMemory.class);
    properties.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");
    // A broker that is not ready for the first batch of a transaction refuses those after it too,
    // each with an error in its log; with one at a time there are none.
    properties.put(
        StreamsConfig.producerPrefix(ProducerConfig.MAX_IN_FLIGHT_REQUESTS_PER_CONNECTION), 1);
    return properties;
  }
}
