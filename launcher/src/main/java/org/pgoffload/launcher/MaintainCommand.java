package org.pgoffload.launcher;

import java.util.concurrent.Callable;
import org.pgoffload.operations.MaintenanceApp;
import org.pgoffload.platform.hosting.RunPart;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/// `pgoffload maintain`.
@Command(
    name = "maintain",
    description = {
      "Removes requests and results that are older than the setting retention, from"
          + " tables and topics, every ten minutes until it is ended.",
      "Needs the login that has installed pgoffload."
    },
    mixinStandardHelpOptions = true,
    versionProvider = ShowVersion.class)
final class MaintainCommand implements Callable<Integer> {
  @Spec private CommandSpec spec = CommandSpec.create();
  @Mixin private EnvironmentOptions options = new EnvironmentOptions();

  @Option(names = "--once", description = "Do what is due and end, for a scheduler such as cron.")
  private boolean once;

  @Override
  public Integer call() throws Exception {
    if (once) {
      var configuration = ReadConfiguration.maintenance(options.settings());
      var out = spec.commandLine().getOut();
      var changes = MaintenanceApp.once(configuration);
      changes.forEach(out::println);
      if (changes.isEmpty()) {
        out.println("Nothing to do.");
      }
      out.flush();
      return 0;
    }
    return RunPart.run(
        options::settings,
        "maintenance",
        null,
        settings -> {
          var configuration = ReadConfiguration.maintenance(settings);
          return telemetry -> MaintenanceApp.start(configuration, telemetry);
        });
  }
}
