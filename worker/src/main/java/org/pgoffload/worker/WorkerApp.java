package org.pgoffload.worker;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.GroupProtocol;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.pgoffload.schema.DatabaseAddress;
import org.pgoffload.worker.llm.LlmProvider;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Executes requests and publishes their results, for as long as it is open.
public final class WorkerApp implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(WorkerApp.class);

  private static final Duration PATIENCE_AT_START = Duration.ofSeconds(30);

  /// In the order in which they were started: closed in reverse.
  private final Deque<AutoCloseable> started;

  private final ConsumeRequests consume;
  private final Thread thread;

  private WorkerApp(Deque<AutoCloseable> started, ConsumeRequests consume, Thread thread) {
    this.started = started;
    this.consume = consume;
    this.thread = thread;
  }

  /// Registers and begins to work in the background.
  ///
  /// @param provider is closed with the worker, also when it cannot begin
  /// @throws WorkerStartException if the database cannot be asked, with what to do
  public static WorkerApp start(WorkerConfiguration configuration, LlmProvider provider) {
    var started = new ArrayDeque<AutoCloseable>();
    started.push(provider);
    try {
      var database = opened(started, pool(configuration));
      var clock = Clock.systemUTC();
      var trust = new Trust(database);
      var unfinished = new UnfinishedRequests();
      var publish =
          opened(started, new PublishResults(configuration.kafka(), configuration.topics()));
      var lease =
          opened(
              started,
              new Lease(
                  database,
                  configuration,
                  provider.name(),
                  provider.defaultModel(),
                  unfinished::running));
      var consume =
          new ConsumeRequests(
              configuration,
              new LlmLane(
                  configuration,
                  new ClaimRequests(database, lease),
                  new AnswerRequest(configuration.name(), provider, clock),
                  publish,
                  new RunRequests(publish, unfinished),
                  unfinished),
              new KafkaConsumer<byte[], byte[]>(kafkaProperties(configuration)),
              new VerifyRequest(trust, clock));
      var thread = Thread.ofPlatform().name("pgoffload-llm-lane").start(consume);
      LOG.info(
          "Worker {} asks {} (model {})",
          configuration.name(),
          provider.name(),
          provider.defaultModel());
      return new WorkerApp(started, consume, thread);
    } catch (SQLException e) {
      closeAll(started);
      throw new WorkerStartException(
          "the worker cannot use " + configuration.database() + ": " + e.getMessage(), e);
    } catch (RuntimeException e) {
      closeAll(started);
      throw e;
    }
  }

  private static <T extends AutoCloseable> T opened(Deque<AutoCloseable> started, T part) {
    started.push(part);
    return part;
  }

  /// Waits until the worker ends, which it does only when it is closed.
  public void awaitEnd() throws InterruptedException {
    thread.join();
  }

  /// Begins nothing more, lets what runs finish within the drain time, leaves the rest to the next
  /// worker, and gives the lease up. Idempotent.
  @Override
  public void close() {
    consume.close();
    try {
      thread.join();
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

  private static HikariDataSource pool(WorkerConfiguration configuration) {
    var pool = new HikariConfig();
    pool.setPoolName("pgoffload-worker");
    pool.setJdbcUrl(configuration.database().jdbcUrl());
    var properties =
        configuration.database().properties("pgoffload worker " + configuration.name());
    // a server that has vanished must not hold the lane for ever; above the server's own timeout
    properties.setProperty("socketTimeout", "15");
    pool.setDataSourceProperties(properties);
    pool.setConnectionInitSql("set statement_timeout = '10s'");
    // claims are made by one thread, the lease is renewed by another, keys are read now and then
    pool.setMaximumPoolSize(4);
    pool.setMinimumIdle(1);
    pool.setConnectionTimeout(Duration.ofSeconds(2).toMillis());
    pool.setValidationTimeout(Duration.ofSeconds(1).toMillis());
    // once it has been there, a database that is away is waited for by whoever needs it
    pool.setInitializationFailTimeout(-1);
    awaitDatabase(configuration, properties);
    return new HikariDataSource(pool);
  }

  /// Started together with its database, a worker waits for it, but not for a login or a database
  /// that is not there.
  private static void awaitDatabase(WorkerConfiguration configuration, Properties properties) {
    var address = configuration.database();
    long deadline = System.nanoTime() + PATIENCE_AT_START.toNanos();
    while (true) {
      try (var _ = DriverManager.getConnection(address.jdbcUrl(), properties)) {
        return;
      } catch (SQLException e) {
        var state = String.valueOf(e.getSQLState());
        if (state.startsWith("28") || state.startsWith("3D") || System.nanoTime() > deadline) {
          throw new WorkerStartException(
              "the worker cannot connect to " + address + ": " + e.getMessage(), e);
        }
      }
      pause(address);
    }
  }

  private static void pause(DatabaseAddress address) {
    try {
      Thread.sleep(200);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new WorkerStartException("interrupted while waiting for " + address, e);
    }
  }

  private static Map<String, Object> kafkaProperties(WorkerConfiguration configuration) {
    var properties = new HashMap<>(configuration.kafka());
    properties.put(ConsumerConfig.KEY_DESERIALIZER_CLASS_CONFIG, ByteArrayDeserializer.class);
    properties.put(ConsumerConfig.VALUE_DESERIALIZER_CLASS_CONFIG, ByteArrayDeserializer.class);
    properties.put(ConsumerConfig.GROUP_ID_CONFIG, configuration.topics().prefix() + ".worker.llm");
    // the new protocol rebalances without stopping anybody
    properties.put(ConsumerConfig.GROUP_PROTOCOL_CONFIG, GroupProtocol.CONSUMER.name());
    // only what is finished is committed
    properties.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, false);
    // a group without offsets begins with what was asked before the first worker came
    properties.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
    // what is polled counts as unfinished, whether it has begun or not
    properties.put(
        ConsumerConfig.MAX_POLL_RECORDS_CONFIG, Math.min(500, configuration.maxInFlight()));
    properties.putIfAbsent(
        ConsumerConfig.CLIENT_ID_CONFIG, "pgoffload-worker-" + configuration.name());
    return properties;
  }
}
