package org.pgoffload.console.usage;

import java.math.BigDecimal;
import java.time.Instant;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import org.pgoffload.console.web.Words;

/// Usage over a span of time, by step, and by role, provider and model.
///
/// @param steps all of the span, the earliest first
/// @param parts those that used the most tokens first
/// @param hasMore whether there are more parts than are shown
/// @param costs a sum for each currency
public record Usage(
    UsageFilter filter,
    List<Step> steps,
    List<Part> parts,
    boolean hasMore,
    List<Cost> costs,
    List<Budget> budgets) {

  /// What was used.
  ///
  /// @param cached of the requests, answered from the cache
  public record Counts(
      long requests, long failed, long cached, long calls, long inputTokens, long outputTokens) {
    static final Counts NONE = new Counts(0, 0, 0, 0, 0, 0);

    Counts plus(Counts other) {
      return new Counts(
          requests + other.requests,
          failed + other.failed,
          cached + other.cached,
          calls + other.calls,
          inputTokens + other.inputTokens,
          outputTokens + other.outputTokens);
    }
  }

  /// A step of time.
  public record Step(Instant at, Counts counts) {}

  /// A role's use of a model.
  ///
  /// @param provider or null for requests that ended before any was asked
  /// @param cost or null where the model has no price
  public record Part(
      String role,
      @Nullable String provider,
      @Nullable String model,
      Counts counts,
      @Nullable Cost cost) {}

  /// An amount of money.
  public record Cost(BigDecimal amount, String currency) {
    /// With four digits behind the point for what is less than a hundred.
    public String words() {
      var form = amount.abs().compareTo(BigDecimal.valueOf(100)) < 0 ? "%.4f" : "%,.2f";
      return String.format(Locale.ROOT, form, amount) + " " + currency;
    }
  }

  /// A budget of a role.
  ///
  /// @param period `hour`, `day` or `month`
  /// @param limit in words
  /// @param used in words
  /// @param percent of the limit that is used, at most 100
  public record Budget(
      String role,
      String period,
      String limit,
      String used,
      String left,
      int percent,
      Instant beginsAnew) {}

  /// The sum of all steps.
  public Counts sum() {
    return steps.stream().map(Step::counts).reduce(Counts.NONE, Counts::plus);
  }

  /// The chart of tokens.
  public String tokensChart() {
    return chart(
        List.of("input", "output"),
        steps.stream().map(step -> step.counts().inputTokens()).toList(),
        steps.stream().map(step -> step.counts().outputTokens()).toList());
  }

  /// The chart of requests.
  public String requestsChart() {
    return chart(
        List.of("ended", "failed"),
        steps.stream().map(step -> step.counts().requests()).toList(),
        steps.stream().map(step -> step.counts().failed()).toList());
  }

  private String chart(List<String> labels, List<Long> first, List<Long> second) {
    return Words.chart(
        steps.stream().map(step -> step.at().getEpochSecond()).toList(),
        labels,
        List.of(first, second));
  }
}
