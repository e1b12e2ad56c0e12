package org.pgoffload.worker.vendors.http;

import java.io.BufferedReader;
import java.io.IOException;
import org.jspecify.annotations.Nullable;

/// Server-sent events as the HTML standard frames them: comments, data over several lines. The
/// standard drops an event that no empty line closes; here the last one counts if it is whole,
/// since not every server closes it. Names and ids are not read: the vendors' data have them too.
final class ServerSentEvents implements StreamedEvents {
  private static final String BYTE_ORDER_MARK = "\uFEFF";

  private final BufferedReader lines;
  private boolean begun;

  ServerSentEvents(BufferedReader lines) {
    this.lines = lines;
  }

  @Override
  public @Nullable String next() throws IOException {
    var data = new StringBuilder();
    for (var line = line(); line != null; line = line()) {
      if (!line.isEmpty()) {
        collect(line, data);
      } else if (!data.toString().isBlank()) {
        return data.substring(1);
      } else {
        data.setLength(0);
      }
    }
    return data.isEmpty() || !StreamedEvents.isWhole(data.substring(1)) ? null : data.substring(1);
  }

  /// Adds the value of a data field, an end of line before it.
  private static void collect(String line, StringBuilder data) {
    var colon = line.indexOf(':');
    var field = colon < 0 ? line : line.substring(0, colon);
    if (field.equals("data")) {
      var value = colon < 0 ? "" : line.substring(colon + 1);
      data.append('\n').append(value.startsWith(" ") ? value.substring(1) : value);
    }
  }

  private @Nullable String line() throws IOException {
    var line = lines.readLine();
    if (line != null && !begun) {
      begun = true;
      return line.startsWith(BYTE_ORDER_MARK) ? line.substring(1) : line;
    }
    return line;
  }
}
