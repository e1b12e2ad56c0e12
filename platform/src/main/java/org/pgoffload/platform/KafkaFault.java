package org.pgoffload.platform;

import org.apache.kafka.common.errors.AuthorizationException;
import org.apache.kafka.common.errors.NotEnoughReplicasAfterAppendException;
import org.apache.kafka.common.errors.NotEnoughReplicasException;

/// The words of Kafka's client for a fault, in one line for people. The line has the reason under
/// the fault, since "SSL handshake failed" alone does not help, and names the list of rights if a
/// right is missing, and says what to do where too few replicas are in sync.
public final class KafkaFault {
  private KafkaFault() {}

  /// The words, which name topics, groups and hosts, and no secret.
  public static String words(Throwable fault) {
    var words = new StringBuilder();
    boolean lacksRight = false;
    boolean lacksReplicas = false;
    for (Throwable cause = fault; cause != null; cause = cause.getCause()) {
      var message = cause.getMessage() == null ? cause.getClass().getName() : cause.getMessage();
      lacksRight |= cause instanceof AuthorizationException;
      lacksReplicas |=
          cause instanceof NotEnoughReplicasException
              || cause instanceof NotEnoughReplicasAfterAppendException;
      // many only repeat what they wrap
      if (words.indexOf(message) < 0
          && (cause.getCause() == null || !message.equals(cause.getCause().toString()))) {
        words.append(words.isEmpty() ? "" : ": ").append(message);
      }
    }
    if (lacksReplicas) {
      return "not_enough_replicas: fewer replicas are in sync than min.insync.replicas, so that Kafka"
          + " takes no records; nothing is lost: start the brokers that are away, which pgoffload"
          + " status names (check replicas): "
          + words;
    }
    return lacksRight
        ? words + " (pgoffload acls prints the rights that each part needs)"
        : words.toString();
  }
}
