package org.pgoffload.schema;

import org.jspecify.annotations.Nullable;

/// An installation that could not be completed; the message says what to do. Running it again is
/// always safe.
public final class InstallException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public InstallException(String message, @Nullable Throwable cause) {
    super(message, cause);
  }
}
