package org.pgoffload.launcher;

import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.pgoffload.operations.KafkaRights;
import org.pgoffload.platform.Settings;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/// `pgoffload acls`.
@Command(
    name = "acls",
    description = {
      "Prints, as arguments of Kafka's kafka-acls, the rights that each part needs and"
          + " no more.",
      "Changes nothing. To apply them:",
      "pgoffload acls | grep -v '^#' | while read a; do kafka-acls.sh --bootstrap-server"
          + " HOST:PORT $a; done"
    })
final class AclsCommand extends PgoffloadCommand {
  private static final Set<KafkaRights.Part> ONLY_IF_NAMED =
      EnumSet.of(KafkaRights.Part.CONNECTOR, KafkaRights.Part.UNINSTALL);

  @Option(
      names = "--part",
      paramLabel = "PART",
      description =
          "Of one part alone: install, producer, worker, results, maintain, dead-letters, downstream,"
              + " or these, which are printed only if they are named: connector, for Kafka Connect"
              + " instead of the producer, and uninstall.")
  private @Nullable String part;

  @Option(
      names = "--principals",
      paramLabel = "PREFIX",
      defaultValue = "User:pgoffload-",
      description = "What the parts' principals start with; default: ${DEFAULT-VALUE}.")
  private String principals = "User:pgoffload-";

  @Option(names = "--topic-prefix", paramLabel = "PREFIX", description = "As for the parts.")
  private @Nullable String topicPrefix;

  @Override
  public Integer call() {
    var environment = new java.util.TreeMap<>(System.getenv());
    if (topicPrefix != null) {
      environment.put("PGOFFLOAD_TOPIC_PREFIX", topicPrefix);
    }
    var settings = new Settings(environment);
    var topics = settings.topics();
    var parts =
        List.of(KafkaRights.Part.values()).stream()
            .filter(each -> part == null ? !ONLY_IF_NAMED.contains(each) : each.text().equals(part))
            .toList();
    if (parts.isEmpty()) {
      settings.problem("there is no part '" + part + "'");
    }
    settings.check();
    var out = out();
    for (var each : parts) {
      out.println("# " + each.text());
      for (var right : KafkaRights.of(each, topics)) {
        out.println(right.arguments(principals + each.text()));
      }
    }
    out.flush();
    return 0;
  }
}
