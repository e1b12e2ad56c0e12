package org.pgoffload.worker.llm.calls;

/// A steady rate with a little room for bursts, as a theoretical time of arrival (the generic cell
/// rate algorithm). Not thread-safe.
final class Pace {
  private static final double NANOS = 1e9;

  /// So much of a rate may be used at once.
  private final double burstSeconds;

  private double perSecond = Double.POSITIVE_INFINITY;

  /// When everything taken so far has been earned; in nanoseconds.
  private double paidAt;

  Pace(double burstSeconds, long now) {
    this.burstSeconds = burstSeconds;
    this.paidAt = now;
  }

  double perSecond() {
    return perSecond;
  }

  void perSecond(double rate) {
    perSecond = rate;
  }

  /// Nanoseconds until anything may be taken; 0 for now. What is larger than a burst is taken all
  /// the same, and the next one waits for it.
  long waitFor(long now) {
    if (perSecond == Double.POSITIVE_INFINITY) {
      return 0;
    }
    double ahead = paidAt - now - Math.max(burstSeconds, 1e-3) * NANOS;
    return ahead <= 0 ? 0 : (long) Math.ceil(ahead);
  }

  /// Takes an amount; a negative one gives it back.
  void take(double amount, long now) {
    if (perSecond != Double.POSITIVE_INFINITY) {
      paidAt = Math.max(paidAt, (double) now) + amount / perSecond * NANOS;
    }
  }

  /// Nothing of what was not used before counts any more.
  void beginAt(long now) {
    paidAt = now + Math.max(burstSeconds, 1e-3) * NANOS;
  }
}
