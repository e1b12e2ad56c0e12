package org.pgoffload.dev.tests;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ScramCredentialInfo;
import org.apache.kafka.clients.admin.ScramMechanism;
import org.apache.kafka.clients.admin.UserScramCredentialUpsertion;
import org.apache.kafka.common.acl.AclBinding;
import org.pgoffload.dev.servers.PostgresOptions;
import org.pgoffload.dev.servers.PostgresServer;
import org.pgoffload.dev.servers.WorkerLogin;
import org.pgoffload.dev.servers.kafka.BrokerInJvm;
import org.pgoffload.dev.servers.kafka.BrokerOptions;
import org.pgoffload.operations.KafkaRights;
import org.pgoffload.operations.KafkaRights.Part;
import org.pgoffload.operations.credentials.Certificates;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.protocol.Secret;
import org.pgoffload.protocol.TopicNames;

/// A PostgreSQL that takes the parts' logins with TLS alone, and a broker that takes clients with
/// TLS and SCRAM-SHA-512 alone and denies whatever is not allowed. Both have certificates for
/// 127.0.0.1, and can be reached as 127.0.0.3 as well, which is not in them.
final class SecuredServers implements AutoCloseable {
  static final TopicNames TOPICS = new TopicNames("secured");

  private final Path directory;
  private final Certificates certificates;
  private final PostgresServer postgres;
  private final BrokerInJvm broker;
  private final int clientsPort = freePort();
  private final WorkerLogin workerLogin;

  SecuredServers(Path directory) {
    this.directory = directory;
    this.certificates = Certificates.in(directory.resolve("certificates"));
    this.workerLogin = WorkerLogin.with(certificates.directory());
    this.postgres =
        PostgresServer.start(
            workerLogin.allowedBy(
                PostgresOptions.temporary("superuser")
                    .withAuthentication(
                        List.of(
                            "hostnossl all pgoffload_producer,pgoffload_worker,pgoffload_results,app 0.0.0.0/0 reject"),
                        List.of())
                    .withSettings(Map.of("listen_addresses", "127.0.0.1,127.0.0.2,127.0.0.3"))));
    this.broker = BrokerInJvm.start(brokerOptions());
  }

  private BrokerOptions brokerOptions() {
    var options = BrokerOptions.temporary().withPorts(freePort(), freePort());
    var settings = new HashMap<String, String>();
    settings.put(
        "listeners",
        "BROKER://127.0.0.1:%d,CLIENTS://0.0.0.0:%d,CONTROLLER://127.0.0.1:%d"
            .formatted(options.port(), clientsPort, options.controllerPort()));
    settings.put(
        "advertised.listeners",
        "BROKER://127.0.0.1:%d,CLIENTS://127.0.0.1:%d".formatted(options.port(), clientsPort));
    settings.put(
        "listener.security.protocol.map", "BROKER:PLAINTEXT,CLIENTS:SASL_SSL,CONTROLLER:PLAINTEXT");
    settings.put(
        "authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer");
    // who comes by the broker's own listeners; those of CLIENTS have names
    settings.put("super.users", "User:ANONYMOUS");
    settings.put("listener.name.clients.sasl.enabled.mechanisms", "SCRAM-SHA-512");
    settings.put(
        "listener.name.clients.scram-sha-512.sasl.jaas.config",
        "org.apache.kafka.common.security.scram.ScramLoginModule required;");
    settings.put("listener.name.clients.ssl.keystore.type", "PEM");
    settings.put(
        "listener.name.clients.ssl.keystore.certificate.chain",
        content(certificates.serverCertificate()));
    settings.put("listener.name.clients.ssl.keystore.key", content(certificates.serverKey()));
    return options.withSettings(settings);
  }

