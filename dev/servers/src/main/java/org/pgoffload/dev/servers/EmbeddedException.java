package org.pgoffload.dev.servers;

import org.jspecify.annotations.Nullable;

/// The one failure of this module: PostgreSQL or the broker could not be started, and the message
/// says what to do about it. It never holds a password.
public final class EmbeddedException extends RuntimeException {

  /// The code of the failure, stable across versions.
  public enum Code {
    /// Another process, or this one, already runs on the directory.
    DIRECTORY_IN_USE,
    /// The directory cannot be used: not writable, or its data are of another version.
    DIRECTORY_UNUSABLE,
    /// There are no PostgreSQL binaries of this version for this platform.
    BINARIES_MISSING,
    /// The process was started and ended, or was not ready in time.
    START_FAILED
  }

  private final Code code;

  public EmbeddedException(Code code, String message) {
    this(code, message, null);
  }

  public EmbeddedException(Code code, String message, @Nullable Throwable cause) {
    super(message, cause);
    this.code = code;
  }

  /// The code of the failure.
  public Code code() {
    return code;
  }
}
