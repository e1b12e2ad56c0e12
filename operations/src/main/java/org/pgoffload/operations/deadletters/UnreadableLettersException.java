package org.pgoffload.operations.deadletters;

/// Kafka does not answer, or does not let the dead letters be read.
public final class UnreadableLettersException extends RuntimeException {
  UnreadableLettersException(String why, Throwable cause) {
    super("the dead letters cannot be read: " + why, cause);
  }
}
