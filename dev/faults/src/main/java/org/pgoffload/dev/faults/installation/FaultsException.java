package org.pgoffload.dev.faults.installation;

/// The harness itself cannot go on: something did not start, or nothing can be asked any more. What
/// the product does wrong is told by the books instead.
public final class FaultsException extends RuntimeException {
  public FaultsException(String message) {
    super(message);
  }

  public FaultsException(String message, Throwable cause) {
    super(message, cause);
  }
}
