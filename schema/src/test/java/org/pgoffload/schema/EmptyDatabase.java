package org.pgoffload.schema;

import org.pgoffload.dev.servers.PostgresVersion;
import org.pgoffload.platform.DatabaseAddress;

/// A database without the schema, of one test, on the server that all classes share.
///
/// @param address the superuser's
public record EmptyDatabase(TestServer server, DatabaseAddress address) implements AutoCloseable {
  public static EmptyDatabase of(PostgresVersion version) {
    var server = TestServer.of(version);
    return new EmptyDatabase(server, server.newEmptyDatabase());
  }

  @Override
  public void close() {
    server.drop(address);
  }
}
