package org.pgoffload.dev.benchmarks;

import io.debezium.embedded.Connect;
import io.debezium.engine.ChangeEvent;
import io.debezium.engine.DebeziumEngine;
import java.io.IOException;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.connect.source.SourceRecord;
import org.jspecify.annotations.Nullable;
import org.pgoffload.dev.benchmarks.report.BenchmarkException;

/// The hops of a request with nothing of ours between them: messages in the write-ahead log, stock
/// Debezium, a topic, another topic, and one INSERT for each poll. It checks, signs and claims
/// nothing, survives nothing, and has one thread for each hop.
///
/// Not safe to share between threads.
final class BarePipeline implements AutoCloseable {
  private static final String NAME = "pgoffload_benchmark";
  private static final String PIPED = NAME + ".piped";

  /// As long as a signed request.
  private static final int BYTES = 600;

  private static final Duration POLL = Duration.ofMillis(100);
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  private final BenchmarkTarget target;
  private final List<String> topics;
  private final List<Thread> threads = new ArrayList<>();
  private @Nullable DebeziumEngine<?> engine;
  private volatile boolean closing;

  private BarePipeline(BenchmarkTarget target) {
    this.target = target;
    this.topics =
        List.of(
            target.topics().prefix() + ".benchmark-first",
            target.topics().prefix() + ".benchmark-second");
  }

  /// Makes a slot, two topics and a table, and captures.
  ///
  /// @throws BenchmarkException if it does not capture within a minute
  static BarePipeline open(BenchmarkTarget target) throws SQLException, InterruptedException {
    var pipeline = new BarePipeline(target);
    try {
      pipeline.start();
      return pipeline;
    } catch (SQLException | InterruptedException | RuntimeException e) {
      pipeline.close();
      throw e;
    }
  }

  /// Emits so many messages in one statement, and waits until each is inserted. The table is empty
  /// before.
  ///
  /// @return what it took, from the statement's commit on
  Spent pipe(int messages) throws SQLException, InterruptedException {
    try (var admin = target.admin().connect("pgoffload bench");
        var statement = admin.createStatement()) {
      statement.execute("truncate " + PIPED);
      OldRequests.number(
          admin,
          "select count(pg_logical_emit_message(true, '"
              + NAME
              + "', repeat('x', "
              + BYTES
              + "))) from generate_series(1, "
              + messages
              + ")");
      return Spent.on(target, () -> awaitInserted(admin, messages));
    }
  }

  private static void awaitInserted(Connection admin, int messages)
      throws SQLException, InterruptedException {
    long deadline = System.nanoTime() + PATIENCE.toNanos();
    while (OldRequests.number(admin, "select count(*) from " + PIPED) < messages) {
      if (System.nanoTime() - deadline > 0) {
        throw new BenchmarkException(
            "the bare pipeline did not end within " + PATIENCE.toSeconds() + " s");
      }
      Thread.sleep(20);
    }
  }

  private void start() throws SQLException, InterruptedException {
    try (var admin = target.admin().connect("pgoffload bench");
        var statement = admin.createStatement()) {
      statement.execute("create table " + PIPED + " (payload text)");
      statement.execute("create publication " + NAME);
      statement.execute("select pg_create_logical_replication_slot('" + NAME + "', 'pgoutput')");
    }
    try (var admin = Admin.create(target.kafka())) {
      admin
          .createTopics(
              topics.stream()
                  .map(topic -> new NewTopic(topic, Optional.of(1), Optional.empty()))
                  .toList())
          .all()
          .get();
    } catch (ExecutionException e) {
      throw new BenchmarkException("the topics of the bare pipeline could not be created", e);
    }
    var capturing = new CountDownLatch(1);
    capture(capturing);
    forward();
    insert();
    if (!capturing.await(PATIENCE.toSeconds(), TimeUnit.SECONDS)) {
      throw new BenchmarkException("the bare pipeline does not capture");
    }
  }

