package org.pgoffload.results;

import java.util.concurrent.atomic.AtomicLong;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Counts the records that the usage leaves out because they are no results, for one line of the
/// log now and then: the write-back says of each what is wrong with it, and buries it.
///
/// Safe to share between threads.
final class SkippedRecords {
  private static final Logger LOG = LoggerFactory.getLogger(SkippedRecords.class);

  private final AtomicLong untold = new AtomicLong();

  void add() {
    untold.incrementAndGet();
  }

  /// Logs how many there were since the last time, if any.
  void tell() {
    long count = untold.getAndSet(0);
    if (count > 0) {
      LOG.warn(
          "Records on the results topic that are no results, and count as no usage: {}", count);
    }
  }
}
