package org.pgoffload.platform;

import org.apache.kafka.common.errors.AuthorizationException;

/// The words of Kafka's client for a fault, in one line for people. The line has the reason under
/// the fault, since "SSL handshake failed" alone does not help, and names the list of rights if a
/// right is missing.
public final class KafkaFault {
  private KafkaFault() {}

  /// The words, which name topics, groups and hosts, and no secret.
  public static String words(Throwable fault) {
    var words = new StringBuilder();
    boolean lacksRight = false;
    for (Throwable cause = fault; cause != null; cause = cause.getCause()) {
      var message = cause.getMessage() == null ? cause.getClass().getName() : cause.getMessage();
      lacksRight |= cause instanceof AuthorizationException;
      // many only repeat what they wrap
      if (words.indexOf(message) < 0
          && (cause.getCause() == null || !message.equals(cause.getCause().toString()))) {
        words.append(words.isEmpty() ? "" : ": ").append(message);
      }
    }
    return lacksRight
        ? words + " (pgoffload acls prints the rights that each part needs)"
        : words.toString();
  }
}