  private void capture(CountDownLatch capturing) {
    var producer = producer();
    var topic = topics.getFirst();
    var capture =
        DebeziumEngine.create(Connect.class)
            .using(properties())
            .using(
                new DebeziumEngine.ConnectorCallback() {
                  @Override
                  public void pollingStarted() {
                    capturing.countDown();
                  }
                })
            .notifying(
                (List<ChangeEvent<SourceRecord, SourceRecord>> events,
                    DebeziumEngine.RecordCommitter<ChangeEvent<SourceRecord, SourceRecord>>
                        committer) -> {
                  for (var event : events) {
                    // its failure shows as a message that never comes
                    var _ = producer.send(new ProducerRecord<>(topic, new byte[BYTES]));
                    committer.markProcessed(event);
                  }
                  committer.markBatchFinished();
                })
            .build();
    engine = capture;
    begin(
        "capture",
        () -> {
          try (producer) {
            capture.run();
          }
        });
  }

  private Properties properties() {
    var admin = target.admin();
    var p = new Properties();
    p.put("name", NAME);
    p.put("connector.class", "io.debezium.connector.postgresql.PostgresConnector");
    p.put("offset.storage", "org.apache.kafka.connect.storage.MemoryOffsetBackingStore");
    p.put("topic.prefix", NAME);
    p.put("database.hostname", admin.host());
    p.put("database.port", Integer.toString(admin.port()));
    p.put("database.dbname", admin.database());
    p.put("database.user", admin.user());
    var password = admin.password();
    if (password != null) {
      p.put("database.password", password.reveal());
    }
    p.put("plugin.name", "pgoutput");
    p.put("slot.name", NAME);
    p.put("publication.name", NAME);
    p.put("publication.autocreate.mode", "disabled");
    p.put("message.prefix.include.list", NAME);
    p.put("table.include.list", NAME + "\\.none");
    p.put("snapshot.mode", "no_data");
    p.put("poll.interval.ms", "1");
    return p;
  }

  private void forward() {
    begin(
        "forward",
        () -> {
          try (var consumer = consumer(topics.getFirst());
              var producer = producer()) {
            while (!closing) {
              for (var record : consumer.poll(POLL)) {
                var _ = producer.send(new ProducerRecord<>(topics.getLast(), record.value()));
              }
            }
          }
        });
  }

  private void insert() {
    begin(
        "insert",
        () -> {
          var payload = "x".repeat(BYTES);
          try (var consumer = consumer(topics.getLast());
              var connection = target.admin().connect("pgoffload bench");
              var statement =
                  connection.prepareStatement(
                      "insert into " + PIPED + " (payload) select unnest(?::text[])")) {
            while (!closing) {
              var payloads = new ArrayList<String>();
              consumer.poll(POLL).forEach(record -> payloads.add(payload));
              if (!payloads.isEmpty()) {
                statement.setArray(1, connection.createArrayOf("text", payloads.toArray()));
                statement.executeUpdate();
              }
            }
          } catch (SQLException e) {
            throw new BenchmarkException("the bare pipeline cannot insert: " + e.getMessage(), e);
          }
        });
  }

  private KafkaProducer<byte[], byte[]> producer() {
    return new KafkaProducer<>(KafkaHop.producerProperties(target.kafka()));
  }

  private KafkaConsumer<byte[], byte[]> consumer(String topic) {
    var consumer = target.consumer();
    consumer.assign(List.of(new TopicPartition(topic, 0)));
    consumer.seekToBeginning(consumer.assignment());
    return consumer;
  }

  private void begin(String name, Runnable work) {
    threads.add(Thread.ofPlatform().name("bench-bare-" + name).start(work));
  }

  /// Removes the slot and the topics. The table goes with its schema.
  @Override
  public void close() throws SQLException {
    closing = true;
    try {
      if (engine != null) {
        engine.close();
      }
      for (var thread : threads) {
        thread.join(PATIENCE);
      }
    } catch (IOException e) {
      throw new BenchmarkException("the bare pipeline cannot be ended", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    try (var admin = target.admin().connect("pgoffload bench");
        var statement = admin.createStatement()) {
      statement.execute(
          "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = '"
              + NAME
              + "'");
      statement.execute("drop publication if exists " + NAME);
    }
    try (var admin = Admin.create(target.kafka())) {
      admin.deleteTopics(topics);
    }
  }
}
