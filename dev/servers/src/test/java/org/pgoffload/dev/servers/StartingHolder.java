package org.pgoffload.dev.servers;

import java.nio.file.Path;
import org.pgoffload.dev.servers.kafka.BrokerOptions;
import org.pgoffload.dev.servers.kafka.BrokerProcess;

/// A JVM of its own that starts a server which its hooks would not end once it has started: what
/// ends it while it is starting is the start itself.
final class StartingHolder {

  private StartingHolder() {}

  static final class Postgres {
    private Postgres() {}

    public static void main(String[] arguments) {
      PostgresServer.start(
          PostgresOptions.kept(Path.of(arguments[0]), "holder's own").withEndWithJvm(false));
    }
  }

  static final class Broker {
    private Broker() {}

    public static void main(String[] arguments) {
      BrokerProcess.start(BrokerOptions.kept(Path.of(arguments[0])).withEndWithJvm(false));
    }
  }
}
