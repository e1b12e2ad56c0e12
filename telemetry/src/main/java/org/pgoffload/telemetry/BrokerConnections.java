package org.pgoffload.telemetry;

import java.util.Collection;
import java.util.List;
import org.apache.kafka.common.Metric;

/// Whether any broker answers a Kafka client, by the client's own count of connections.
///
/// Safe to share between threads.
public final class BrokerConnections {
  private static final String COUNT = "connection-count";

  private final List<Metric> counts;

  private BrokerConnections(List<Metric> counts) {
    this.counts = counts;
  }

  /// Watches a client.
  ///
  /// @param metrics the client's own; those of its single brokers are left out
  public static BrokerConnections of(Collection<? extends Metric> metrics) {
    return new BrokerConnections(
        metrics.stream()
            .filter(metric -> metric.metricName().name().equals(COUNT))
            .filter(metric -> metric.metricName().group().matches("(consumer|producer)-metrics"))
            .<Metric>map(metric -> metric)
            .toList());
  }

  /// Whether there is none, as far as is known.
  public boolean none() {
    return !counts.isEmpty()
        && counts.stream()
            .allMatch(count -> count.metricValue() instanceof Double open && open == 0);
  }
}
