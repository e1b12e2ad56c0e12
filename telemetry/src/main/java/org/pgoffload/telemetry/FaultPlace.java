package org.pgoffload.telemetry;

/// The loggable facts of a fault of our own code: its kind and its place. The words of an exception
/// may contain a prompt, SQL or a key, so they are left out, except a [LinkageError]'s: they name a
/// class that is missing or does not fit, and nothing else.
public final class FaultPlace {
  private FaultPlace() {}

  /// The kind and the place, in one line.
  public static String of(Throwable fault) {
    var kind = fault instanceof LinkageError ? fault.toString() : fault.getClass().getName();
    var trace = fault.getStackTrace();
    return kind + " at " + (trace.length == 0 ? "an unknown place" : trace[0]);
  }
}
