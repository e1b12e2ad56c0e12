package org.pgoffload.telemetry;

import org.slf4j.MDC;

/// Puts the id of a request into every line that is logged on this thread until it is closed, as
/// the field `request`.
public final class LogRequest implements AutoCloseable {
  private static final String FIELD = "request";

  private LogRequest() {}

  public static LogRequest of(long id) {
    MDC.put(FIELD, Long.toString(id));
    return new LogRequest();
  }

  @Override
  public void close() {
    MDC.remove(FIELD);
  }
}
