package org.pgoffload.launcher;

import org.pgoffload.console.ConsoleApp;
import org.pgoffload.platform.hosting.RunPart;
import picocli.CommandLine.Command;

/// `pgoffload console`.
@Command(
    name = "console",
    description = {
      "Serves the console, a web page for those who run the system and those who ask it, until it"
          + " is ended.",
      "Prints its address. It has no login of its own: readers sign in with roles of the database."
    })
final class ConsoleCommand extends ConfiguredCommand {
  @Override
  public Integer call() throws InterruptedException {
    var out = out();
    return RunPart.runWithoutLogin(
        this::settings,
        "console",
        settings -> {
          var configuration = ReadConsoleConfiguration.from(settings);
          return _ -> {
            var console = ConsoleApp.start(configuration);
            out.println(console.url());
            out.flush();
            return console;
          };
        });
  }
}
