package org.pgoffload.worker.sql;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.BooleanSupplier;

/// A way to a server that, as some firewalls do, never says that the server has closed a
/// connection.
final class DeafProxy implements AutoCloseable {
  private final ServerSocket listening;
  private final int server;
  private final Queue<Socket> open = new ConcurrentLinkedQueue<>();
  private volatile int accepted;
  private volatile int forgotten;

  DeafProxy(int server) throws IOException {
    this.server = server;
    this.listening = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    Thread.ofVirtual().start(this::accept);
  }

  int port() {
    return listening.getLocalPort();
  }

  /// From now on nothing comes back on the connections that there are.
  void forgetThem() {
    forgotten = accepted;
  }

  private void accept() {
    try {
      while (true) {
        var client = listening.accept();
        var there = new Socket(InetAddress.getLoopbackAddress(), server);
        open.add(client);
        open.add(there);
        int number = accepted;
        accepted = number + 1; // by this thread alone
        Thread.ofVirtual().start(() -> pass(client, there, () -> true));
        Thread.ofVirtual().start(() -> pass(there, client, () -> number >= forgotten));
      }
    } catch (IOException e) {
      // closed
    }
  }

  private static void pass(Socket from, Socket to, BooleanSupplier isKnown) {
    var bytes = new byte[8192];
    try {
      int count = from.getInputStream().read(bytes);
      while (count >= 0) {
        if (isKnown.getAsBoolean()) {
          to.getOutputStream().write(bytes, 0, count);
        }
        count = from.getInputStream().read(bytes);
      }
      if (isKnown.getAsBoolean()) {
        to.close();
      }
    } catch (IOException e) {
      // whoever waits for it is not told
    }
  }

  @Override
  public void close() {
    try {
      listening.close();
      for (var socket : open) {
        socket.close();
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
