package org.pgoffload.launcher;

import java.io.PrintWriter;
import java.util.Map;
import java.util.Objects;
import java.util.TreeSet;
import org.pgoffload.operations.RecordPrimary;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.protocol.TopicNames;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/// `pgoffload promote`.
@Command(
    name = "promote",
    description = {
      "Shows which server the record of the primary names, and which one answers.",
      "The producer accepts the promotion of a standby by itself. Where it cannot tell one from a copy, nothing is"
          + " captured or executed until you say which it is: promote --accept, or adopt. Needs the owner's login."
    })
final class PromoteCommand extends ConfiguredCommand {
  @Option(
      names = "--accept",
      description =
          "The server is the installation's primary from now on, and no copy. What it lacks of the primary of before is"
              + " lost; what was asked and has no result is sent again.")
  private boolean accept;

  @Override
  public Integer call() {
    var settings = settings();
    var database = settings.database(null);
    var topics = settings.topics();
    var kafka = settings.kafka();
    settings.check();
    var out = out();
    boolean is = accept(out, Objects.requireNonNull(database), kafka, topics);
    out.flush();
    return is ? 0 : 1;
  }

  private boolean accept(
      PrintWriter out, DatabaseAddress database, Map<String, Object> kafka, TopicNames topics) {
    var found = RecordPrimary.compare(database, kafka, topics);
    if (!accept) {
      return show(out, found, topics);
    }
    if (found.refusal() == null && !found.state().namesAnotherServer(found.server())) {
      out.println("The server is the recorded primary already. Nothing has changed.");
      return true;
    }
    var accepted = RecordPrimary.accept(database, kafka, topics);
    out.println(
        "The server is the recorded primary, on timeline "
            + accepted.server().timeline()
            + ". The producer sends again what has no result.");
    if (!accepted.atWork().isEmpty()) {
      out.println(
          "Parts that are with another server stop there: "
              + String.join(", ", accepted.atWork())
              + ".");
    }
    out.println("Run pgoffload install if the server has no replication slot.");
    return true;
  }

  private static boolean show(PrintWriter out, RecordPrimary.Comparison found, TopicNames topics) {
    var server = found.server();
    out.println(
        "server    timeline "
            + server.timeline()
            + ", WAL up to "
            + server.flushed()
            + ", system identifier "
            + server.systemIdentifier()
            + ", installation "
            + server.installation());
    var recorded = found.state().primary();
    out.println(
        recorded == null
            ? "record    none in topic " + topics.control()
            : "record    timeline "
                + recorded.server().timeline()
                + ", WAL up to "
                + found.state().reached()
                + ", system identifier "
                + recorded.server().systemIdentifier()
                + ", installation "
                + recorded.installation());
    for (var name : new TreeSet<>(found.state().parts().keySet())) {
      out.println("follows   " + name);
    }
    var refusal = found.refusal();
    out.println(
        refusal == null ? "The server is the recorded primary." : refusal.getMessage() + ".");
    return refusal == null;
  }
}
