package org.pgoffload.launcher;

import java.sql.SQLException;
import java.util.Objects;
import java.util.concurrent.Callable;
import org.pgoffload.schema.InstallException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/// `pgoffload adopt`.
@Command(
    name = "adopt",
    description =
        "Makes a copied or restored database an installation of its own, with an identity and a signing"
            + " key of its own: it executes its own new requests, and none that it was copied with.",
    mixinStandardHelpOptions = true,
    versionProvider = Version.class)
final class AdoptCommand implements Callable<Integer> {
  @Spec private CommandSpec spec = CommandSpec.create();
  @Mixin private EnvironmentOptions options = new EnvironmentOptions();

  @Override
  public Integer call() {
    var settings = options.settings();
    var database = settings.database(null);
    settings.check();
    var out = spec.commandLine().getOut();
    try (var connection = Objects.requireNonNull(database).connect("pgoffload adopt");
        var statement = connection.createStatement();
        var row = statement.executeQuery("select pgoffload.adopt()")) {
      row.next();
      out.println("Adopted " + database + " as installation " + row.getString(1) + ".");
      out.println(
          "Run pgoffload install for its replication slot, with topics of its own (--topic-prefix).");
      out.flush();
      return 0;
    } catch (SQLException e) {
      throw new InstallException("the database could not be adopted: " + e.getMessage(), e);
    }
  }
}
