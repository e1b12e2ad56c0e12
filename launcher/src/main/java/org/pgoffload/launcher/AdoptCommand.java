package org.pgoffload.launcher;

import org.pgoffload.operations.AdoptCopy;
import picocli.CommandLine.Command;

/// `pgoffload adopt`.
@Command(
    name = "adopt",
    description =
        "Makes a copied or restored database an installation of its own, with an identity and a signing"
            + " key of its own: it executes its own new requests. Those that it was copied with and that have no"
            + " result end as failed.")
final class AdoptCommand extends ConfiguredCommand {
  @Override
  public Integer call() {
    var database = copy();
    var out = out();
    if (kafka(settings()) == null) {
      out.println(
          "Kafka was not asked whether parts follow this server as their primary, because"
              + " KAFKA_BOOTSTRAP_SERVERS is not set: if it is no copy, they stop.");
    }
    var adopted = AdoptCopy.run(database);
    out.println("Adopted " + database + " as installation " + adopted.installation() + ".");
    if (adopted.ended() > 0) {
      out.println(
          adopted.ended()
              + " requests that it was copied with had no result and ended as failed (copied): they"
              + " are not executed here.");
    }
    out.println(
        "Run pgoffload install for its replication slot, with topics of its own (--topic-prefix).");
    out.flush();
    return 0;
  }
}
