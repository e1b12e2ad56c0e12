package org.pgoffload.worker.vendors;

import com.fasterxml.jackson.databind.JsonNode;
import org.pgoffload.worker.models.PieceListener;

/// Folds the events of one streamed answer into the body that the reply would have had in one
/// piece, so that there is one reader of answers for both. Used by one thread, for one call.
interface FoldEvents {

  /// Takes the next event, and hands the text of the answer in it on. An event of a kind that is
  /// not known changes nothing; an error becomes the body's.
  ///
  /// @return whether it was the last: nothing more has to be read
  boolean take(JsonNode event, PieceListener pieces);

  /// The vendor says that nothing more comes.
  default void end() {}

  /// Whether the answer is complete if the stream ends here. If it is not, the connection was lost.
  boolean isComplete();

  /// The body so far.
  JsonNode body();
}
