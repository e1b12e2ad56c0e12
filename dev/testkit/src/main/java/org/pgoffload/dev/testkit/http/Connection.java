package org.pgoffload.dev.testkit.http;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import java.util.zip.Deflater;
import java.util.zip.DeflaterOutputStream;
import java.util.zip.GZIPOutputStream;
import org.jspecify.annotations.Nullable;

/// HTTP/1.1 on one connection, with full say over every byte, which a server library would not
/// give.
public final class Connection {
  private static final String HEADERS_200 = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";

  private final Socket socket;
  private final InputStream in;
  private final OutputStream out;

  public Connection(Socket socket) throws IOException {
    this.socket = socket;
    this.in = new BufferedInputStream(socket.getInputStream());
    this.out = new BufferedOutputStream(socket.getOutputStream());
  }

  /// A request as it came.
  ///
  /// @param headers by their lower-case names
  public record Request(String method, String path, Map<String, String> headers, String body) {}

  /// The next request; null when the client has closed the connection.
  public @Nullable Request read() throws IOException {
    var line = line();
    if (line.isEmpty()) {
      return null;
    }
    var words = line.split(" ", 3);
    var headers = new HashMap<String, String>();
    for (var header = line(); !header.isEmpty(); header = line()) {
      var colon = header.indexOf(':');
      headers.put(
          header.substring(0, colon).toLowerCase(Locale.ROOT), header.substring(colon + 1).strip());
    }
    var length = Integer.parseInt(headers.getOrDefault("content-length", "0"));
    return new Request(words[0], words[1], headers, new String(in.readNBytes(length), UTF_8));
  }

  /// Whether the connection can serve another request afterwards.
  ///
  /// @param onDisconnect told when a client goes away from a reply that does not come
  public boolean write(WireReply reply, Runnable onDisconnect) throws IOException {
    switch (reply) {
      case WireReply.Full full -> {
        full(full);
        return true;
      }
      case WireReply.Stream stream -> {
        return stream(stream, onDisconnect);
      }
      case WireReply.Bytes(var status, var headers, var body) -> {
        full(status, headers, body);
        return true;
      }
      case WireReply.Encoded(var content, var coding) -> {
        encoded(content, coding);
        return true;
      }
      case WireReply.EndlessHeaders() -> {
        send(HEADERS_200);
        repeat("X-Padding: 0123456789\r\n", 2, onDisconnect);
      }
      case WireReply.CutBody(var begin) ->
          send(HEADERS_200 + "Content-Length: 100000\r\n\r\n" + begin);
      case WireReply.StalledBody(var begin) -> {
        send(HEADERS_200 + "Content-Length: 100000\r\n\r\n" + begin);
        waitForDisconnect(onDisconnect);
      }
      case WireReply.Silence() -> waitForDisconnect(onDisconnect);
      // Without lingering, the close is a reset.
      case WireReply.Reset() -> socket.setSoLinger(true, 0);
      case WireReply.Huge(var bytes) -> huge(bytes);
    }
    return false;
  }

  private void full(WireReply.Full full) throws IOException {
    full(full.status(), full.headers(), full.body().getBytes(UTF_8));
  }

  private void full(int status, Map<String, String> headers, byte[] body) throws IOException {
    var head = new StringBuilder("HTTP/1.1 ").append(status).append(" Stub\r\n");
    headers.forEach((name, value) -> head.append(name).append(": ").append(value).append("\r\n"));
    head.append("Content-Length: ").append(body.length).append("\r\n\r\n");
    out.write(head.toString().getBytes(ISO_8859_1));
    out.write(body);
    out.flush();
  }

