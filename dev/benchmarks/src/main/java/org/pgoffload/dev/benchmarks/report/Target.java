package org.pgoffload.dev.benchmarks.report;

/// What a figure has to reach.
///
/// @param bound the side on which it is reached
/// @param value in the figure's unit
public record Target(Bound bound, double value) {
  public enum Bound {
    AT_MOST("<="),
    AT_LEAST(">=");

    private final String sign;

    Bound(String sign) {
      this.sign = sign;
    }

    String sign() {
      return sign;
    }
  }

  public static Target atMost(double value) {
    return new Target(Bound.AT_MOST, value);
  }

  public static Target atLeast(double value) {
    return new Target(Bound.AT_LEAST, value);
  }

  boolean isReachedBy(double measured) {
    return switch (bound) {
      case AT_MOST -> measured <= value;
      case AT_LEAST -> measured >= value;
    };
  }
}
