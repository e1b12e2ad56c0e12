package org.pgoffload.dev.servers.kafka;

import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Properties;
import org.pgoffload.dev.servers.Processes;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The child process of [BrokerProcess]: a broker that ends when its standard input does, which
/// happens when its parent closes it and also when its parent is killed.
final class BrokerMain {

  /// Below the five seconds that a close may take.
  private static final Duration SHUTDOWN = Duration.ofSeconds(4);

  private static final Logger log = LoggerFactory.getLogger(BrokerMain.class);

  private BrokerMain() {}

  public static void main(String[] arguments) throws IOException {
    var settings = new Properties();
    try (var reader = Files.newBufferedReader(Path.of(arguments[0]))) {
      settings.load(reader);
    }
    // From the start on: the parent may be killed before the broker is ready.
    Thread.ofPlatform().daemon().name("parent-watch").start(BrokerMain::exitWithParent);
    try {
      var server = BrokerServer.start(settings);
      Runtime.getRuntime().addShutdownHook(Thread.ofPlatform().unstarted(server::stop));
    } catch (Throwable e) {
      log.error("The broker cannot start, and its process ends", e);
      System.exit(1); // Kafka's threads would keep a failed start alive
    }
  }

  private static void exitWithParent() {
    try (var input = new InputStreamReader(System.in, StandardCharsets.US_ASCII)) {
      while (input.read() >= 0) {
        // nothing is ever sent: only the end counts
      }
    } catch (IOException e) {
      log.warn("The parent cannot be watched any longer, so the broker ends", e);
    }
    Thread.ofPlatform()
        .daemon()
        .start(() -> {
          Processes.pause(SHUTDOWN);
          Runtime.getRuntime().halt(1); // the next start recovers, as after a kill
        });
    System.exit(0);
  }
}
