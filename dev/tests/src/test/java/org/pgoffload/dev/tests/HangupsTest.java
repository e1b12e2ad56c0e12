package org.pgoffload.dev.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.pgoffload.dev.servers.JavaProcess;
import org.pgoffload.platform.hosting.Hangups;

/// SIGHUP, as a process gets it.
class HangupsTest {
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  @TempDir Path directory;

  /// A process that says when it listens, and each hang-up that it hears.
  static final class Listener {
    private Listener() {}

    public static void main(String[] arguments) throws InterruptedException {
      try (var hangups = Hangups.listen()) {
        System.out.println("listening");
        while (true) {
          hangups.awaitNext();
          System.out.println("heard");
        }
      }
    }
  }

  @Test
  void areHeard() throws Exception {
    var listener = start("env", "--default-signal=HUP");
    try {
      awaitOutput("listening");
      hangUp(listener);
      awaitOutput("heard");
      assertThat(output()).doesNotContain("SIGHUP is ignored");
    } finally {
      listener.destroyForcibly().onExit().join();
    }
  }

  @Test
  void aProcessThatGetsNoneSaysSo() throws Exception {
    var listener = start("nohup");
    try {
      awaitOutput("listening");
      assertThat(output()).contains("SIGHUP is ignored in this process");
    } finally {
      listener.destroyForcibly().onExit().join();
    }
  }

  private Process start(String... prefix) throws Exception {
    var command = new ArrayList<>(List.of(prefix));
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    // the command's own logging, not the tests'
    command.add("-Dlogback.configurationFile=logback.xml");
    command.add(Listener.class.getName());
    var builder =
        new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(file().toFile());
    builder.environment().put("CLASSPATH", JavaProcess.classPath());
    return builder.start();
  }

  private static void hangUp(Process process) throws Exception {
    assertThat(new ProcessBuilder("kill", "-HUP", String.valueOf(process.pid())).start().waitFor())
        .isZero();
  }

  private Path file() {
    return directory.resolve("output");
  }

  private String output() throws Exception {
    return Files.readString(file());
  }

  private void awaitOutput(String text) {
    await().atMost(PATIENCE).until(() -> output().contains(text));
  }
}
