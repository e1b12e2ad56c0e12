package org.pgoffload.dev.testkit.vendors;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/// Lets so many requests through in each second, as the vendors do: a rate that is not used within
/// a second is lost. Keeps account of all. Safe for any number of threads.
final class TokenBucket {
  private final int perSecond;
  private final List<Call> calls = new ArrayList<>();
  private double tokens;
  private long filledAt = System.nanoTime();

  private record Call(long at, boolean rejected) {}

  TokenBucket(int perSecond) {
    this.perSecond = perSecond;
    this.tokens = perSecond;
  }

  /// Whether one more request is let through.
  synchronized boolean take() {
    var now = System.nanoTime();
    tokens = Math.min(perSecond, tokens + (now - filledAt) * perSecond / 1e9);
    filledAt = now;
    var granted = tokens >= 1;
    if (granted) {
      tokens--;
    }
    calls.add(new Call(now, !granted));
    return granted;
  }

  /// The rest of the bucket, as a vendor tells it.
  synchronized StubLimits told() {
    var missing = Duration.ofMillis((long) ((perSecond - tokens) * 1_000 / perSecond));
    return new StubLimits(
        perSecond,
        (long) tokens,
        missing,
        1_000_000,
        1_000_000,
        Duration.ZERO,
        // A vendor's own clock, which nothing here can stop.
        Instant.now());
  }

  synchronized VendorStub.Served served(Duration after) {
    if (calls.isEmpty()) {
      return new VendorStub.Served(0, 0);
    }
    var from = calls.getFirst().at() + TimeUnit.NANOSECONDS.convert(after);
    var later = calls.stream().filter(call -> call.at() - from >= 0).toList();
    return new VendorStub.Served(later.size(), (int) later.stream().filter(Call::rejected).count());
  }
}
