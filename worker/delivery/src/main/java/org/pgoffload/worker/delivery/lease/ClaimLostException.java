package org.pgoffload.worker.delivery.lease;

/// Another worker has taken a request over: no call is made for it here any more, and it has no
/// result of this worker.
public final class ClaimLostException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public ClaimLostException(String message) {
    super(message);
  }
}
