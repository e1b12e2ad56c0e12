package org.pgoffload.worker.llm.calls;

import java.time.Duration;
import java.util.function.BooleanSupplier;
import org.pgoffload.protocol.Call;
import org.pgoffload.worker.delivery.lease.ClaimLostException;
import org.pgoffload.worker.models.ModelTarget;

/// A request that is its worker's as long as a condition holds.
record MayCall(BooleanSupplier ours) implements CallProgress {
  @Override
  public void waits(Duration atLeast) {}

  @Override
  public boolean mayCall(Duration patience) {
    if (!ours.getAsBoolean()) {
      throw new ClaimLostException("taken over");
    }
    return true;
  }

  @Override
  public void calls(ModelTarget target) {}

  @Override
  public void called(Call call) {}
}
