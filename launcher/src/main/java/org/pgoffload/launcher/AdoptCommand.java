package org.pgoffload.launcher;

import java.util.Objects;
import java.util.concurrent.Callable;
import org.pgoffload.operations.AdoptCopy;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/// `pgoffload adopt`.
@Command(
    name = "adopt",
    description =
        "Makes a copied or restored database an installation of its own, with an identity and a signing"
            + " key of its own: it executes its own new requests. Those that it was copied with and that have no"
            + " result end as failed.",
    mixinStandardHelpOptions = true,
    versionProvider = ShowVersion.class)
final class AdoptCommand implements Callable<Integer> {
  @Spec private CommandSpec spec = CommandSpec.create();
  @Mixin private EnvironmentOptions options = new EnvironmentOptions();

  @Override
  public Integer call() {
    var settings = options.settings();
    var database = settings.database(null);
    settings.check();
    var out = spec.commandLine().getOut();
    var adopted = AdoptCopy.run(Objects.requireNonNull(database));
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
