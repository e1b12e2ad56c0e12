package org.pgoffload.worker.models;

/// Takes an answer piece by piece, while the model writes it. Called on the thread that made the
/// call, in order.
@FunctionalInterface
public interface PieceListener {

  /// Who wants no pieces.
  PieceListener NONE = text -> {};

  /// The next words of the answer, never empty. All of them joined are the answer.
  void piece(String text);
}
