package org.pgoffload.dev.faults.installation;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/// A network between two parts: a TCP proxy on 127.0.0.1 that can be cut, slowed down or fall
/// silent. Safe for any number of connections and threads.
public final class Link implements AutoCloseable {
  /// The state of a link.
  public enum State {
    /// They arrive.
    PASSING,
    /// Connections are reset, new ones as well.
    CUT,
    /// Each packet arrives late.
    SLOW,
    /// Nothing arrives, without an error; bytes on their way arrive when this ends.
    SILENT,
    /// As if the server's machine had vanished: it knows the connections no more, the clients hear
    /// nothing, and only who sends after this has ended is told by a reset.
    HALF_OPEN
  }

  private static final Duration LATE = Duration.ofMillis(150);
  private static final Duration PAUSE = Duration.ofMillis(10);

  private final String name;
  private final ServerSocket listener;
  private final InetSocketAddress server;
  private final @Nullable InetAddress from;
  private final Set<Wire> wires = ConcurrentHashMap.newKeySet();
  private volatile State state = State.PASSING;
  private volatile boolean closed;

  /// @param name for people, such as `worker and PostgreSQL`
  /// @param port on which the server listens
  /// @param from the address from which the server sees connections come, or null for any
  Link(String name, int port, @Nullable String from) {
    try {
      this.name = name;
      this.listener = new ServerSocket(0, 512, InetAddress.ofLiteral("127.0.0.1"));
      this.server = new InetSocketAddress(InetAddress.ofLiteral("127.0.0.1"), port);
      this.from = from == null ? null : InetAddress.ofLiteral(from);
    } catch (IOException e) {
      throw new UncheckedIOException("no proxy can be opened", e);
    }
    Thread.ofVirtual().name("link-" + name).start(this::accept);
  }

  String name() {
    return name;
  }

  int port() {
    return listener.getLocalPort();
  }

  public void become(State next) {
    state = next;
    switch (next) {
      case CUT -> wires.forEach(Wire::reset);
      case HALF_OPEN -> wires.forEach(Wire::forget);
      case PASSING, SLOW, SILENT -> {}
    }
  }

  private void accept() {
    while (!closed) {
      try {
        var client = listener.accept();
        Thread.ofVirtual().name("link-" + name).start(() -> connect(client));
      } catch (IOException e) {
        if (!closed) {
          throw new UncheckedIOException("a proxy accepts nothing more", e);
        }
      }
    }
  }

  private void connect(Socket client) {
    var wire = new Wire(client);
    wires.add(wire);
    try {
      awaitNetwork(wire);
      if (state == State.CUT || wire.forgotten) {
        wire.reset();
        return;
      }
      var connected = new Socket();
      wire.server = connected;
      if (from != null) {
        connected.bind(new InetSocketAddress(from, 0));
      }
      connected.connect(server, 5_000);
      client.setTcpNoDelay(true);
      connected.setTcpNoDelay(true);
      Thread.ofVirtual().name("link-" + name).start(() -> carry(wire, connected, client, false));
      carry(wire, client, connected, true);
    } catch (IOException e) {
      wire.reset(); // as if nobody listened
    }
  }

  /// Carries what one side says until either has ended.
  private void carry(Wire wire, Socket from, Socket to, boolean fromClient) {
    var buffer = new byte[64 * 1024];
    try {
      while (true) {
        int count = from.getInputStream().read(buffer);
        awaitNetwork(wire);
        if (wire.forgotten) {
          if (fromClient && count >= 0) {
            wire.reset();
          }
          return;
        }
        if (count < 0) {
          to.shutdownOutput();
          return;
        }
        if (state == State.SLOW) {
          Await.pause(LATE);
        }
        to.getOutputStream().write(buffer, 0, count);
      }
    } catch (IOException e) {
      if (!wire.forgotten || fromClient) {
        wire.reset(); // the client of a forgotten one has given up
      }
    } finally {
      wire.oneSideEnded();
    }
  }

  private void awaitNetwork(Wire wire) {
    while ((state == State.SILENT || state == State.HALF_OPEN) && !closed && !wire.isOver()) {
      Await.pause(PAUSE);
    }
  }

  @Override
  public void close() {
    closed = true;
    try {
      listener.close();
    } catch (IOException e) {
      throw new UncheckedIOException("a proxy cannot be closed", e);
    }
    wires.forEach(Wire::reset);
  }

  private final class Wire {
    private final Socket client;
    private volatile @Nullable Socket server;
    private volatile boolean forgotten;
    private int ended;

    Wire(Socket client) {
      this.client = client;
    }

    boolean isOver() {
      return client.isClosed();
    }

    /// The server's side is gone, and the client is not told.
    void forget() {
      forgotten = true;
      abort(server);
    }

    void reset() {
      wires.remove(this);
      abort(client);
      abort(server);
    }

    synchronized void oneSideEnded() {
      ended++;
      if (ended == 2 && !forgotten) {
        reset();
      }
    }

    private static void abort(@Nullable Socket socket) {
      if (socket == null) {
        return;
      }
      try {
        socket.setSoLinger(true, 0); // RST instead of FIN
        socket.close();
      } catch (IOException e) {
        // it is closed already, as wanted
      }
    }
  }
}
