package org.pgoffload.worker.llm;

import org.jspecify.annotations.Nullable;

/// The events of one streamed reply, in order, read on the thread that made the call.
@FunctionalInterface
interface StreamedEvents {

  /// The data of the next event; null at the end of the reply.
  ///
  /// @throws BrokenExchange as [OpenReply#next]
  /// @throws InterruptedException if the thread is interrupted
  @Nullable String next() throws BrokenExchange, InterruptedException;
}
