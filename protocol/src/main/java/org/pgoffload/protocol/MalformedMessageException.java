package org.pgoffload.protocol;

/// Bytes that are not the message they were taken for. Trying again cannot help.
public final class MalformedMessageException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final DeadLetterReason reason;

  public MalformedMessageException(DeadLetterReason reason, String message) {
    super(message);
    this.reason = reason;
  }

  /// The reason to put on the dead letter.
  public DeadLetterReason reason() {
    return reason;
  }
}
