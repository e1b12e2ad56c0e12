package org.pgoffload.dev.servers.kafka;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.clients.admin.Admin;
import org.pgoffload.dev.servers.Processes;

/// Asks whether a broker can be used: its port is open and an administrator finds it in the
/// cluster.
final class BrokerReadiness {

  private BrokerReadiness() {}

  /// Waits for it while the process runs; false if the process ended or the time passed.
  static boolean await(BrokerOptions options, Process process, long deadline) {
    // The port first: Kafka's client would log each of its failures.
    while (!isOpen(options.port())) {
      if (System.nanoTime() - deadline > 0 || Processes.awaitExit(process, Duration.ofMillis(20))) {
        return false;
      }
    }
    Map<String, Object> configuration =
        Map.of(
            "bootstrap.servers",
            "127.0.0.1:" + options.port(),
            // The broker may not know itself yet; the loop asks again.
            "request.timeout.ms",
            2_000,
            "default.api.timeout.ms",
            2_000,
            // the metrics of this client have no subscriber
            "enable.metrics.push",
            false);
    try (var admin = Admin.create(configuration)) {
      while (process.isAlive() && System.nanoTime() - deadline < 0) {
        if (isDescribed(admin, options.place().nodeId())) {
          return true;
        }
        Processes.awaitExit(process, Duration.ofMillis(20));
      }
    }
    return false;
  }

  private static boolean isDescribed(Admin admin, int nodeId) {
    try {
      return admin.describeCluster().nodes().get(3, TimeUnit.SECONDS).stream()
          .anyMatch(node -> node.id() == nodeId);
    } catch (ExecutionException | TimeoutException e) {
      return false;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }

  private static boolean isOpen(int port) {
    try (var socket = new Socket()) {
      socket.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 200);
      return true;
    } catch (IOException e) {
      return false;
    }
  }
}
