package org.pgoffload.platform;

import org.slf4j.Logger;

/// Logs a fault that stays once, however often it is met.
///
/// Safe to share between threads.
public final class Complaint {
  private final Logger log;
  private volatile String words = "";

  /// @param log of the class that complains
  public Complaint(Logger log) {
    this.log = log;
  }

  /// Logs a warning, unless it is what was logged last and the fault has not ended since.
  ///
  /// @return whether it was logged
  public boolean of(String fault) {
    if (fault.equals(words)) {
      return false;
    }
    words = fault;
    log.warn("{}", fault);
    return true;
  }

  /// The fault has ended: the next one is logged, also if it is the same.
  public void end() {
    words = "";
  }

  /// The fault, if there is one, has ended, which is logged.
  public void end(String news) {
    if (stands()) {
      words = "";
      log.info("{}", news);
    }
  }

  /// Whether a fault has been met that has not ended.
  public boolean stands() {
    return !words.isEmpty();
  }

  /// The fault that has not ended, or empty.
  public String words() {
    return words;
  }
}
