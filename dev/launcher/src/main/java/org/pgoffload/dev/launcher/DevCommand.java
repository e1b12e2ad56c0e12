package org.pgoffload.dev.launcher;

import java.nio.file.Path;
import java.util.EnumSet;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import org.jspecify.annotations.Nullable;
import org.pgoffload.launcher.PgoffloadCommand;
import org.pgoffload.launcher.ReadConfiguration;
import org.pgoffload.platform.hosting.RunUntilShutdown;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/// `pgoffload dev`.
@Command(
    name = "dev",
    description =
        "Starts a real PostgreSQL, a real Kafka broker and every part on this machine, until Ctrl-C.")
final class DevCommand extends PgoffloadCommand {
  @Option(
      names = "--data-dir",
      paramLabel = "DIR",
      description = "Keep the data in DIR between runs; default: a temporary directory.")
  private @Nullable Path dataDirectory;

  @Option(
      names = "--port",
      paramLabel = "PORT",
      description = "PostgreSQL's port on 127.0.0.1; default: a free one.")
  private int port;

  @Option(
      names = "--kafka-port",
      paramLabel = "PORT",
      description = "Kafka's port on 127.0.0.1; default: a free one.")
  private int kafkaPort;

  @Option(
      names = "--parts",
      split = ",",
      paramLabel = "PART",
      description =
          "What to start: postgres,kafka,producer,worker,results,maintenance,console; default: all.")
  private Set<Part> parts = EnumSet.allOf(Part.class);

  @Option(
      names = "--ready-file",
      paramLabel = "FILE",
      description = "Write a JSON with the addresses to FILE once everything answers.")
  private @Nullable Path readyFile;

  @Override
  public Integer call() throws InterruptedException {
    var out = out();
    checkPort("--port", port);
    checkPort("--kafka-port", kafkaPort);
    var environment =
        parts.contains(Part.WORKER)
            ? ReadConfiguration.withEchoIfLeftOpen(System.getenv())
            : System.getenv();
    if (readyFile != null) {
      ReadyFile.remove(readyFile);
    }
    var options =
        new LocalOptions(
            dataDirectory == null ? Directory.temporary() : dataDirectory,
            dataDirectory != null,
            port,
            kafkaPort,
            parts,
            environment);
    if (!environment.equals(System.getenv())) {
      out.println(Announcements.ECHO);
    }
    var installation =
        LocalInstallation.start(
            options,
            step -> {
              out.println(step);
              out.flush();
            });
    AutoCloseable everything =
        () -> {
          if (readyFile != null) {
            ReadyFile.remove(readyFile);
          }
          installation.close();
        };
    try (var _ = new RunUntilShutdown(everything)) {
      if (readyFile != null) {
        ReadyFile.write(readyFile, installation);
      }
      out.print(Announcements.ready(installation));
      out.flush();
      new CountDownLatch(1).await();
      return 0;
    }
  }

  private void checkPort(String option, int value) {
    if (value < 0 || value > 65_535) {
      throw usageError(option + " must be from 1 to 65535, or 0 for a free one, not " + value);
    }
  }
}
