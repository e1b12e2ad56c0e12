package org.pgoffload.worker.llm.calls;

import java.time.Duration;
import org.pgoffload.protocol.Call;
import org.pgoffload.worker.delivery.lease.ClaimLostException;
import org.pgoffload.worker.models.ModelTarget;

/// Is told what a request does while its calls are made; perhaps on the thread of a call that it
/// shares with others.
public interface CallProgress {
  /// It waits now: for the time of the next try, or for another request's answer.
  ///
  /// @param atLeast zero when nobody can tell
  void waits(Duration atLeast);

  /// It waits now for its turn at the model.
  ///
  /// @param atLeast as in [#waits]
  void waitsForTurn(Duration atLeast);

  /// Is asked before each call, which begins at once if it may.
  ///
  /// @param patience how long to wait while nobody can tell
  /// @return false if nobody could tell in time: the call is not made
  /// @throws ClaimLostException if another worker has the request by now: the call is not made
  /// @throws InterruptedException if the thread is interrupted while it waits
  boolean mayCall(Duration patience) throws InterruptedException;

  /// A call is under way.
  ///
  /// @param target the provider and model that are asked
  void calls(ModelTarget target);

  /// A call has ended.
  void called(Call call);
}
