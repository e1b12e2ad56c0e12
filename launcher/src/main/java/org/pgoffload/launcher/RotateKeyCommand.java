package org.pgoffload.launcher;

import java.io.PrintWriter;
import java.time.temporal.ChronoUnit;
import org.pgoffload.operations.keys.RotateKeys;
import org.pgoffload.platform.DatabaseAddress;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/// `pgoffload rotate-key`.
@Command(
    name = "rotate-key",
    description = {
      "Makes a new key with which the database signs requests from now on.",
      "What the old one has signed is executed as before; pgoffload maintain removes it"
          + " when none of that is kept. Needs the login that has installed pgoffload."
    })
final class RotateKeyCommand extends ConfiguredCommand {
  @ArgGroup private Instead instead = new Instead();

  private static final class Instead {
    @Option(
        names = "--revoke",
        description =
            "For a key that has leaked: what older keys have signed is refused from now on. What was"
                + " inserted and has no result is signed again; immediate requests without one fail.")
    private boolean revoke;

    @Option(names = "--list", description = "Change nothing, and show which keys there are.")
    private boolean list;
  }

  @Override
  public Integer call() {
    var out = out();
    if (instead.list) {
      list(out, database());
    } else if (instead.revoke) {
      revoke(out, primary());
    } else {
      out.println(
          "Key "
              + RotateKeys.rotate(primary())
              + " signs from now on. What older keys have signed is executed as before.");
    }
    out.flush();
    return 0;
  }

  private static void list(PrintWriter out, DatabaseAddress database) {
    out.printf("%5s  %-8s  %-20s  %-20s  %s%n", "key", "state", "created", "retired", "revoked");
    for (var key : RotateKeys.list(database)) {
      out.printf(
          "%5d  %-8s  %-20s  %-20s  %s%n",
          key.id(),
          key.state(),
          key.createdAt().truncatedTo(ChronoUnit.SECONDS),
          key.retiredAt() == null ? "" : key.retiredAt().truncatedTo(ChronoUnit.SECONDS),
          key.revokedAt() == null ? "" : key.revokedAt().truncatedTo(ChronoUnit.SECONDS));
    }
  }

  private static void revoke(PrintWriter out, DatabaseAddress database) {
    var revocation = RotateKeys.revoke(database);
    out.println(
        "Key "
            + revocation.keyId()
            + " signs from now on. Workers refuse what older keys have signed within a few seconds.");
    out.println(
        "The producer has inserted requests without a result signed again; immediate ones fail"
            + " (key_revoked, PO003).");
    if (!revocation.sealed()) {
      out.println(
          "Transactions are open that had begun before: what they insert is signed again by pgoffload"
              + " maintain, once they have ended.");
    }
  }
}
