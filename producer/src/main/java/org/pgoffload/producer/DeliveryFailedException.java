package org.pgoffload.producer;

/// Kafka did not take a record in time. The engine ends, and everything unacknowledged is captured
/// again.
final class DeliveryFailedException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  DeliveryFailedException(Exception cause) {
    super("Kafka did not take a captured request; it will be captured again", cause);
  }
}
