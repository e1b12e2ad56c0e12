package org.pgoffload.dev.benchmarks;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.pgoffload.dev.benchmarks.BenchmarkResult.Floor;
import org.pgoffload.dev.benchmarks.BenchmarkResult.Hop;
import org.pgoffload.dev.benchmarks.BenchmarkResult.Latency;
import org.pgoffload.dev.benchmarks.BenchmarkResult.Round;
import org.pgoffload.dev.benchmarks.BenchmarkResult.Throughput;

class ReportTest {
  @Test
  void showsEverythingThatWasMeasured() {
    assertThat(Report.text(result(4.5, 6.25)))
        .isEqualTo(
            """
            Latency in ms, one caller          p50      p95      p99      max
              INSERT, then llm_wait           4.50     9.00    18.00    36.00
              llm_ask                         4.00     8.00    16.00    32.00
              pg_background_launch, read      5.00    10.00    20.00    40.00
              floor, in the same run          2.00     4.00     8.00    16.00
                plain INSERT and commit       0.25     0.50     1.00     2.00
                two bare Kafka hops           1.25     2.50     5.00    10.00
                result's row and commit       0.50     1.00     2.00     4.00

            Where the time goes, medians in ms while it is observed
              INSERT until it returns                0.50
              until the request is on its topic     -0.25

            Throughput in rows/s, 50,000 rows in one statement, median of 3 rounds
              answered, from the statement's start       8,000
              answered, from its commit                 10,000
              the INSERT itself                         40,000
              the same INSERT without trigger          100,000
                inserted in 1.25 s, all answered after 12.50 s: 4,000 rows/s
                inserted in 1.25 s, all answered after 6.25 s: 8,000 rows/s
                inserted in 1.25 s, all answered after 6.25 s: 8,000 rows/s
            Tasks launched and read in one statement: 1,234 a second

            Median latency 4.50 ms, 2.3 times the floor (target: at most 6 ms): met. Rate 8,000 rows/s (target: at least 5,400): met.
            """);
  }

  @Test
  void saysWhichTargetIsMissed() {
    assertThat(Report.text(result(6.5, 10)))
        .endsWith(
            "Median latency 6.50 ms, 3.3 times the floor (target: at most 6 ms): missed."
                + " Rate 5,000 rows/s (target: at least 5,400): missed.\n");
  }

  private static BenchmarkResult result(double latency, double answeredSeconds) {
    return new BenchmarkResult(
        new BenchmarkPlan(1000, 300, 50_000, 3),
        new Floor(doubling(0.25), doubling(1.25), doubling(0.5), doubling(2)),
        new Latency(doubling(latency), doubling(4), doubling(5)),
        List.of(
            new Hop("INSERT until it returns", 0.5),
            new Hop("until the request is on its topic", -0.25)),
        new Throughput(
            List.of(
                new Round(50_000, 0.5, 1.25, 12.5),
                new Round(50_000, 0.5, 1.25, answeredSeconds),
                new Round(50_000, 0.5, 1.25, answeredSeconds))),
        1234);
  }

  private static Percentiles doubling(double p50) {
    return new Percentiles(1000, p50, 2 * p50, 4 * p50, 8 * p50);
  }
}
