package org.pgoffload.dev.servers.kafka;

import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;
import kafka.server.KafkaConfig;
import kafka.server.KafkaRaftServer;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.metadata.storage.Formatter;
import org.apache.kafka.server.common.MetadataVersion;
import org.pgoffload.dev.servers.Directories;

/// Kafka's server in this JVM, with its storage prepared. A fatal fault in it halts the JVM.
final class BrokerServer {

  private final KafkaRaftServer server;

  private BrokerServer(KafkaRaftServer server) {
    this.server = server;
  }

  /// Formats the storage if it is new, and starts; returns once the broker takes requests.
  static BrokerServer start(Properties settings) {
    format(
        Path.of(settings.getProperty("log.dirs")),
        Integer.parseInt(settings.getProperty("node.id")),
        settings.getProperty(BrokerSettings.CLUSTER_ID));
    var server = new KafkaRaftServer(new KafkaConfig(settings, false), Time.SYSTEM);
    var started = false;
    try {
      server.startup();
      started = true;
      return new BrokerServer(server);
    } finally { // not catch: Kafka is Scala, which declares no exceptions
      if (!started) {
        server.shutdown();
      }
    }
  }

  /// The file that names the cluster is the last one to be written: what was interrupted is
  /// formatted again.
  private static void format(Path directory, int nodeId, String clusterId) {
    if (Files.exists(directory.resolve("meta.properties"))) {
      return;
    }
    try (var silence = new PrintStream(OutputStream.nullOutputStream())) {
      new Formatter()
          .setPrintStream(silence)
          .setClusterId(clusterId)
          .setNodeId(nodeId)
          .setControllerListenerName(BrokerSettings.CONTROLLER_LISTENER)
          .setReleaseVersion(MetadataVersion.latestProduction())
          .addDirectory(directory.toString())
          .setMetadataLogDirectory(directory.toString())
          .run();
    } catch (Exception e) { // declared by Kafka as no more than this
      throw Directories.unusable(
          directory, "cannot be formatted", new IOException(e.getMessage(), e));
    }
  }

  /// Ends the server in an orderly way, which the next start needs no recovery after.
  void stop() {
    server.shutdown();
    server.awaitShutdown();
  }
}
