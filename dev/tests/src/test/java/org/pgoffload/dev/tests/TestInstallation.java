package org.pgoffload.dev.tests;

import java.nio.file.Path;
import java.util.Map;
import java.util.ServiceLoader;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.protocol.TopicNames;

/// A whole installation for tests: a PostgreSQL and a Kafka, whatever they run on, with every part
/// in this JVM. On the embedded servers, unless the build was told `-Pcontainers`.
interface TestInstallation extends AutoCloseable {
  /// Gives installations on other servers than the embedded ones; at most one is on the class path.
  interface Servers {
    /// Skips the test, with the reason, where there are no such servers.
    TestInstallation start(Path directory, Map<String, String> environment)
        throws InterruptedException;
  }

  /// Starts one and returns once every part answers.
  ///
  /// @param directory for what it writes; removed when it is closed
  /// @param environment of the parts, besides where PostgreSQL and Kafka are
  static TestInstallation start(Path directory, Map<String, String> environment)
      throws InterruptedException {
    Servers servers =
        ServiceLoader.load(Servers.class).findFirst().orElse(OnEmbeddedServers::start);
    return servers.start(directory, environment);
  }

  /// A superuser's address.
  DatabaseAddress admin();

  /// The address of the role `app`, which may ask and launch.
  DatabaseAddress application();

  String kafkaBootstrap();

  TopicNames topics();

  /// The environment with which other processes join.
  Map<String, String> joiningEnvironment();

  /// Whether the worker logs in for background SQL with a certificate.
  boolean hasCertificates();

  /// Where measures and health are served.
  int managementPort();

  @Override
  void close();
}
