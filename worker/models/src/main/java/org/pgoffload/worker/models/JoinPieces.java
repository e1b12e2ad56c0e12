package org.pgoffload.worker.models;

/// Hands the pieces of an answer on and sees to it that all of them joined are the answer.
public final class JoinPieces implements PieceListener {
  private final PieceListener listener;
  private final StringBuilder joined = new StringBuilder();

  public JoinPieces(PieceListener listener) {
    this.listener = listener;
  }

  @Override
  public void piece(String text) {
    if (!text.isEmpty()) {
      joined.append(text);
      listener.piece(text);
    }
  }

  /// Hands on what the pieces lack of an answer.
  ///
  /// @return false if they are not what it begins with
  public boolean complete(LlmOutcome outcome) {
    if (!(outcome instanceof LlmOutcome.Answered answered)) {
      return true;
    }
    if (!answered.text().startsWith(joined.toString())) {
      return false;
    }
    piece(answered.text().substring(joined.length()));
    return true;
  }
}
