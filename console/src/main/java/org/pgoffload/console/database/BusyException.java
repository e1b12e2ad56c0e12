package org.pgoffload.console.database;

/// The console has as many sessions of the database open as it may, and none has ended in time.
public final class BusyException extends RuntimeException {
  BusyException(String words) {
    super(words);
  }
}
