package org.pgoffload.schema;

import org.pgoffload.dev.servers.PostgresVersion;

/// Runs its tests on the oldest and on the newest supported version, which differ most, because all
/// four take their time; with `-Dpostgres=all` on each, with `-Dpostgres=V16` on that one.
public abstract class OnOldestAndNewestPostgres extends OnEveryPostgres {
  @Override
  public boolean wants(PostgresVersion version) {
    return System.getProperty("postgres") != null
        || version == PostgresVersion.V15
        || version == PostgresVersion.V18;
  }
}
