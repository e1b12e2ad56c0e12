package org.pgoffload.producer;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Map;

/// A way to Kafka on which connections are made at once, and answered later.
final class SlowKafka implements AutoCloseable {
  private final ServerSocket listening;
  private final String[] broker;

  SlowKafka(Map<String, Object> broker) throws IOException {
    this.broker = String.valueOf(broker.get("bootstrap.servers")).split(":", 2);
    this.listening = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
  }

  Map<String, Object> address() {
    return Map.of("bootstrap.servers", "127.0.0.1:" + listening.getLocalPort());
  }

  /// From now on what was sent is answered.
  void answer() {
    Thread.ofVirtual().start(this::accept);
  }

  private void accept() {
    try {
      while (true) {
        var client = listening.accept();
        var there = new Socket(broker[0], Integer.parseInt(broker[1]));
        Thread.ofVirtual().start(() -> pass(client, there));
        Thread.ofVirtual().start(() -> pass(there, client));
      }
    } catch (IOException e) {
      // closed
    }
  }

  private static void pass(Socket from, Socket to) {
    try (to) {
      from.getInputStream().transferTo(to.getOutputStream());
    } catch (IOException e) {
      // closed
    }
  }

  @Override
  public void close() throws IOException {
    listening.close();
  }
}
