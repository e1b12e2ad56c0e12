package org.pgoffload.worker.vendors.http;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.BufferedInputStream;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.InterruptedIOException;
import java.net.http.HttpHeaders;
import java.net.http.HttpResponse.ResponseInfo;
import java.time.Duration;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import org.pgoffload.worker.vendors.LlmErrorCode;

/// A reply whose headers are in and whose body is still to be read, bounded in time and size. Used
/// by the thread that made the call; closing it ends the connection unless the body is whole.
///
/// Every read throws [BrokenExchange] if bytes do not come in time, are too many, or the connection
/// breaks, and `InterruptedIOException` if the thread is interrupted.
public final class OpenReply implements AutoCloseable {
  /// How long the rest of a body may take when the answer is whole. A connection whose body is read
  /// to its end is used again.
  private static final long LAST_BYTES = TimeUnit.MILLISECONDS.toNanos(100);

  private static final int BEGIN = 5;

  /// Blanks and the bytes of a byte order mark.
  private static final String BLANK = " \t\n\u000b\f\r\u00ef\u00bb\u00bf";

  private final int status;
  private final HttpHeaders headers;
  private final ReplyBody body;
  private final HttpSettings settings;
  private final Duration timeout;
  private final long deadline;
  private final Bounded received;
  private final Bounded content;
  private final BufferedInputStream buffered;

  /// @param timeout of the whole call, for words
  /// @param deadline of the whole call, on the clock of `System.nanoTime`
  public OpenReply(
      ResponseInfo head, ReplyBody body, HttpSettings settings, Duration timeout, long deadline) {
    this.status = head.statusCode();
    this.headers = head.headers();
    this.body = body;
    this.settings = settings;
    this.timeout = timeout;
    this.deadline = deadline;
    this.received = new Bounded(new Received());
    this.content = new Bounded(new Decompress(received, headers));
    this.buffered = new BufferedInputStream(content);
  }

  public int status() {
    return status;
  }

  public HttpHeaders headers() {
    return headers;
  }

  /// Whether the body is said to be one JSON value.
  public boolean isJson() {
    return isOfType("application/json");
  }

  /// Whether the body is said to be a stream of events.
  public boolean isEventStream() {
    return isOfType("text/event-stream");
  }

  private boolean isOfType(String type) {
    var told = headers().firstValue("content-type").orElse("").toLowerCase(Locale.ROOT);
    return told.split(";", 2)[0].strip().equals(type);
  }

  /// The first five characters of the content, or as many as there are, from the first that is
  /// neither a blank nor a byte order mark. They are still to be read; the blanks are dropped.
  public String begin() throws IOException {
    int first;
    do {
      buffered.mark(BEGIN);
      first = buffered.read();
    } while (first >= 0 && BLANK.indexOf(first) >= 0);
    buffered.reset();
    var begin = new String(buffered.readNBytes(BEGIN), ISO_8859_1);
    buffered.reset();
    return begin;
  }

  /// Reads the whole content.
  public byte[] readAll() throws IOException {
    return buffered.readAllBytes();
  }

  /// Reads the content line by line. A line ends with LF, CR or both, as server-sent events have
  /// it; bytes after the last line's end are a line too.
  public BufferedReader lines() {
    return new BufferedReader(new InputStreamReader(buffered, UTF_8));
  }

  /// Whether the content has ended within a line.
  public boolean isTorn() {
    return content.ended && content.last != '\n' && content.last != '\r';
  }

  /// Waits a moment for the end of a body whose answer is whole, however the body ends.
  public void finish() throws InterruptedException {
    var until = System.nanoTime() + LAST_BYTES;
    while (!received.ended
        && received.count <= settings.maxResponseBytes()
        && body.next(until - System.nanoTime()) instanceof ReplyBody.Arrival.Bytes(var bytes)) {
      received.count += bytes.length;
    }
  }

  @Override
  public void close() {
    body.cancel();
  }

  public static BrokenExchange timedOut(Duration timeout) {
    return new BrokenExchange(
        LlmErrorCode.TIMEOUT, "no whole reply within " + timeout.toMillis() + " ms");
  }

  /// The bytes as they come in.
  private final class Received extends InputStream {
    private byte[] bytes = {};
    private int at;

    @Override
    public int read() throws IOException {
      throw new UnsupportedOperationException("is read by whole arrays");
    }

    @Override
    public int read(byte[] into, int offset, int length) throws IOException {
      while (at == bytes.length) {
        switch (arrival()) {
          case ReplyBody.Arrival.Bytes(var more) -> {
            bytes = more;
            at = 0;
          }
          case ReplyBody.Arrival.End() -> {
            return -1;
          }
          case ReplyBody.Arrival.Failure(var cause) -> throw NetworkFailure.classify(cause);
        }
      }
      var count = Math.min(length, bytes.length - at);
      System.arraycopy(bytes, at, into, offset, count);
      at += count;
      return count;
    }

    private ReplyBody.Arrival arrival() throws IOException {
      var idle = TimeUnit.NANOSECONDS.convert(settings.idleTimeout());
      var left = deadline - System.nanoTime();
      try {
        var arrival = left <= 0 ? null : body.next(Math.min(left, idle));
        if (arrival != null) {
          return arrival;
        }
      } catch (InterruptedException interrupted) {
        throw new InterruptedIOException("interrupted while a reply was received");
      }
      if (left <= idle) {
        throw timedOut(timeout);
      }
      throw new BrokenExchange(
          LlmErrorCode.RESPONSE_STALLED,
          "the reply stood still for " + settings.idleTimeout().toMillis() + " ms");
    }
  }

  /// Bytes that may be no more than the settings say. Remembers how they end.
  private final class Bounded extends InputStream {
    private final InputStream bytes;
    private long count;
    private int last = '\n';
    private boolean ended;

    Bounded(InputStream bytes) {
      this.bytes = bytes;
    }

    @Override
    public int read() throws IOException {
      throw new UnsupportedOperationException("is read by whole arrays");
    }

    @Override
    public int read(byte[] into, int offset, int length) throws IOException {
      if (ended) {
        return -1;
      }
      var read = bytes.read(into, offset, length);
      if (read < 0) {
        ended = true;
      } else {
        count += read;
        last = into[offset + read - 1];
      }
      if (count > settings.maxResponseBytes()) {
        throw new BrokenExchange(
            LlmErrorCode.RESPONSE_TOO_LARGE,
            "the reply is larger than " + settings.maxResponseBytes() + " bytes");
      }
      return read;
    }
  }
}
