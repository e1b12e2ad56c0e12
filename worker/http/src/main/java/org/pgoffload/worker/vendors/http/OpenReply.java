package org.pgoffload.worker.vendors.http;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.BufferedInputStream;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.net.http.HttpHeaders;
import java.net.http.HttpResponse.ResponseInfo;
import java.time.Duration;
import java.util.Locale;
import org.pgoffload.worker.models.LlmErrorCode;

/// A reply whose headers are in and whose body is still to be read, bounded in time and size. Used
/// by the thread that made the call; closing it ends the connection unless the body is whole.
///
/// Every read throws [BrokenExchange] if bytes do not come in time, are too many, or the connection
/// breaks, and `InterruptedIOException` if the thread is interrupted.
public final class OpenReply implements AutoCloseable {
  /// How long the rest of a body may take when the answer is whole. A connection whose body is read
  /// to its end is used again.
  private static final Duration LAST_BYTES = Duration.ofMillis(100);

  private static final int BEGIN = 5;

  /// Blanks and the bytes of a byte order mark.
  private static final String BLANK = " \t\n\u000b\f\r\u00ef\u00bb\u00bf";

  private final int status;
  private final HttpHeaders headers;
  private final ReplyBody body;
  private final int mostBytes;
  private final Bounded content;
  private final BufferedInputStream buffered;

  /// @param mostBytes the largest body that is read, as it comes and unpacked
  OpenReply(ResponseInfo head, ReplyBody body, int mostBytes) {
    this.status = head.statusCode();
    this.headers = head.headers();
    this.body = body;
    this.mostBytes = mostBytes;
    this.content = new Bounded(new Decompress(new Bounded(body), headers));
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
    body.awaitEnd(LAST_BYTES);
  }

  @Override
  public void close() {
    body.close();
  }

  /// Bytes that may be no more than a limit. Remembers how they end.
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
      if (count > mostBytes) {
        throw new BrokenExchange(
            LlmErrorCode.RESPONSE_TOO_LARGE, "the reply is larger than " + mostBytes + " bytes");
      }
      return read;
    }
  }
}
