package org.pgoffload.worker.llm.calls;

import java.time.Duration;
import java.util.function.BooleanSupplier;
import org.pgoffload.worker.delivery.lease.ClaimLostException;

/// A request that is its worker's as long as a condition holds.
final class MayCall extends Unseen {
  private final BooleanSupplier ours;

  MayCall(BooleanSupplier ours) {
    this.ours = ours;
  }

  @Override
  public boolean mayCall(Duration patience) {
    if (!ours.getAsBoolean()) {
      throw new ClaimLostException("taken over");
    }
    return true;
  }
}
