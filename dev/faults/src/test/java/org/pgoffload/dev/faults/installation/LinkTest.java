package org.pgoffload.dev.faults.installation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketTimeoutException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// A link before a server that says everything back.
@Timeout(20)
class LinkTest {
  private ServerSocket server;
  private Link link;

  @BeforeEach
  void start() throws IOException {
    server = new ServerSocket(0, 10, InetAddress.ofLiteral("127.0.0.1"));
    Thread.ofVirtual()
        .start(() -> {
          while (!server.isClosed()) {
            try {
              var client = server.accept();
              Thread.ofVirtual().start(() -> echo(client));
            } catch (IOException e) {
              return;
            }
          }
        });
    link = new Link("test", server.getLocalPort(), null);
  }

  private static void echo(Socket client) {
    try (client) {
      client.getInputStream().transferTo(client.getOutputStream());
    } catch (IOException e) {
      // the link was cut
    }
  }

  @AfterEach
  void end() throws IOException {
    link.close();
    server.close();
  }

  private Socket connect() throws IOException {
    var socket = new Socket(InetAddress.ofLiteral("127.0.0.1"), link.port());
    socket.setSoTimeout(300);
    return socket;
  }

  private static int exchange(Socket socket) throws IOException {
    socket.getOutputStream().write(7);
    return socket.getInputStream().read();
  }

  @Test
  void carriesBytesBothWays() throws IOException {
    try (var socket = connect()) {
      assertThat(exchange(socket)).isEqualTo(7);
    }
  }

  @Test
  void resetsConnectionsWhenItIsCut() throws IOException {
    try (var socket = connect()) {
      assertThat(exchange(socket)).isEqualTo(7);
      link.become(Link.State.CUT);
      assertThatThrownBy(() -> exchange(socket)).isInstanceOf(IOException.class);
    }
  }

  @Test
  void goesOnWhereItFellSilent() throws IOException {
    try (var socket = connect()) {
      assertThat(exchange(socket)).isEqualTo(7);
      link.become(Link.State.SILENT);
      assertThatThrownBy(() -> exchange(socket)).isInstanceOf(SocketTimeoutException.class);
      link.become(Link.State.PASSING);
      assertThat(socket.getInputStream().read()).isEqualTo(7);
    }
  }

  @Test
  void forgetsHalfOpenConnectionsAndTellsWhoSends() throws IOException {
    try (var socket = connect()) {
      assertThat(exchange(socket)).isEqualTo(7);
      link.become(Link.State.HALF_OPEN);
      link.become(Link.State.PASSING);
      assertThatThrownBy(() -> socket.getInputStream().read())
          .isInstanceOf(SocketTimeoutException.class);
      assertThatThrownBy(() -> exchange(socket)).isInstanceOf(IOException.class);
    }
  }
}
