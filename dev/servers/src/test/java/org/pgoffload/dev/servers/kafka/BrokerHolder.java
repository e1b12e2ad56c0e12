package org.pgoffload.dev.servers.kafka;

import java.io.IOException;
import java.nio.file.Path;

/// A JVM of its own that holds a broker: it prints the broker's process id and ends when its
/// standard input does, without closing the broker.
final class BrokerHolder {

  private BrokerHolder() {}

  public static void main(String[] arguments) throws IOException {
    var broker = BrokerProcess.start(BrokerOptions.kept(Path.of(arguments[0])));
    System.out.println(broker.processId());
    while (System.in.read() >= 0) {
      // only the end of the input matters
    }
  }
}
