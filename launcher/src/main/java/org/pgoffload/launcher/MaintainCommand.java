package org.pgoffload.launcher;

import org.pgoffload.operations.MaintenanceApp;
import org.pgoffload.platform.hosting.RunPart;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/// `pgoffload maintain`.
@Command(
    name = "maintain",
    description = {
      "Removes requests and results that are older than the setting retention, from"
          + " tables and topics, every ten minutes until it is ended.",
      "Needs the login that has installed pgoffload."
    })
final class MaintainCommand extends ConfiguredCommand {
  @Option(names = "--once", description = "Do what is due and end, for a scheduler such as cron.")
  private boolean once;

  @Override
  public Integer call() throws Exception {
    if (once) {
      var configuration = ReadConfiguration.maintenance(settings());
      var out = out();
      var changes = MaintenanceApp.once(configuration);
      changes.forEach(out::println);
      if (changes.isEmpty()) {
        out.println("Nothing to do.");
      }
      out.flush();
      return 0;
    }
    return RunPart.run(
        this::settings,
        "maintenance",
        null,
        settings -> {
          var configuration = ReadConfiguration.maintenance(settings);
          return telemetry -> MaintenanceApp.start(configuration, telemetry);
        });
  }
}
