package org.pgoffload.telemetry;

import org.jspecify.annotations.Nullable;
import org.slf4j.MDC;

/// Puts the id of a request into every line that is logged on this thread until it is closed, as
/// the field `request`.
public final class LogRequest implements AutoCloseable {
  private static final String FIELD = "request";

  private final @Nullable String before;

  private LogRequest(@Nullable String before) {
    this.before = before;
  }

  public static LogRequest of(long id) {
    var before = MDC.get(FIELD);
    MDC.put(FIELD, Long.toString(id));
    return new LogRequest(before);
  }

  @Override
  public void close() {
    if (before == null) {
      MDC.remove(FIELD);
    } else {
      MDC.put(FIELD, before);
    }
  }
}
