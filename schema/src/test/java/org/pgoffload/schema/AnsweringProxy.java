package org.pgoffload.schema;

import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.pgoffload.platform.DatabaseAddress;

/// Stands before a server and answers logins, as poolers do and some proxies. Without TLS.
public final class AnsweringProxy implements AutoCloseable {
  private static final int SSL_REQUEST = 80877103;
  private static final int GSS_REQUEST = 80877104;

  private final ServerSocket listening;
  private final DatabaseAddress server;
  private final boolean passesOptionsOn;

  /// In which bits the process number that clients are told differs from the session's.
  private final int disguise;

  private AnsweringProxy(
      ServerSocket listening, DatabaseAddress server, boolean passesOptionsOn, int disguise) {
    this.listening = listening;
    this.server = server;
    this.passesOptionsOn = passesOptionsOn;
    this.disguise = disguise;
  }

  /// One that drops the startup parameter `options`, as a pooler that is told to ignore it.
  public static AnsweringProxy pooler(DatabaseAddress server) throws IOException {
    return start(server, false, 0x40);
  }

  /// The same, but for the process number, which is the one of the session that a client begins on.
  public static AnsweringProxy poolerThatTellsTheProcess(DatabaseAddress server)
      throws IOException {
    return start(server, false, 0);
  }

  /// One that passes on all that comes with a login, and tells a process number of its own.
  public static AnsweringProxy transparent(DatabaseAddress server) throws IOException {
    return start(server, true, 0x40);
  }

  private static AnsweringProxy start(DatabaseAddress server, boolean passesOptionsOn, int disguise)
      throws IOException {
    var listening = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    var proxy = new AnsweringProxy(listening, server, passesOptionsOn, disguise);
    Thread.ofVirtual().name("proxy").start(proxy::accept);
    return proxy;
  }

  /// The way through it.
  public DatabaseAddress address() {
    return new DatabaseAddress(
        "127.0.0.1",
        listening.getLocalPort(),
        server.database(),
        server.user(),
        server.password(),
        Map.of());
  }

  private void accept() {
    while (!listening.isClosed()) {
      try {
        var client = listening.accept();
        Thread.ofVirtual().name("proxy session").start(() -> serve(client));
      } catch (IOException e) {
        return; // closed
      }
    }
  }

  private void serve(Socket client) {
    try (client;
        var upstream = new Socket(server.host(), server.port())) {
      var fromClient = new DataInputStream(client.getInputStream());
      var toServer = new DataOutputStream(upstream.getOutputStream());
      var startup = startup(fromClient, client.getOutputStream());
      toServer.writeInt(startup.length + 4);
      toServer.write(startup);
      toServer.flush();
      Thread.ofVirtual().name("proxy requests").start(() -> copy(fromClient, toServer));
      answer(new DataInputStream(upstream.getInputStream()), client.getOutputStream());
    } catch (IOException e) {
      // one of both has ended
    }
  }

  private byte[] startup(DataInputStream client, OutputStream reply) throws IOException {
    while (true) {
      var message = new byte[client.readInt() - 4];
      client.readFully(message);
      int code = new DataInputStream(new java.io.ByteArrayInputStream(message)).readInt();
      if (code == SSL_REQUEST || code == GSS_REQUEST) {
        reply.write('N');
        reply.flush();
      } else {
        return passesOptionsOn ? message : withoutOptions(message);
      }
    }
  }

  private static byte[] withoutOptions(byte[] startup) {
    var kept = new ByteArrayOutputStream();
    kept.write(startup, 0, 4);
    var words = new String(startup, 4, startup.length - 4, StandardCharsets.UTF_8).split("\0", -1);
    for (int i = 0; i + 1 < words.length && !words[i].isEmpty(); i += 2) {
      if (!words[i].equals("options")) {
        kept.writeBytes((words[i] + '\0' + words[i + 1] + '\0').getBytes(StandardCharsets.UTF_8));
      }
    }
    kept.write(0);
    return kept.toByteArray();
  }

  /// Passes the server's messages on, with the disguised process number in BackendKeyData.
  private void answer(DataInputStream server, OutputStream client) throws IOException {
    var toClient = new DataOutputStream(client);
    boolean told = false;
    while (!told) {
      int kind = server.readUnsignedByte();
      var message = new byte[server.readInt() - 4];
      server.readFully(message);
      told = kind == 'K';
      if (told) {
        message[0] ^= (byte) disguise;
      }
      toClient.writeByte(kind);
      toClient.writeInt(message.length + 4);
      toClient.write(message);
      toClient.flush();
    }
    copy(server, toClient);
  }

  private static void copy(InputStream from, OutputStream to) {
    try (from;
        to) {
      from.transferTo(to);
    } catch (IOException e) {
      // one of both has ended
    }
  }

  @Override
  public void close() throws IOException {
    listening.close();
  }
}
