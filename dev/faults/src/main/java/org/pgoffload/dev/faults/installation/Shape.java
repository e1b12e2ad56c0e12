package org.pgoffload.dev.faults.installation;

import java.util.Map;
import org.pgoffload.dev.servers.PostgresVersion;

/// The servers of an installation.
///
/// @param version of PostgreSQL
/// @param standby of PostgreSQL
/// @param brokers one or three
/// @param settings of PostgreSQL, beside the usual ones
public record Shape(
    PostgresVersion version, Standby standby, int brokers, Map<String, String> settings) {

  /// The standby of an installation.
  public enum Standby {
    /// There is none.
    NONE,
    /// Commits and the capture do not wait for it.
    ASYNCHRONOUS,
    /// Each commit waits for it, and from 17 on the capture too.
    SYNCHRONOUS
  }

  /// One server of each. Where a fault makes commits wait for a standby, those of the role that
  /// asks alone wait.
  public static final Shape USUAL =
      new Shape(PostgresVersion.V18, Standby.NONE, 1, Map.of("synchronous_commit", "local"));

  public Shape {
    settings = Map.copyOf(settings);
    if (brokers != 1 && brokers != 3) {
      throw new IllegalArgumentException("there are one or three brokers, not " + brokers);
    }
  }

  /// Whether a standby has the slots that were made for fail-over.
  boolean synchronisesSlots() {
    return version.compareTo(PostgresVersion.V17) >= 0;
  }

  /// With a standby of PostgreSQL.
  public static Shape with(Standby standby, PostgresVersion version) {
    return new Shape(version, standby, 1, Map.of());
  }

  /// With three brokers.
  public static Shape ofThreeBrokers() {
    return new Shape(USUAL.version(), Standby.NONE, 3, USUAL.settings());
  }

  /// With a data directory that fits a small disk.
  public static Shape small() {
    return new Shape(
        USUAL.version(), Standby.NONE, 1, Map.of("max_wal_size", "64MB", "min_wal_size", "32MB"));
  }
}
