package org.pgoffload.results;

/// The application is closing: what was not written is read again by the next one.
final class WriteBackClosedException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  WriteBackClosedException() {
    super("the write-back is closing; the unwritten results are read again after the next start");
  }
}
