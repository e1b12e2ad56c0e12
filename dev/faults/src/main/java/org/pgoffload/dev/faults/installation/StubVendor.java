package org.pgoffload.dev.faults.installation;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Locale;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/// A model vendor on 127.0.0.1 that speaks OpenAI's Responses API, takes its time, misbehaves when
/// told to, and keeps a ledger. Safe for any number of clients; a virtual thread each.
public final class StubVendor implements AutoCloseable {
  /// How calls are answered.
  public enum Mode {
    /// With an answer.
    ANSWERING,
    /// With 429 and a second to wait.
    REFUSING,
    /// With 500.
    FAILING,
    /// Not at all; the connection stays open.
    HANGING,
    /// With the first half of an answer, and the connection ends.
    CUTTING
  }

  /// How the stub answers.
  ///
  /// @param share of the calls that meet the mode, from 0 to 1; the others are answered
  /// @param latency until the first byte, on the average
  public record Manner(Mode mode, double share, Duration latency) {
    public static final Manner USUAL = new Manner(Mode.ANSWERING, 1, Duration.ofMillis(40));

    public Manner {
      if (!(share >= 0 && share <= 1)) {
        throw new IllegalArgumentException("a share is from 0 to 1");
      }
    }
  }

  static final String KEY = "sk-stub";

  /// Until a call that hangs is given up on this side too.
  private static final Duration HANG = Duration.ofMinutes(2);

  private final ServerSocket server;
  private final CallLedger ledger = new CallLedger();
  private final AtomicInteger misbehaved = new AtomicInteger();
  private volatile Manner manner = Manner.USUAL;
  private volatile boolean closed;

  StubVendor() {
    try {
      this.server = new ServerSocket(0, 4096, InetAddress.ofLiteral("127.0.0.1"));
    } catch (IOException e) {
      throw new UncheckedIOException("the stub cannot listen", e);
    }
    Thread.ofVirtual().name("stub").start(this::accept);
  }

  int port() {
    return server.getLocalPort();
  }

  public CallLedger ledger() {
    return ledger;
  }

  /// How many calls were not answered as they should be.
  public int misbehaved() {
    return misbehaved.get();
  }

  public void behave(Manner next) {
    manner = next;
  }

  private void accept() {
    while (!closed) {
      try {
        var client = server.accept();
        Thread.ofVirtual().name("stub-call").start(() -> serve(client));
      } catch (IOException e) {
        if (!closed) {
          throw new UncheckedIOException("the stub accepts nothing more", e);
        }
      }
    }
  }

  private void serve(Socket client) {
    try (client) {
      client.setTcpNoDelay(true);
      var input = new BufferedInputStream(client.getInputStream());
      while (true) {
        var body = readRequest(input);
        if (body == null || !answer(client, body)) {
          return;
        }
      }
    } catch (IOException e) {
      // the client has gone: the ledger has no answer for its call
    }
  }

  /// Whether the connection stays open.
  private boolean answer(Socket client, String body) throws IOException {
    var tag = Tag.in(body).orElse(new Tag("untagged", 0));
    var now = manner;
    var random = ThreadLocalRandom.current();
    boolean misbehaves = now.mode() != Mode.ANSWERING && random.nextDouble() < now.share();
    boolean inFull = false;
    ledger.came(tag);
    try {
      long mean = now.latency().toMillis();
      Await.pause(Duration.ofMillis(mean / 2 + random.nextLong(mean + 1)));
      if (misbehaves) {
        misbehaved.incrementAndGet();
        return misbehave(client, now.mode(), tag);
      }
      write(client, 200, "", success(tag), 1);
      inFull = true;
      return true;
    } finally {
      ledger.ended(tag, inFull);
    }
  }

  private static boolean misbehave(Socket client, Mode mode, Tag tag) throws IOException {
    switch (mode) {
      case REFUSING ->
          write(client, 429, "Retry-After: 1\r\n", error("rate_limit_exceeded", "Slow down."), 1);
      case FAILING -> write(client, 500, "", error("server_error", "The stub fails."), 1);
      case HANGING -> {
        client.setSoTimeout((int) HANG.toMillis());
        int _ = client.getInputStream().read(); // until the client leaves
        return false;
      }
      case CUTTING -> {
        write(client, 200, "", success(tag), 0.5);
        return false;
      }
      case ANSWERING -> throw new IllegalArgumentException("that is how it should be");
    }
    return true;
  }

  private static void write(Socket client, int status, String headers, String body, double portion)
      throws IOException {
    var bytes = body.getBytes(StandardCharsets.UTF_8);
    var head =
        "HTTP/1.1 "
            + status
            + " Stub\r\nContent-Type: application/json\r\nx-request-id: req_stub\r\n"
            + headers
            + "Content-Length: "
            + bytes.length
            + "\r\n\r\n";
    var output = client.getOutputStream();
    output.write(head.getBytes(StandardCharsets.US_ASCII));
    output.write(bytes, 0, (int) (bytes.length * portion));
    output.flush();
  }

  private static String success(Tag tag) {
    return """
    {"id": "resp_stub", "object": "response", "created_at": 1790000000, "status": "completed",
     "model": "stub-1", "store": false, "error": null, "incomplete_details": null,
     "output": [{"id": "msg_stub", "type": "message", "status": "completed", "role": "assistant",
       "content": [{"type": "output_text", "text": "answer to %s", "annotations": []}]}],
     "usage": {"input_tokens": 7, "input_tokens_details": {"cached_tokens": 0},
       "output_tokens": 5, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 12}}\
    """
        .formatted(tag);
  }

  private static String error(String code, String message) {
    return """
    {"error": {"message": "%s", "type": "%s", "param": null, "code": "%s"}}\
    """
        .formatted(message, code, code);
  }

  /// The body of the next request, or null when the client has ended.
  private static @Nullable String readRequest(InputStream input) throws IOException {
    int length = 0;
    boolean first = true;
    while (true) {
      var line = readLine(input);
      if (line == null) {
        return null;
      }
      if (line.isEmpty()) {
        if (first) {
          continue;
        }
        return new String(input.readNBytes(length), StandardCharsets.UTF_8);
      }
      first = false;
      if (line.toLowerCase(Locale.ROOT).startsWith("content-length:")) {
        length = Integer.parseInt(line.substring("content-length:".length()).strip());
      }
    }
  }

  private static @Nullable String readLine(InputStream input) throws IOException {
    var line = new StringBuilder();
    while (true) {
      int next = input.read();
      if (next < 0) {
        return null;
      }
      if (next == '\n') {
        return line.toString().stripTrailing();
      }
      line.append((char) next);
    }
  }

  @Override
  public void close() {
    closed = true;
    try {
      server.close();
    } catch (IOException e) {
      throw new UncheckedIOException("the stub cannot be closed", e);
    }
  }
}
