package org.pgoffload.dev.tests;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.pgoffload.dev.servers.JavaProcess;

/// A distributed worker of Kafka Connect as a child process, on JDK 17 where there is one, with
/// nothing of ours but the plugin archive. Killed on close.
record ConnectWorker(Process process, Path logFile, URI rest) implements AutoCloseable {
  /// What a worker's class path has of the tests': Kafka's, and what its REST API runs on.
  private static final List<String> NOT_OF_CONNECT =
      List.of("/io/debezium/", "pgoffload", "/org/postgresql/", "/target/", "/io/zonky/");

  private static final HttpClient HTTP = HttpClient.newHttpClient();
  private static final ObjectMapper JSON = new ObjectMapper();

  /// @param pluginPath holds the unpacked archive
  /// @param more properties of the worker
  static ConnectWorker start(
      Path directory, Path pluginPath, String bootstrapServers, Map<String, String> more) {
    try {
      int port;
      try (var free = new ServerSocket(0)) {
        port = free.getLocalPort();
      }
      var properties =
          """
          bootstrap.servers=%s
          group.id=connect
          key.converter=org.apache.kafka.connect.json.JsonConverter
          value.converter=org.apache.kafka.connect.json.JsonConverter
          config.storage.topic=connect-configs
          offset.storage.topic=connect-offsets
          status.storage.topic=connect-status
          config.storage.replication.factor=1
          offset.storage.replication.factor=1
          offset.storage.partitions=1
          status.storage.replication.factor=1
          status.storage.partitions=1
          offset.flush.interval.ms=500
          session.timeout.ms=6000
          heartbeat.interval.ms=1000
          scheduled.rebalance.max.delay.ms=0
          plugin.path=%s
          plugin.discovery=service_load
          listeners=http://127.0.0.1:%d
          config.providers=file
          config.providers.file.class=org.apache.kafka.common.config.provider.FileConfigProvider
          """
                  .formatted(bootstrapServers, pluginPath, port)
              + more.entrySet().stream()
                  .map(entry -> entry.getKey() + "=" + entry.getValue() + "\n")
                  .collect(Collectors.joining());
      var file = Files.writeString(Files.createTempFile(directory, "connect", ".conf"), properties);
      var log = Files.createTempFile(directory, "connect", ".log");
      var logging =
          Files.writeString(
              Files.createTempFile(directory, "logback", ".xml"),
              """
              <configuration>
                <appender name="out" class="ch.qos.logback.core.ConsoleAppender">
                  <encoder><pattern>%d{HH:mm:ss.SSS} %level %logger{20} %msg%n</pattern></encoder>
                </appender>
                <root level="INFO"><appender-ref ref="out"/></root>
              </configuration>
              """);
      var builder =
          new ProcessBuilder(
                  javaHome().resolve("bin/java").toString(),
                  "-Xmx256m",
                  "-Dlogback.configurationFile=" + logging,
                  "org.apache.kafka.connect.cli.ConnectDistributed",
                  file.toString())
              .redirectErrorStream(true)
              .redirectOutput(log.toFile());
      builder.environment().put("CLASSPATH", classPath());
      return new ConnectWorker(builder.start(), log, URI.create("http://127.0.0.1:" + port));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /// Connect clusters run older Java than we do; without one, our own serves.
  static Path javaHome() throws IOException {
    var named = System.getenv("JAVA17_HOME");
    if (named != null) {
      return Path.of(named);
    }
    var installed = Path.of("/usr/lib/jvm");
    if (Files.isDirectory(installed)) {
      try (Stream<Path> homes = Files.list(installed)) {
        var found =
            homes
                .filter(home ->
                    String.valueOf(home.getFileName()).contains("17")
                        && Files.isExecutable(home.resolve("bin/java")))
                .findFirst();
        if (found.isPresent()) {
          return found.get();
        }
      }
    }
    return Path.of(System.getProperty("java.home"));
  }

  private static String classPath() {
    var ours = JavaProcess.classPath();
    return Arrays.stream(ours.split(File.pathSeparator))
        .filter(entry -> NOT_OF_CONNECT.stream().noneMatch(entry::contains))
        .collect(Collectors.joining(File.pathSeparator));
  }

  /// What the worker answers, as JSON.
  ///
  /// @throws IOException if it is not there yet
  JsonNode get(String path) throws IOException, InterruptedException {
    return JSON.readTree(send("GET", path, "").body());
  }

  HttpResponse<String> send(String method, String path, String body)
      throws IOException, InterruptedException {
    return HTTP.send(
        HttpRequest.newBuilder(rest.resolve(path))
            .header("Content-Type", "application/json")
            .method(method, HttpRequest.BodyPublishers.ofString(body))
            .build(),
        HttpResponse.BodyHandlers.ofString());
  }

  /// The state of the connector's task: RUNNING, FAILED …, or why there is none.
  String taskState(String connector) {
    try {
      return get("/connectors/" + connector + "/status")
          .path("tasks")
          .path(0)
          .path("state")
          .asText("no task");
    } catch (IOException e) {
      return process.isAlive() ? "no answer" : "ended:\n" + log();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return "interrupted";
    }
  }

  String log() {
    try {
      return Files.readString(logFile, StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /// As by `kill -9`.
  @Override
  public void close() {
    process.destroyForcibly().onExit().join();
  }
}
