package org.pgoffload.dev.benchmarks.processor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ProcessorTimeTest {
  @TempDir private Path proc;

  @Test
  void isThatOfAProcessAndOfAllBelowIt() throws IOException {
    process(1, "init", 0, 1000, 0);
    process(100, "java", 1, 50, 1);
    process(110, "java", 100, 20, 0);
    process(120, "postgres", 100, 5, 300);
    process(121, "postgres", 120, 7, 0);
    process(200, "java", 1, 9000, 0);

    assertThat(ProcessorTime.read(proc, 100).parts())
        .isEqualTo(
            Map.of(
                "JVM", Duration.ofMillis(510),
                "Kafka", Duration.ofMillis(200),
                "PostgreSQL", Duration.ofMillis(3120)));
  }

  @Test
  void countsABackendThatHasEnded() throws IOException {
    process(100, "java", 1, 10, 0);
    process(120, "postgres", 100, 5, 0);
    process(121, "postgres", 120, 7, 0);
    var before = ProcessorTime.read(proc, 100);
    Files.delete(proc.resolve("121").resolve("stat"));
    process(120, "postgres", 100, 6, 9);

    var used = ProcessorTime.read(proc, 100).since(before);

    assertThat(used.of("PostgreSQL")).isEqualTo(Duration.ofMillis(30));
    assertThat(used.total()).isEqualTo(Duration.ofMillis(30));
    assertThat(used.and(used).total()).isEqualTo(Duration.ofMillis(60));
  }

  @Test
  void tellsWhatTheCompilersOfTheJvmsHaveUsed() throws IOException {
    process(100, "java", 1, 500, 0);
    process(110, "java", 100, 200, 0);
    process(120, "postgres", 100, 5, 0);
    process(200, "java", 1, 9000, 0);
    thread(100, 101, "C1 CompilerThre", 30);
    thread(100, 102, "C2 CompilerThre", 40);
    thread(100, 103, "main", 400);
    thread(110, 111, "C2 CompilerThre", 7);
    thread(200, 201, "C2 CompilerThre", 800);

    assertThat(ProcessorTime.ofCompilers(proc, 100)).isEqualTo(Duration.ofMillis(770));
  }

  @Test
  void hasTheWorkOfThisProcess() {
    assumeTrue(ProcessorTime.isTold());
    var before = ProcessorTime.now();
    var threads = ManagementFactory.getThreadMXBean();
    long begun = threads.getCurrentThreadCpuTime();
    while (threads.getCurrentThreadCpuTime() - begun < TimeUnit.MILLISECONDS.toNanos(200)) {
      Thread.onSpinWait();
    }

    // the file's unit is 10 ms, of each of its numbers
    assertThat(ProcessorTime.now().since(before).of("JVM"))
        .isGreaterThanOrEqualTo(Duration.ofMillis(160));
  }

  @Test
  void isRefusedWhereTheSystemDoesNotTellIt() {
    assertThatThrownBy(() -> ProcessorTime.read(proc, 100))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("100/stat is missing, which Linux has");
    assertThatThrownBy(() -> ProcessorTime.read(proc.resolve("none"), 100))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("cannot be read, which Linux has");
  }

  private void process(long id, String name, long parent, int own, int ended) throws IOException {
    var directory = Files.createDirectories(proc.resolve(Long.toString(id)));
    Files.createDirectories(directory.resolve("task"));
    stat(directory, id, name, parent, own, ended);
  }

  private void thread(long process, long id, String name, int own) throws IOException {
    var directory = proc.resolve(Long.toString(process)).resolve("task");
    stat(Files.createDirectories(directory.resolve(Long.toString(id))), id, name, process, own, 0);
  }

  private static void stat(Path directory, long id, String name, long parent, int own, int ended)
      throws IOException {
    Files.writeString(
        directory.resolve("stat"),
        id
            + " ("
            + name
            + ") S "
            + parent
            + " 1 1 0 -1 0 0 0 0 0 "
            + own
            + " 0 "
            + ended
            + " 0 20");
  }
}
