package org.pgoffload.results;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.pgoffload.dev.servers.JavaProcess;
import org.pgoffload.protocol.Call;
import org.pgoffload.protocol.LlmUsage;
import org.pgoffload.protocol.Result;
import org.pgoffload.protocol.ResultHead;
import org.pgoffload.protocol.TokenCounts;
import org.pgoffload.telemetry.Telemetry;

final class UsageAppTest {
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  private static final int MOST_BEFORE_THE_KILL = 1000;

  private static final TestInstallation installation = TestInstallation.shared();

  @TempDir Path directory;

  @BeforeEach
  void emptyTopics() throws SQLException {
    installation.newTopics();
    installation.execute("truncate pgoffload.llm_usage_minute");
  }

  /// One test for all of it, because starts are what takes its time.
  @Test
  void usageReachesTheTableExactlyAcrossAKillAndTheLossOfTheStateDirectory() throws Exception {
    long first = TestInstallation.newIds(2 * MOST_BEFORE_THE_KILL);
    var sent = new ArrayList<Result>();
    var killed = startProcess();
    try {
      await()
          .pollInterval(Duration.ofMillis(50))
          .atMost(PATIENCE)
          .until(() -> {
            if (sent.size() < MOST_BEFORE_THE_KILL) {
              var more = results(first + sent.size(), 10);
              installation.send(more);
              sent.addAll(more);
            }
            return !total("sum(requests)").isEmpty();
          });
    } finally {
      killed.destroyForcibly();
      killed.waitFor();
    }
    int count = sent.size();
    assertThat(Integer.parseInt(total("sum(requests)"))).isBetween(1, count);
    forgetMembers();
    try (var _ = start()) {
      // repeated by a worker; and the one that lost
      installation.send(sent);
      installation.send(List.of(result(first + 7, 2)));
      awaitTotal(count, count + 1);
    }
    deleteDirectory();
    try (var _ = start()) {
      installation.send(sent);
      installation.send(List.of(result(first + 7, 2)));
      installation.send(results(first + count, 50));
      awaitTotal(count + 50, count + 51);
    }
    assertThat(total("sum(failed), sum(cached), sum(failed_calls), sum(input_tokens)"))
        .isEqualTo("0 0 0 " + 10 * (count + 51));
    assertThat(topicNeverShrinks()).isEqualTo((count + 50) + " " + (count + 51));
  }

  @Test
  void whatKeepsItFromCountingDoesNotKeepResultsFromBeingWritten() throws Exception {
    var results = results(TestInstallation.newIds(10), 10);
    for (var result : results) {
      installation.claim(result.id(), 3, result.requestedByOid());
    }
    installation.send(results);
    Files.delete(directory);
    Files.writeString(directory, "no directory");
    try (var _ = start()) {
      await().atMost(PATIENCE).until(() -> installation.written(results) == 10);
      assertThat(total("sum(requests)")).isEmpty();
      Files.delete(directory);
      awaitTotal(10, 10);
    }
  }

  /// Of each key, the counts grow from record to record; the sums of the last ones.
  private static String topicNeverShrinks() {
    var last = new HashMap<String, LlmUsage>();
    for (var record : installation.read(installation.topics().usage())) {
      var total = LlmUsage.read(record.value());
      var before = last.put(total.recordKey(), total);
      if (before != null) {
        assertThat(total.counts().requests()).isGreaterThanOrEqualTo(before.counts().requests());
        assertThat(total.counts().calls()).isGreaterThanOrEqualTo(before.counts().calls());
      }
    }
    return last.values().stream().mapToLong(usage -> usage.counts().requests()).sum()
        + " "
        + last.values().stream().mapToLong(usage -> usage.counts().calls()).sum();
  }

  private static String total(String sums) throws SQLException {
    return installation.query(
        "select concat_ws(' ', " + sums + ") from pgoffload.llm_usage_minute");
  }

  private static void awaitTotal(int requests, int calls) {
    await()
        .atMost(PATIENCE)
        .untilAsserted(
            () -> assertThat(total("sum(requests), sum(calls)")).isEqualTo(requests + " " + calls));
  }

  private ResultsApp start() {
    return ResultsApp.start(installation.configuration(directory), Telemetry.none());
  }

  /// The application in a process of its own, which can be killed.
  private Process startProcess() throws IOException {
    var builder =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED",
                ResultsProcess.class.getName(),
                installation.results().uri(),
                installation.topics().prefix(),
                String.valueOf(installation.kafka().get("bootstrap.servers")),
                directory.toString())
            .redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.DISCARD);
    builder.environment().put("CLASSPATH", JavaProcess.classPath());
    return builder.start();
  }

  /// Instead of waiting until the killed one's sessions are over.
  private static void forgetMembers() throws Exception {
    try (var admin = Admin.create(installation.kafka())) {
      for (var application : List.of(".results-writer", ".usage")) {
        admin
            .removeMembersFromConsumerGroup(
                installation.topics().prefix() + application,
                new RemoveMembersFromConsumerGroupOptions())
            .all()
            .get(30, TimeUnit.SECONDS);
      }
    }
  }

  private void deleteDirectory() throws IOException {
    try (var files = Files.walk(directory)) {
      for (var file : files.sorted(java.util.Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    }
  }

  private static List<Result> results(long from, int count) {
    var results = new ArrayList<Result>();
    for (int i = 0; i < count; i++) {
      results.add(result(from + i, 1));
    }
    return results;
  }

  private static Result result(long id, int attempt) {
    var call =
        new Call(
            "fake",
            "fake-1",
            "2026-01-02T03:04:00Z",
            1,
            new Call.Reply(null, null, 200, null, null),
            new TokenCounts(10, 0, 5, 0));
    // ids of three roles, which lie in the same partitions
    return new Result(
        new ResultHead(1, id, "ask", Result.SUCCEEDED, "role" + id % 3, 10 + id % 3, null),
        new Result.Outcome("answer", null, null, "stop"),
        new Result.Origin("fake", "fake-1", null),
        new Result.Tokens(10L, 0L, 5L, 0L),
        new Result.Run(attempt, 1.0, 2.0, "w", "2026-01-02T03:04:05Z"),
        null,
        new Result.Provenance(null, List.of(call), null),
        null);
  }
}
