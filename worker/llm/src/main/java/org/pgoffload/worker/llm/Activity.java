package org.pgoffload.worker.llm;

import com.fasterxml.jackson.databind.node.ArrayNode;
import java.time.Instant;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.Text;
import org.pgoffload.worker.delivery.scheduling.ShortName;
import org.pgoffload.worker.llm.calls.RecordCalls;

/// What a request in flight does, as it is told.
///
/// @param since by the database's clock
record Activity(What what, Instant since) {
  enum What {
    /// It waits for its turn at the model.
    TURN,
    CALLING,
    /// It waits for the time of its next try.
    NEXT_TRY,
    /// It waits for the answer to the same question of another request.
    ANSWER
  }

  /// What it does now: it may go on with what it did, but each call is one of its own.
  static Activity after(@Nullable Activity before, What what, Instant now) {
    return before != null && before.what == what && what != What.CALLING
        ? before
        : new Activity(what, now);
  }

  /// Adds the word, since or until when, how many calls were made, whom it asks, and how the last
  /// call failed.
  void tell(
      ArrayNode told,
      @Nullable Instant until,
      RecordCalls calls,
      InFlightRequest.@Nullable Whom asked) {
    told.add(what.name().toLowerCase(Locale.ROOT))
        .add((what == What.NEXT_TRY && until != null ? until : since).toEpochMilli())
        .add(calls.count());
    if (asked != null && what != What.TURN) {
      told.add(ShortName.of(Text.storable(asked.provider() + ":" + asked.model())));
      var made = calls.entries();
      if (what == What.NEXT_TRY && !made.isEmpty()) {
        told.add(made.getLast().reply().errorCode());
      }
    }
  }
}
