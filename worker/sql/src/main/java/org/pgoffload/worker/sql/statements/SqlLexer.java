package org.pgoffload.worker.sql.statements;

/// A cursor over the tokens of SQL text, by the rules of PostgreSQL's scanner as far as they decide
/// where a token ends. White space is skipped; a quote or comment that is left open reaches to the
/// end of the text.
///
/// No character is looked at more than a fixed number of times, whatever the text.
final class SqlLexer {
  private final String sql;
  private final boolean standardConformingStrings;
  private Type type = Type.OTHER;
  private int start;
  private int end;

  SqlLexer(String sql, boolean standardConformingStrings) {
    this.sql = sql;
    this.standardConformingStrings = standardConformingStrings;
  }

  /// Moves to the next token.
  ///
  /// @return false at the end of the text, where there is no current token
  boolean advance() {
    start = end;
    while (SqlCharacter.isSpace(at(start))) {
      start++;
    }
    if (start >= sql.length()) {
      end = start;
      return false;
    }
    end = scan();
    return true;
  }

  Type type() {
    return type;
  }

  /// Where the current token begins, in UTF-16 units.
  int start() {
    return start;
  }

  /// One past the current token's last unit.
  int end() {
    return end;
  }

  /// Whether the current token is this word, unquoted, in any case.
  ///
  /// @param keyword in lower case
  boolean isWord(String keyword) {
    if (type != Type.WORD || end - start != keyword.length()) {
      return false;
    }
    for (var i = 0; i < keyword.length(); i++) {
      if (SqlCharacter.lower(sql.charAt(start + i)) != keyword.charAt(i)) {
        return false;
      }
    }
    return true;
  }

  private int scan() {
    var first = at(start);
    var second = at(start + 1);
    type =
        switch (first) {
          case ';' -> Type.SEMICOLON;
          case '(' -> Type.OPEN;
          case ')' -> Type.CLOSE;
          case '.' -> Type.DOT;
          case '\'' -> Type.STRING;
          default -> Type.OTHER;
        };
    if (first == '-' && second == '-') {
      type = Type.COMMENT;
      return lineEnd(start + 2);
    }
    if (first == '/' && second == '*') {
      type = Type.COMMENT;
      return commentEnd(start + 2);
    }
    if (first == '\'') {
      return stringEnd(start + 1, standardConformingStrings ? Escape.QUOTE : Escape.BACKSLASH);
    }
    if (first == '"') {
      return nameEnd(start + 1);
    }
    if (first == '$') {
      return dollarEnd();
    }
    if (SqlCharacter.isDigit(first)) {
      return numberEnd(start);
    }
    return SqlCharacter.isNameStart(first) ? wordEnd(SqlCharacter.lower(first), second) : start + 1;
  }

  /// A word, or the quote that its one letter introduces.
  private int wordEnd(char letter, char second) {
    if (second == '\'') {
      // n'…' is read as a plain string after its n.
      if (letter == 'e' || letter == 'n' || letter == 'b' || letter == 'x') {
        type = Type.STRING;
        return stringEnd(
            start + 2,
            switch (letter) {
              case 'e' -> Escape.BACKSLASH;
              case 'n' -> standardConformingStrings ? Escape.QUOTE : Escape.BACKSLASH;
              default -> Escape.NONE;
            });
      }
    } else if (letter == 'u' && second == '&') {
      if (at(start + 2) == '\'') {
        type = Type.STRING;
        return stringEnd(start + 3, Escape.QUOTE);
      }
      if (at(start + 2) == '"') {
        return nameEnd(start + 3);
      }
    }
    type = Type.WORD;
    return wordRunEnd(start);
  }

  private int lineEnd(int from) {
    var i = from;
    while (i < sql.length() && !SqlCharacter.isNewline(sql.charAt(i))) {
      i++;
    }
    return i;
  }

  private int commentEnd(int from) {
    var depth = 1;
    var i = from;
    while (i < sql.length()) {
      if (at(i) == '*' && at(i + 1) == '/') {
        i += 2;
        if (--depth == 0) {
          return i;
        }
      } else if (at(i) == '/' && at(i + 1) == '*') {
        i += 2;
        depth++;
      } else {
        i++;
      }
    }
    return i;
  }

