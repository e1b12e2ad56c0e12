package org.pgoffload.dev.servers;

import java.io.IOException;
import java.nio.file.Path;

/// A JVM of its own that holds a PostgreSQL: it prints the server's process id and ends when its
/// standard input does, without closing the server.
final class PostgresHolder {

  private PostgresHolder() {}

  public static void main(String[] arguments) throws IOException {
    var server = PostgresServer.start(PostgresOptions.kept(Path.of(arguments[0]), "holder's own"));
    System.out.println(server.processId());
    while (System.in.read() >= 0) {
      // only the end of the input matters
    }
  }
}
