package org.pgoffload.dev.servers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
final class ChildStartTest {

  @TempDir Path directory;

  @Test
  void leavesNoInitdbWhenItsJvmIsTerminated() throws Exception {
    terminateOnceItRuns(StartingHolder.Postgres.class, directory.resolve("cluster.unfinished"));
    assertThat(directory.resolve("cluster.password")).doesNotExist();
    assertThat(directory.resolve("cluster")).doesNotExist();
  }

  @Test
  void leavesNoPostgresWhenItsJvmIsTerminated() throws Exception {
    PostgresServer.start(PostgresOptions.kept(directory, "holder's own")).close();
    var cluster = directory.resolve("cluster");
    // A standby that lets nobody in is never ready, so that its start is always interrupted.
    Files.createFile(cluster.resolve("standby.signal"));
    Files.writeString(
        cluster.resolve("postgresql.auto.conf"), "hot_standby = off\n", StandardOpenOption.APPEND);
    terminateOnceItRuns(StartingHolder.Postgres.class, cluster);
    assertThat(cluster.resolve("postmaster.pid")).doesNotExist();
  }

  @Test
  void leavesNoBrokerWhenItsJvmIsTerminated() throws Exception {
    terminateOnceItRuns(StartingHolder.Broker.class, directory.resolve("broker.properties"));
  }

  @Test
  void endsAChildThatWasNotHandedOver() throws IOException {
    Process child;
    try (var start = new ChildStart()) {
      child = start.spawn(new ProcessBuilder("sleep", "60"));
      assertThat(child.isAlive()).isTrue();
    }
    assertThat(child.isAlive()).isFalse();
  }

  @Test
  void leavesAChildThatWasHandedOver() throws IOException {
    Process child;
    try (var start = new ChildStart()) {
      child = start.spawn(new ProcessBuilder("sleep", "60"));
      start.handOver();
    }
    assertThat(child.isAlive()).isTrue();
    child.destroyForcibly();
  }

  /// Starts the main class, sends it SIGTERM once a child of it has that argument, and expects that
  /// no such process is left when it has ended.
  private void terminateOnceItRuns(Class<?> main, Path argument) throws IOException {
    var jvm =
        Holder.builder(main, directory)
            .redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .start();
    try {
      await()
          .atMost(Duration.ofSeconds(30))
          .pollInterval(Duration.ofMillis(5))
          .until(() -> jvm.descendants().anyMatch(child -> has(child, argument)));
      jvm.destroy();
      await().atMost(Duration.ofSeconds(30)).until(() -> !jvm.isAlive());
      assertThat(left(argument)).isEmpty();
    } finally {
      jvm.destroyForcibly();
      left(argument).forEach(ProcessHandle::destroyForcibly);
    }
  }

  private static List<ProcessHandle> left(Path argument) {
    return ProcessHandle.allProcesses().filter(process -> has(process, argument)).toList();
  }

  private static boolean has(ProcessHandle process, Path argument) {
    return process.info().arguments().stream()
        .flatMap(Arrays::stream)
        .anyMatch(argument.toString()::equals);
  }
}