  /// The parts of a stream are flushed through the compression one by one.
  private void encoded(WireReply content, WireReply.Coding coding) throws IOException {
    var parts =
        switch (content) {
          case WireReply.Full full -> List.of(full.body());
          case WireReply.Stream stream -> stream.begin();
          case WireReply other -> throw new IllegalArgumentException("no body: " + other);
        };
    var body = new ByteArrayOutputStream();
    try (var compressing =
        switch (coding) {
          case GZIP, UNTOLD_GZIP -> new GZIPOutputStream(body, true);
          case ZLIB -> new DeflaterOutputStream(body, true);
          case RAW_DEFLATE ->
              new DeflaterOutputStream(
                  body, new Deflater(Deflater.DEFAULT_COMPRESSION, true), 512, true);
          case TOLD_GZIP -> body;
          case BROTLI -> {
            // as unlike text as brotli; no test unpacks it
            body.write(new byte[] {(byte) 0x8B, 0x02, (byte) 0x80});
            yield body;
          }
        }) {
      for (var part : parts) {
        compressing.write(part.getBytes(UTF_8));
        compressing.flush();
      }
    }
    var headers = new HashMap<String, String>();
    var status = 200;
    switch (content) {
      case WireReply.Full full -> {
        headers.putAll(full.headers());
        status = full.status();
      }
      case WireReply.Stream stream -> headers.putAll(stream.headers());
      case WireReply other -> throw new IllegalArgumentException("no body: " + other);
    }
    if (!coding.header.isEmpty()) {
      headers.put("Content-Encoding", coding.header);
    }
    full(status, headers, body.toByteArray());
  }

  private boolean stream(WireReply.Stream stream, Runnable onDisconnect) throws IOException {
    var head = new StringBuilder("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n");
    stream
        .headers()
        .forEach((name, value) -> head.append(name).append(": ").append(value).append("\r\n"));
    send(head.append("\r\n").toString());
    try {
      for (var part : stream.begin()) {
        chunk(part, stream.bytes());
      }
    } catch (IOException gone) {
      // the client may go while it is written to
      onDisconnect.run();
      throw gone;
    }
    switch (stream.ending()) {
      case WHOLE -> send("0\r\n\r\n");
      case CUT -> {}
      case STALLED -> waitForDisconnect(onDisconnect);
      case REPEATED_SLOWLY -> repeat(chunk(stream.begin().getLast()), 2, onDisconnect);
      case REPEATED -> repeat(chunk(stream.begin().getLast()), 0, onDisconnect);
    }
    return stream.ending() == WireReply.Ending.WHOLE;
  }

  private void chunk(String text, int bytes) throws IOException {
    var all = chunk(text).getBytes(UTF_8);
    var step = bytes == 0 ? all.length : bytes;
    for (var at = 0; at < all.length; at += step) {
      out.write(all, at, Math.min(step, all.length - at));
      out.flush();
    }
  }

  private static String chunk(String text) {
    return Integer.toHexString(text.getBytes(UTF_8).length) + "\r\n" + text + "\r\n";
  }

  /// Sends the same with pauses until the client goes. Whether it has gone is read, not written:
  /// the client's system may take what is written for seconds after.
  private void repeat(String text, int pauseMillis, Runnable onDisconnect) throws IOException {
    var gone = new AtomicBoolean();
    Thread.ofVirtual()
        .start(() -> {
          waitForDisconnect(onDisconnect);
          gone.set(true);
        });
    while (!gone.get()) {
      send(text);
      LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(pauseMillis));
    }
  }

  private void send(String text) throws IOException {
    out.write(text.getBytes(UTF_8));
    out.flush();
  }

  private void huge(long bytes) throws IOException {
    send(HEADERS_200 + "Content-Length: " + bytes + "\r\n\r\n");
    var blanks = " ".repeat(8192).getBytes(UTF_8);
    for (var sent = 0L; sent < bytes; sent += blanks.length) {
      out.write(blanks, 0, (int) Math.min(blanks.length, bytes - sent));
    }
    out.flush();
  }

  private void waitForDisconnect(Runnable onDisconnect) {
    try {
      while (in.read() >= 0) {
        // the rest of the request does not matter
      }
    } catch (IOException gone) {
      // A reset is a disconnect too.
    }
    onDisconnect.run();
  }

  private String line() throws IOException {
    var line = new ByteArrayOutputStream();
    for (var next = in.read(); next >= 0 && next != '\n'; next = in.read()) {
      if (next != '\r') {
        line.write(next);
      }
    }
    return line.toString(ISO_8859_1);
  }
}
