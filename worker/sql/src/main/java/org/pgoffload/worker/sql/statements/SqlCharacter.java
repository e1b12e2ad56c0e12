package org.pgoffload.worker.sql.statements;

/// The classes of characters in PostgreSQL's scanner. They differ from Java's.
final class SqlCharacter {
  private SqlCharacter() {}

  static boolean isSpace(char c) {
    return c == ' ' || c == '\t' || c == '\f' || c == '\u000B' || isNewline(c);
  }

  static boolean isNewline(char c) {
    return c == '\n' || c == '\r';
  }

  static boolean isDigit(char c) {
    return c >= '0' && c <= '9';
  }

  /// Every character beyond ASCII counts, a no-break space too, as to the server.
  static boolean isNameStart(char c) {
    var folded = lower(c);
    return (folded >= 'a' && folded <= 'z') || c == '_' || c >= 0x80;
  }

  /// Of a dollar quote's tag too; a name, unlike a tag, may go on with dollars.
  static boolean isNamePart(char c) {
    return isNameStart(c) || isDigit(c);
  }

  /// The server folds keywords in ASCII only; Java would take a dotless i or a long s too.
  static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char) (c + ('a' - 'A')) : c;
  }
}
