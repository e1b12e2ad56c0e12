package org.pgoffload.worker.llm.calls;

import java.time.Duration;
import org.pgoffload.protocol.Call;
import org.pgoffload.worker.models.ModelTarget;

/// A request that may always call, and keeps nothing of what it is told.
class Unseen implements CallProgress {
  @Override
  public void waits(Duration atLeast) {}

  @Override
  public void waitsForTurn(Duration atLeast) {}

  @Override
  public boolean mayCall(Duration patience) throws InterruptedException {
    return true;
  }

  @Override
  public void calls(ModelTarget target) {}

  @Override
  public void called(Call call) {}
}
