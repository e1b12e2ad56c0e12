package org.pgoffload.dev.launcher;

import java.sql.SQLException;
import java.util.EnumSet;
import java.util.concurrent.CountDownLatch;
import org.pgoffload.launcher.PgoffloadCommand;
import org.pgoffload.launcher.ReadConfiguration;
import org.pgoffload.platform.hosting.RunUntilShutdown;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/// `pgoffload demo`.
@Command(
    name = "demo",
    description =
        "Starts everything on this machine, tells the story in SQL, and leaves nothing running.")
final class DemoCommand extends PgoffloadCommand {
  @Option(
      names = "--keep",
      description = "Stay up after the story, with the console, until Ctrl-C.")
  private boolean keep;

  @Override
  public Integer call() throws InterruptedException, SQLException {
    var out = out();
    var begun = System.nanoTime();
    var options =
        new LocalOptions(
            Directory.temporary(),
            false,
            0,
            0,
            keep ? EnumSet.allOf(Part.class) : EnumSet.complementOf(EnumSet.of(Part.CONSOLE)),
            ReadConfiguration.withEchoIfLeftOpen(System.getenv()));
    if (!options.environment().equals(System.getenv())) {
      out.println(Announcements.ECHO);
    }
    var installation =
        LocalInstallation.start(
            options,
            step -> {
              out.printf("[%5.1f s] %s%n", (System.nanoTime() - begun) / 1e9, step);
              out.flush();
            });
    try (var _ = new RunUntilShutdown(installation)) {
      new Story(installation, out).tell();
      if (keep) {
        out.print(Announcements.ready(installation));
        out.flush();
        new CountDownLatch(1).await();
      }
    }
    out.printf("[%5.1f s] everything has ended%n", (System.nanoTime() - begun) / 1e9);
    out.flush();
    return 0;
  }
}
