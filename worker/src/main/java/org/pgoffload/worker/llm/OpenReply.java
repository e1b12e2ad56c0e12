package org.pgoffload.worker.llm;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.ByteArrayOutputStream;
import java.net.http.HttpHeaders;
import java.net.http.HttpResponse.ResponseInfo;
import java.time.Duration;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// A reply whose headers are in and whose body is still to be read, bounded in time and size. Used
/// by the thread that made the call; closing it ends the connection unless the body is whole.
final class OpenReply implements AutoCloseable {
  /// How long the end of a body may take that has nothing more to say. A connection whose body is
  /// read to its end is used again.
  private static final long LAST_BYTES = TimeUnit.MILLISECONDS.toNanos(100);

  private static final int BEGIN = 5;
  private static final byte[] NOTHING = {};

  /// Blanks and the bytes of a byte order mark.
  private static final Pattern BLANK = Pattern.compile("^[\\s\u00ef\u00bb\u00bf]+");

  private final int status;
  private final HttpHeaders headers;
  private final ReplyBody body;
  private final HttpSettings settings;
  private final Duration timeout;
  private final long deadline;
  private final ReadLines.Source content;
  private long received;
  private long unpacked;
  private boolean ended;

  /// Was looked at, and is read again.
  private byte[] unread = NOTHING;

  /// @param timeout of the whole call, for words
  /// @param deadline of the whole call, on the clock of `System.nanoTime`
  OpenReply(
      ResponseInfo head, ReplyBody body, HttpSettings settings, Duration timeout, long deadline) {
    this.status = head.statusCode();
    this.headers = head.headers();
    this.body = body;
    this.settings = settings;
    this.timeout = timeout;
    this.deadline = deadline;
    this.content = new Decompress(this::received, headers);
  }

  int status() {
    return status;
  }

  HttpHeaders headers() {
    return headers;
  }

  /// Whether the body is said to be one JSON value.
  boolean isJson() {
    return isOfType("application/json");
  }

  /// Whether the body is said to be a stream of events.
  boolean isEventStream() {
    return isOfType("text/event-stream");
  }

  private boolean isOfType(String type) {
    var told = headers().firstValue("content-type").orElse("").toLowerCase(Locale.ROOT);
    return told.split(";", 2)[0].strip().equals(type);
  }

  /// The first characters of the body from the first that is neither a blank nor a byte order mark,
  /// five or as many as there are. They are still to be read; what precedes them is dropped.
  ///
  /// @throws BrokenExchange as [#next]
  String begin() throws BrokenExchange, InterruptedException {
    var begin = "";
    while (begin.length() < BEGIN) {
      var more = next();
      if (more == null) {
        break;
      }
      var text = new String(more, ISO_8859_1);
      begin = begin.isEmpty() ? BLANK.matcher(text).replaceFirst("") : begin + text;
    }
    unread = begin.getBytes(ISO_8859_1);
    return begin.substring(0, Math.min(BEGIN, begin.length()));
  }

  /// The next bytes, as they were before somebody compressed them; null at the end of the body.
  ///
  /// @throws BrokenExchange if they do not come in time, are too many, or the connection breaks
  /// @throws InterruptedException if the thread is interrupted
  byte @Nullable [] next() throws BrokenExchange, InterruptedException {
    if (unread.length > 0) {
      var bytes = unread;
      unread = NOTHING;
      return bytes;
    }
    var next = content.next();
    if (next != null) {
      unpacked += next.length;
      if (unpacked > settings.maxResponseBytes()) {
        throw tooLarge();
      }
    }
    return next;
  }

  private byte @Nullable [] received() throws BrokenExchange, InterruptedException {
    if (ended) {
      return null;
    }
    var idle = TimeUnit.NANOSECONDS.convert(settings.idleTimeout());
    var left = deadline - System.nanoTime();
    if (left <= 0) {
      throw timedOut(timeout);
    }
    return switch (body.next(Math.min(left, idle))) {
      case null -> {
        if (left <= idle) {
          throw timedOut(timeout);
        }
        throw new BrokenExchange(
            LlmErrorCode.RESPONSE_STALLED,
            "the reply stood still for " + settings.idleTimeout().toMillis() + " ms");
      }
      case ReplyBody.Arrival.Bytes(var bytes) -> {
        received += bytes.length;
        if (received > settings.maxResponseBytes()) {
          throw tooLarge();
        }
        yield bytes;
      }
      case ReplyBody.Arrival.End() -> {
        ended = true;
        yield null;
      }
      case ReplyBody.Arrival.Failure(var cause) -> {
        ended = true;
        throw NetworkFailure.classify(cause);
      }
    };
  }

  /// Reads the whole body.
  byte[] readAll() throws BrokenExchange, InterruptedException {
    var bytes = new ByteArrayOutputStream();
    for (var next = next(); next != null; next = next()) {
      bytes.writeBytes(next);
    }
    return bytes.toByteArray();
  }

  /// Waits a moment for the end of a body that has said all it has to say, however it ends.
  void finish() throws InterruptedException {
    var until = System.nanoTime() + LAST_BYTES;
    while (!ended
        && received <= settings.maxResponseBytes()
        && body.next(until - System.nanoTime()) instanceof ReplyBody.Arrival.Bytes(var bytes)) {
      received += bytes.length;
    }
  }

  private BrokenExchange tooLarge() {
    return new BrokenExchange(
        LlmErrorCode.RESPONSE_TOO_LARGE,
        "the reply is larger than " + settings.maxResponseBytes() + " bytes");
  }

  @Override
  public void close() {
    body.cancel();
  }

  static BrokenExchange timedOut(Duration timeout) {
    return new BrokenExchange(
        LlmErrorCode.TIMEOUT, "no whole reply within " + timeout.toMillis() + " ms");
  }
}
