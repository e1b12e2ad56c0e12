package org.pgoffload.worker.calls;

import java.time.Duration;
import org.pgoffload.protocol.Call;

/// Is told what a request does while its calls are made; perhaps on the thread of a call that it
/// shares with others.
public interface CallProgress {

  /// Who does not want to know.
  CallProgress UNSEEN =
      new CallProgress() {
        @Override
        public void waits(Duration atLeast) {}

        @Override
        public void calls() {}

        @Override
        public void called(Call call) {}
      };

  /// It waits now: for its turn, or for the time of the next try.
  ///
  /// @param atLeast zero when nobody can tell
  void waits(Duration atLeast);

  /// A call is under way.
  void calls();

  /// A call has ended.
  void called(Call call);
}
