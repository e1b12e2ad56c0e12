package org.pgoffload.launcher;

import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.pgoffload.operations.InstallSlot;
import org.pgoffload.operations.RecordPrimary;
import org.pgoffload.operations.TopicSettings;
import org.pgoffload.operations.deadletters.Printable;
import org.pgoffload.operations.removal.RemoveSchema;
import org.pgoffload.operations.removal.RemoveTopics;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.protocol.TopicNames;
import org.pgoffload.schema.InstallException;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/// `pgoffload uninstall`.
@Command(
    name = "uninstall",
    description = {
      "Removes what install has made: the schema pgoffload, the objects of the public"
          + " schema, the publication, the replication slot, and the roles that nothing else"
          + " uses.",
      "Says what, and asks. Whatever depends on it is named and keeps it from being"
          + " removed. Needs the login that has installed pgoffload, and every part ended. Safe"
          + " to run again."
    })
final class UninstallCommand extends ConfiguredCommand {
  @Option(
      names = "--topics",
      description =
          "Remove the topics and the parts' consumer groups as well, with all results on them.")
  private boolean withTopics;

  @Option(
      names = "--discard-unanswered",
      description = "Also if there are requests without a result, which are gone then.")
  private boolean discardUnanswered;

  @Option(names = "--yes", description = "Do not ask.")
  private boolean yes;

  @Override
  public Integer call() {
    var settings = settings();
    var given = settings.database(null);
    var names = settings.topics();
    var configuredSlot = InstallCommand.slot(settings);
    Map<String, Object> kafka = withTopics ? settings.kafka() : null;
    settings.check();
    var out = out();

    // a copy, or an old primary that has returned, has the names of the running installation's
    var address = Objects.requireNonNull(given);
    var database =
        kafka == null ? RecordPrimary.only(address) : RecordPrimary.own(address, kafka, names);
    var plan = RemoveSchema.plan(database);
    var slot = plan.slot().orElse(configuredSlot);
    var removes = new ArrayList<String>();
    if (InstallSlot.isOfThisDatabase(database, slot)) {
      removes.add("replication slot " + slot);
    }
    removes.addAll(plan.removed());
    if (kafka != null) {
      // after an interrupted removal nothing is recorded any more
      if (plan.slot().isPresent()) {
        refuseOthersTopics(database, names);
      }
      removes.addAll(RemoveTopics.find(kafka, names).lines());
    }
    if (removes.isEmpty()) {
      out.println("Nothing to do: pgoffload is not installed in " + database + ".");
      out.flush();
      return 0;
    }
    say(out, database, removes, plan);
    if (plan.unanswered() > 0 && !discardUnanswered) {
      err()
          .println(
              "pgoffload uninstall: "
                  + plan.unansweredWords()
                  + ". Have workers answer them, or discard them with --discard-unanswered.");
      return CommandLine.ExitCode.SOFTWARE;
    }
    if (!yes && !isConfirmed(database)) {
      return CommandLine.ExitCode.USAGE;
    }
    remove(database, slot, kafka, names);
    out.println("Removed pgoffload from " + database + ".");
    if (kafka == null) {
      out.println(
          "The topics "
              + names.prefix()
              + ".* are kept: --topics removes them. No other installation can use"
              + " them.");
    }
    out.flush();
    return 0;
  }

  private static void refuseOthersTopics(DatabaseAddress database, TopicNames names) {
    var recorded = TopicSettings.read(database);
    if (recorded.areOthers(names)) {
      throw new InstallException(
          "the topics "
              + names.prefix()
              + ".* are not those of "
              + database
              + ", whose topics of requests are "
              + recorded.requests().replaceAll("=[^,]*", "").replace(",", ", ")
              + ". Say its prefix with --topic-prefix. Nothing has changed",
          null);
    }
  }

  private void remove(
      DatabaseAddress database,
      String slot,
      @Nullable Map<String, Object> kafka,
      TopicNames names) {
    RemoveSchema.run(database, discardUnanswered);
    // an interrupted removal goes on here, once the schema is gone
    InstallSlot.remove(database, slot);
    if (kafka != null) {
      RemoveTopics.run(kafka, names);
    }
  }

  private static void say(
      PrintWriter out, DatabaseAddress database, List<String> removes, RemoveSchema.Removal plan) {
    out.println("To be removed from " + database + ":");
    removes.forEach(line -> out.println("  " + Printable.line(line)));
    plan.kept().forEach(line -> out.println("  (" + Printable.line(line) + ")"));
    if (plan.unanswered() > 0) {
      out.println("  " + plan.unansweredWords() + ", and will have none.");
    }
    out.println("All requests and results are lost with it.");
    out.flush();
  }

  // without a terminal there is none in some releases, and in others one that is no terminal
  @SuppressWarnings("SystemConsoleNull")
  private boolean isConfirmed(DatabaseAddress database) {
    var console = System.console();
    if (console == null || !console.isTerminal()) {
      err().println("pgoffload uninstall: there is no terminal to ask on: say --yes");
      return false;
    }
    var answer = console.readLine("Remove pgoffload from %s? [y/N] ", database);
    boolean confirmed = answer != null && answer.strip().equalsIgnoreCase("y");
    if (!confirmed) {
      err().println("pgoffload uninstall: nothing has changed");
    }
    return confirmed;
  }
}
