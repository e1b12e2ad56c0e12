package org.pgoffload.dev.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.pgoffload.dev.tests.OnSharedInstallation.PATIENCE;
import static org.pgoffload.dev.tests.Sql.execute;

import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.pgoffload.dev.launcher.LocalInstallation;
import org.pgoffload.dev.launcher.LocalOptions;
import org.pgoffload.dev.launcher.Part;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.platform.Settings;
import org.pgoffload.protocol.TopicNames;

/// One more database on the servers of the shared installation, with a replication slot and topics
/// of its own name. Its slot and the database are removed on close; the parts must have ended.
///
/// @param name of the slot, and the topics' prefix
record OwnDatabase(TestInstallation servers, String database, String name)
    implements AutoCloseable {
  static OwnDatabase create(TestInstallation servers, String database, String name)
      throws SQLException {
    try (var admin = servers.admin().connect("test")) {
      execute(admin, "create database \"" + database + "\"");
    }
    return new OwnDatabase(servers, database, name);
  }

  DatabaseAddress admin() {
    return servers.admin().in(database);
  }

  DatabaseAddress application() {
    return servers.application().in(database);
  }

  TopicNames topics() {
    return new TopicNames(name);
  }

  /// Of its parts, but for the provider.
  Map<String, String> environment() {
    var environment = new TreeMap<>(servers.joiningEnvironment());
    environment.put("PGOFFLOAD_TOPIC_PREFIX", name);
    environment.put("PGOFFLOAD_SLOT", name);
    environment.put("DATABASE_URL", admin().uri());
    for (var part : List.of("PRODUCER", "WORKER", "RESULTS")) {
      environment.computeIfPresent(
          "PGOFFLOAD_" + part + "_DATABASE_URL",
          (_, url) -> DatabaseAddress.parse(url).in(database).uri());
    }
    var inUrl = URLEncoder.encode(database, StandardCharsets.UTF_8).replace("+", "%20");
    environment.computeIfPresent(
        Settings.TASK_DATABASE, (_, url) -> url.replace("/app?", "/" + inUrl + "?"));
    return environment;
  }

  LocalInstallation start(Path directory, EnumSet<Part> parts, Map<String, String> environment)
      throws InterruptedException {
    return LocalInstallation.start(
        new LocalOptions(directory, true, 0, 0, parts, environment), _ -> {});
  }

  /// A command with the options that say where everything is.
  Command.Outcome run(DatabaseAddress as, String... command) {
    var all = new ArrayList<>(List.of(command));
    all.addAll(List.of("--database-url", as.uri(), "--kafka", servers.kafkaBootstrap()));
    all.addAll(List.of("--topic-prefix", name, "--slot", name));
    return Command.run(all.toArray(String[]::new));
  }

  /// What a command of the administrator says that does what it is told to.
  String ran(String... command) {
    var ran = run(admin(), command);
    assertThat(ran.errors() + ran.output()).satisfies(_ -> assertThat(ran.status()).isZero());
    return ran.output();
  }

  /// The walsender may go on for a moment after its producer.
  @Override
  public void close() throws SQLException {
    try (var admin = servers.admin().connect("test")) {
      await()
          .atMost(PATIENCE)
          .ignoreExceptionsInstanceOf(SQLException.class)
          .untilAsserted(() -> execute(admin, "select pg_drop_replication_slot('" + name + "')"));
      execute(admin, "drop database \"" + database + "\" with (force)");
    }
  }
}
