package org.pgoffload.worker;

import org.pgoffload.protocol.Envelope;

/// A verified request, with the place it was received from.
///
/// @param envelope what is asked
/// @param bytes the envelope as it was signed
/// @param finish tells the partition's watermark that the record needs nothing any more; idempotent
record ReceivedRequest(Envelope envelope, byte[] bytes, Runnable finish) {
  long id() {
    return envelope.id();
  }

  int size() {
    return bytes.length;
  }

  @Override
  public String toString() {
    return "ReceivedRequest[id=" + id() + "]";
  }
}
