package org.pgoffload.launcher;

import org.pgoffload.operations.deadletters.Printable;
import org.pgoffload.operations.pausing.PauseRequests;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/// `pgoffload resume`.
@Command(
    name = "resume",
    description = {
      "Resumes a model, a provider or a role, named as it was paused.",
      "Needs a login that is a member of pgoffload_operator, or the owner's."
    })
final class ResumeCommand extends ConfiguredCommand {
  @Mixin private PauseTarget target = new PauseTarget();

  @Override
  public Integer call() {
    PauseRequests.Target what;
    try {
      what = target.what();
    } catch (IllegalArgumentException e) {
      throw usageError(e);
    }
    boolean changed = PauseRequests.resume(writable(), what);
    var out = out();
    out.println(Printable.line(what.words()) + (changed ? " is resumed." : " was not paused."));
    out.flush();
    return 0;
  }
}
