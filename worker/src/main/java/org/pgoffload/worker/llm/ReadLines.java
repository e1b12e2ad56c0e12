package org.pgoffload.worker.llm;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.ByteArrayOutputStream;
import org.jspecify.annotations.Nullable;

/// Splits a reply into lines as its bytes come in; a line ends with LF, CR or both, as server-sent
/// events have it. A line is decoded as a whole, so no character is torn between two reads.
final class ReadLines {
  private static final byte[] NONE = {};

  private final Source source;
  private final ByteArrayOutputStream line = new ByteArrayOutputStream();
  private byte[] bytes = NONE;
  private int at;
  private boolean afterReturn;
  private boolean torn;

  ReadLines(Source source) {
    this.source = source;
  }

  /// Where the bytes come from, such as [OpenReply#next].
  @FunctionalInterface
  interface Source {
    byte @Nullable [] next() throws BrokenExchange, InterruptedException;
  }

  /// The next line without its end; null at the end of the reply. Bytes after the last line's end
  /// are a line too, if there are any.
  @Nullable String next() throws BrokenExchange, InterruptedException {
    while (true) {
      var from = at;
      while (at < bytes.length) {
        var current = bytes[at++];
        if (current == '\n' && afterReturn) {
          // The second half of an end that has been taken.
          afterReturn = false;
          from = at;
          continue;
        }
        afterReturn = current == '\r';
        if (current == '\n' || afterReturn) {
          line.write(bytes, from, at - 1 - from);
          return taken();
        }
      }
      line.write(bytes, from, at - from);
      var more = source.next();
      bytes = more == null ? NONE : more;
      at = 0;
      if (more == null) {
        torn = line.size() > 0;
        return torn ? taken() : null;
      }
    }
  }

  /// Whether the last line has no end: the reply ended in it.
  boolean isTorn() {
    return torn;
  }

  private String taken() {
    var text = line.toString(UTF_8);
    line.reset();
    return text;
  }
}
