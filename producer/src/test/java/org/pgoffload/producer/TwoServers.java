package org.pgoffload.producer;

import java.io.IOException;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.awaitility.Awaitility;
import org.pgoffload.dev.servers.PostgresOptions;
import org.pgoffload.dev.servers.PostgresServer;
import org.pgoffload.dev.servers.PostgresStandby;
import org.pgoffload.dev.servers.kafka.TestBroker;
import org.pgoffload.operations.Install;
import org.pgoffload.operations.MaintenanceConfiguration;
import org.pgoffload.operations.RecordPrimary;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.platform.DatabaseServer;
import org.pgoffload.platform.primary.ControlState;
import org.pgoffload.platform.primary.FollowPrimary;
import org.pgoffload.protocol.TopicNames;
import org.pgoffload.telemetry.Telemetry;

/// An installation on a PostgreSQL of its own, of which a test makes standbys and copies.
final class TwoServers implements AutoCloseable {
  static final String SLOT = "pgoffload";
  private static final AtomicInteger NEXT_PREFIX = new AtomicInteger();
  private static final List<String> TRUST =
      List.of("host all all 127.0.0.1/32 trust", "host replication all 127.0.0.1/32 trust");

  final TopicNames topics = new TopicNames("failover" + NEXT_PREFIX.incrementAndGet());
  final TestBroker broker;
  private final List<AutoCloseable> opened = new ArrayList<>();
  private PostgresServer primary;

  TwoServers(TestBroker broker) throws SQLException {
    this.broker = broker;
    primary = open(PostgresServer.start(options()));
    execute(primary, "postgres", "create database app");
    install(primary, topics).run(line -> {});
    execute(primary, "app", "alter role pgoffload_producer login");
    execute(primary, "app", "alter role pgoffload_worker login");
    insert(primary);
  }

  private static PostgresOptions options() {
    return PostgresOptions.temporary("secret").withAuthentication(TRUST, List.of());
  }

  <T extends AutoCloseable> T open(T part) {
    opened.addFirst(part);
    return part;
  }

  Install install(PostgresServer server, TopicNames names) {
    return install(owner(server), names);
  }

  Install install(DatabaseAddress database, TopicNames names) {
    return new Install(
        database,
        "public",
        null,
        SLOT,
        Duration.ofSeconds(20),
        Map.of(),
        new Install.Topics(broker.address(), names, 2, (short) 1));
  }

  PostgresServer primary() {
    return primary;
  }

  PostgresServer standby(String name) {
    return open(PostgresStandby.of(primary, name).copy(primary, options()));
  }

  /// The same files on another server, which goes on by itself.
  PostgresServer copy() throws IOException, InterruptedException {
    primary.stopImmediately();
    var options = options();
    var from = primary.dataDirectory();
    var copying =
        new ProcessBuilder(
                "cp", "-a", from.toString(), options.directory().resolve("cluster").toString())
            .inheritIO()
            .start();
    if (copying.waitFor() != 0) {
      throw new IOException("the data were not copied");
    }
    startPrimaryAgain();
    return open(PostgresServer.start(options));
  }

  void startPrimaryAgain() {
    primary = open(PostgresServer.start(primary.options()));
  }

  DatabaseAddress owner(PostgresServer server) {
    return address("postgres", server);
  }

  static DatabaseAddress address(String user, PostgresServer... servers) {
    return new DatabaseAddress(
        Stream.of(servers).map(server -> new DatabaseServer(server.host(), server.port())).toList(),
        "app",
        user,
        null,
        Map.of());
  }

  FollowPrimary part(String name, PostgresServer... servers) {
    return open(
        FollowPrimary.start(address("pgoffload_worker", servers), broker.address(), topics, name));
  }

  ProducerApp producer(PostgresServer... servers) {
    return open(
        ProducerApp.start(
            new ProducerConfiguration(
                address("pgoffload_producer", servers),
                SLOT,
                topics,
                broker.address(),
                ProducerConfiguration.DEFAULT_PAUSE),
            Telemetry.none()));
  }

  MaintenanceConfiguration maintenance(PostgresServer... servers) {
    return new MaintenanceConfiguration(
        address("postgres", servers), topics, broker.address(), Duration.ofMinutes(1));
  }

  /// The server to which a command may write.
  DatabaseAddress own(PostgresServer... servers) {
    return RecordPrimary.own(address("postgres", servers), broker.address(), topics);
  }

  ControlState control() {
    return RecordPrimary.read(broker.address(), topics);
  }

  int recordedTimeline() {
    var recorded = control().primary();
    return recorded == null ? 0 : recorded.server().timeline();
  }

  /// Captures until the standbys have everything, and the slot as well, which has to move for that.
  void synchronise(PostgresServer... standbys) {
    try (var _ = producer(primary)) {
      for (var standby : standbys) {
        awaitFollowing(standby);
      }
    }
  }

  /// Waits until a standby has the row and the slot.
  void awaitFollowing(PostgresServer standby) {
    Awaitility.await()
        .atMost(Duration.ofSeconds(60))
        .until(() ->
            PostgresStandby.hasReplayed(standby, primary)
                && query(
                        standby,
                        "select count(*) from pg_replication_slots"
                            + " where slot_name = 'pgoffload' and synced and not temporary")
                    .equals("1"));
  }

  static long insert(PostgresServer server) throws SQLException {
    return Long.parseLong(
        String.valueOf(
            query(server, "insert into llm_request (prompt) values ('p') returning id")));
  }

  static String query(PostgresServer server, String sql) throws SQLException {
    try (var session = session(server, "app");
        var statement = session.createStatement();
        var row = statement.executeQuery(sql)) {
      row.next();
      return String.valueOf(row.getString(1));
    }
  }

  static void execute(PostgresServer server, String sql) throws SQLException {
    execute(server, "app", sql);
  }

  private static void execute(PostgresServer server, String database, String sql)
      throws SQLException {
    try (var session = session(server, database);
        var statement = session.createStatement()) {
      statement.execute(sql);
    }
  }

  private static Connection session(PostgresServer server, String database) throws SQLException {
    return DriverManager.getConnection(server.jdbcUrl(database, "postgres", "secret"));
  }

  @Override
  public void close() {
    for (var each : opened) {
      try {
        each.close();
      } catch (Exception e) {
        throw new IllegalStateException(e);
      }
    }
  }
}
