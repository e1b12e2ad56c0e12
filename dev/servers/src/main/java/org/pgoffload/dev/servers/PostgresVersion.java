package org.pgoffload.dev.servers;

/// The major versions of PostgreSQL that pgoffload supports. Only [#V18] is shipped; the binaries
/// of the others are looked for in the directory that the system property
/// `pgoffload.postgres.binaries` names.
public enum PostgresVersion {
  V15(15),
  V16(16),
  V17(17),
  V18(18);

  private final int major;

  PostgresVersion(int major) {
    this.major = major;
  }

  /// The number before the dot.
  public int major() {
    return major;
  }
}
