package org.pgoffload.worker.sql.statements;

/// One top-level statement of a command, as it is sent to the server. Its text form never shows the
/// SQL.
///
/// @param text from the first character that is not white space, its comments included (a hint or a
///   trace may be in them), without the semicolon that ends it
/// @param offset where the text begins in the command, in UTF-16 units
/// @param charactersBefore how many characters (code points) of the command precede the text; the
///   server counts in these
/// @param kind what has to be known before it runs
/// @param unboundParameter whether it refers to a parameter such as `$1` for which the sender would
///   have to bring a value; those that `prepare` and `create function … return $1` declare
///   themselves do not count
public record SqlStatement(
    String text, int offset, int charactersBefore, Kind kind, boolean unboundParameter) {

  public SqlStatement {
    if (text.isEmpty()) {
      throw new IllegalArgumentException("the text of a statement must not be empty");
    }
    if (offset < 0) {
      throw new IllegalArgumentException("the offset must not be negative");
    }
    // A character takes one or two UTF-16 units.
    if (charactersBefore > offset || charactersBefore < offset - charactersBefore) {
      throw new IllegalArgumentException(
          "%d characters cannot take %d UTF-16 units".formatted(charactersBefore, offset));
    }
  }

  /// Where in the whole command the server's error position points.
  ///
  /// @param position the server's, in characters of this statement, the first is 1
  /// @return the same place in characters of the command, the first is 1
  public int positionInCommand(int position) {
    if (position < 1) {
      throw new IllegalArgumentException("the first position is 1, not " + position);
    }
    return Math.addExact(charactersBefore, position);
  }

  @Override
  public String toString() {
    return "SqlStatement[offset=%d, kind=%s, %d UTF-16 units]"
        .formatted(offset, kind, text.length());
  }

  /// What a statement does to the connection that runs it, judged by its keywords alone.
  public enum Kind {
    /// Begins or ends a transaction or a part of it: `begin`, `start transaction`, `commit`, `end`,
    /// `rollback`, `abort`, `savepoint`, `release`, `prepare transaction`, in all their forms.
    TRANSACTION_CONTROL,
    /// Waits for rows from the client. The server takes `stdout` for `stdin` here.
    COPY_FROM_STDIN,
    /// Sends rows to the client past the results. The server takes `stdin` for `stdout` here.
    COPY_TO_STDOUT,
    /// Would leave the connection listening. `unlisten` is [#OTHER].
    LISTEN,
    /// Everything else, also what the server will refuse.
    OTHER
  }
}