  private static String content(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static int freePort() {
    try (var socket = new ServerSocket(0)) {
      return socket.getLocalPort();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static String principal(Part part) {
    return "User:" + user(part);
  }

  private static String user(Part part) {
    return "pgoffload-" + part.text();
  }

  /// Who may do everything in Kafka.
  Admin admin() {
    return Admin.create(Map.of("bootstrap.servers", broker.bootstrapServers()));
  }

  /// Where [#admin()] connects to.
  String bootstrapServersOfAdmin() {
    return broker.bootstrapServers();
  }

  /// Makes a user of each part, with exactly its rights.
  void admitParts() throws ExecutionException, InterruptedException {
    try (var admin = admin()) {
      for (var part : Part.values()) {
        admin
            .alterUserScramCredentials(
                List.of(
                    new UserScramCredentialUpsertion(
                        user(part),
                        new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096),
                        password(part))))
            .all()
            .get();
        admin.createAcls(bindings(part)).all().get();
      }
    }
  }

  static List<AclBinding> bindings(Part part) {
    return KafkaRights.of(part, TOPICS).stream()
        .flatMap(right -> right.bindings(principal(part)).stream())
        .toList();
  }

  private static String password(Part part) {
    return "kafka-secret-of-" + part.text();
  }

  /// The superuser's, as the owner of everything.
  DatabaseAddress owner() {
    return new DatabaseAddress(
        "127.0.0.1", postgres.port(), "postgres", "postgres", Secret.of("superuser"), tls());
  }

  Map<String, String> tls() {
    return Map.of("sslmode", "verify-full", "sslrootcert", certificates.authority().toString());
  }

  Connection ownersConnection() throws SQLException {
    return owner().connect("test");
  }

  /// Of a part's process: its own login in both, by secrets in files.
  Map<String, String> environment(Part part) {
    return environment(part, "127.0.0.1", certificates);
  }

  /// The same, by another name or with another authority.
  Map<String, String> environment(Part part, String host, Certificates trusted) {
    var environment = new HashMap<String, String>();
    environment.put("KAFKA_BOOTSTRAP_SERVERS", host + ":" + clientsPort);
    environment.put("KAFKA_SECURITY_PROTOCOL", "SASL_SSL");
    environment.put("KAFKA_SASL_MECHANISM", "SCRAM-SHA-512");
    environment.put("KAFKA_SSL_TRUSTSTORE_TYPE", "PEM");
    environment.put("KAFKA_SSL_TRUSTSTORE_LOCATION", trusted.authority().toString());
    environment.put(
        "KAFKA_SASL_JAAS_CONFIG_FILE",
        file(
            part.text() + ".jaas",
            "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"%s\" password=\"%s\";"
                .formatted(user(part), password(part))));
    var address =
        new DatabaseAddress(
            host,
            postgres.port(),
            "postgres",
            switch (part) {
              case INSTALL, MAINTAIN, UNINSTALL, DEAD_LETTERS -> "postgres";
              case PRODUCER, CONNECTOR -> "pgoffload_producer";
              case WORKER -> "pgoffload_worker";
              case RESULTS -> "pgoffload_results";
              case DOWNSTREAM -> "nobody";
            },
            Secret.of(databasePassword(part)),
            Map.of("sslmode", "verify-full", "sslrootcert", trusted.authority().toString()));
    environment.put(
        "DATABASE_URL_FILE",
        file(
            part.text() + "-" + host + "-" + trusted.authority().hashCode() + ".url",
            address.uri()));
    environment.put("PGOFFLOAD_TOPIC_PREFIX", TOPICS.prefix());
    environment.put(
        "PGOFFLOAD_STATE_DIR", directory.resolve("state-" + host.hashCode()).toString());
    environment.put("LLM_PROVIDER", "echo");
    var tasks = new HashMap<>(workerLogin.parameters());
    tasks.put("sslrootcert", trusted.authority().toString());
    environment.put(
        "PGOFFLOAD_SQL_DATABASE_URL",
        new org.pgoffload.platform.TaskDatabase(
                workerLogin.host(), postgres.port(), "postgres", tasks)
            .uri());
    return environment;
  }

  static String databasePassword(Part part) {
    return switch (part) {
      case INSTALL, MAINTAIN, UNINSTALL, DEAD_LETTERS -> "superuser";
      case CONNECTOR -> databasePassword(Part.PRODUCER);
      case PRODUCER, WORKER, RESULTS, DOWNSTREAM -> "database-secret-of-" + part.text();
    };
  }

  private String file(String name, String content) {
    try {
      var file = directory.resolve(name);
      Files.writeString(file, content);
      return file.toString();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public void close() {
    broker.close();
    postgres.close();
  }
}