  private int stringEnd(int from, Escape escape) {
    var i = from;
    while (i < sql.length()) {
      var c = sql.charAt(i);
      if (c == '\\' && escape == Escape.BACKSLASH) {
        i += 2;
      } else if (c != '\'') {
        i++;
      } else if (at(i + 1) == '\'' && escape != Escape.NONE) {
        i += 2;
      } else {
        var continued = continuation(i + 1);
        if (continued == i + 1) {
          return continued;
        }
        i = continued;
      }
    }
    // A backslash may be the last unit.
    return sql.length();
  }

  /// SQL joins strings that only white space with a newline separates, and the second is read by
  /// the rules of the first: `e'a' ⏎ 'b\'c'` is one token.
  ///
  /// @return one past the quote that opens the next part, or `from` if there is none
  private int continuation(int from) {
    var newline = false;
    var i = from;
    while (i < sql.length()) {
      var c = sql.charAt(i);
      if (c == '\'') {
        return newline ? i + 1 : from;
      }
      if (c == '-' && at(i + 1) == '-') {
        i = lineEnd(i + 2);
      } else if (SqlCharacter.isSpace(c)) {
        newline |= SqlCharacter.isNewline(c);
        i++;
      } else {
        return from;
      }
    }
    return from;
  }

  private int nameEnd(int from) {
    var quote = sql.indexOf('"', from);
    while (quote >= 0 && at(quote + 1) == '"') {
      quote = sql.indexOf('"', quote + 2);
    }
    return quote < 0 ? sql.length() : quote + 1;
  }

  /// `$1`, `$tag$…$tag$`, or a dollar that means nothing.
  private int dollarEnd() {
    if (SqlCharacter.isDigit(at(start + 1))) {
      type = Type.PARAMETER;
      return digitsEnd(start + 1);
    }
    var i = start + 1;
    if (SqlCharacter.isNameStart(at(i))) {
      while (SqlCharacter.isNamePart(at(i))) {
        i++;
      }
    }
    if (at(i) != '$') {
      return start + 1;
    }
    type = Type.STRING;
    var tag = sql.substring(start, i + 1);
    // Linear: a tag has no dollar within, so no failed comparison is read again.
    var close = sql.indexOf(tag, i + 1);
    return close < 0 ? sql.length() : close + tag.length();
  }

  /// A number with the letters that stick to it (`1e5`, `0xff`, the junk that the server refuses),
  /// so that the e of `1e'…'` introduces no string.
  private int numberEnd(int from) {
    var i = digitsEnd(from);
    return at(i) == '.' && at(i + 1) != '.' ? digitsEnd(i + 1) : i;
  }

  /// One past the digits and the letters that stick to them.
  private int digitsEnd(int from) {
    var i = from;
    while (SqlCharacter.isDigit(at(i))) {
      i++;
    }
    // A dollar does not stick to digits: `1$$…$$` is a number and a string.
    return SqlCharacter.isNameStart(at(i)) ? wordRunEnd(i) : i;
  }

  private int wordRunEnd(int from) {
    var i = from;
    while (SqlCharacter.isNamePart(at(i)) || at(i) == '$') {
      i++;
    }
    return i;
  }

  /// The unit there, or NUL, which no text of PostgreSQL has, past the end.
  private char at(int index) {
    return index < sql.length() ? sql.charAt(index) : '\0';
  }

  /// What a token is, as far as it matters here. `WORD` is a keyword or a name without quotes,
  /// `STRING` any string constant, `OTHER` includes the quoted names, numbers and operators.
  enum Type {
    WORD,
    STRING,
    PARAMETER,
    COMMENT,
    OPEN,
    CLOSE,
    SEMICOLON,
    DOT,
    OTHER
  }

  /// What keeps a quote within a string from ending it.
  private enum Escape {
    /// Nothing: `b'…'`, `x'…'`.
    NONE,
    /// Another quote.
    QUOTE,
    /// Another quote or a backslash.
    BACKSLASH
  }
}
