package org.pgoffload.launcher;

import org.jspecify.annotations.Nullable;
import org.pgoffload.operations.deadletters.Printable;
import org.pgoffload.operations.pausing.PauseRequests;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// `pgoffload pause`.
@Command(
    name = "pause",
    description = {
      "Pauses a model, all models of a provider, or a role: its requests wait until it is resumed.",
      "Needs a login that is a member of pgoffload_operator, or the owner's."
    })
final class PauseCommand extends ConfiguredCommand {
  @Mixin private PauseTarget target = new PauseTarget();

  @Option(
      names = "--reason",
      paramLabel = "WORDS",
      description = "Shown to those whose requests wait.")
  private @Nullable String reason;

  @Override
  public Integer call() {
    PauseRequests.Target what;
    try {
      what = target.what();
    } catch (IllegalArgumentException e) {
      throw usageError(e);
    }
    boolean changed = PauseRequests.pause(writable(), what, reason);
    var out = out();
    out.println(Printable.line(what.words()) + (changed ? " is paused." : " was paused already."));
    out.flush();
    return 0;
  }
}
