package org.pgoffload.worker.sql.statements;

import java.util.ArrayList;
import java.util.List;

/// Splits a command into its top-level statements where the server would.
///
/// A semicolon ends a statement unless it stands in a quote, a comment, parentheses or a `begin
/// atomic … end` body. Statements of white space and comments alone are left out. What is left open
/// (a quote, a comment, a parenthesis, a body) makes the rest of the command one statement: the
/// server says what is wrong with it.
///
/// It reads the command once or, here and there, twice, keeps no stack, and holds no state between
/// calls.
public final class SplitStatements {
  private final String command;
  private final List<SqlStatement> statements = new ArrayList<>();
  private StatementReader reader = new StatementReader();
  private int start = -1;
  private int end;
  // How far the characters have been counted, so that none is counted twice.
  private int countedTo;
  private int characters;

  private SplitStatements(String command) {
    this.command = command;
  }

  /// The statements in their order, none if there is nothing to run.
  ///
  /// @param command any text
  /// @param standardConformingStrings the server's setting of that name, on by default; when off, a
  ///   backslash escapes in `'…'` too. As in the server, one value counts for the whole command,
  ///   even if a statement in it changes the setting
  public static List<SqlStatement> of(String command, boolean standardConformingStrings) {
    return new SplitStatements(command).split(new SqlLexer(command, standardConformingStrings));
  }

  private List<SqlStatement> split(SqlLexer lexer) {
    while (lexer.advance()) {
      if (reader.take(lexer)) {
        finish();
      } else {
        start = start < 0 ? lexer.start() : start;
        end = lexer.end();
      }
    }
    finish();
    return List.copyOf(statements);
  }

  private void finish() {
    if (!reader.isEmpty()) {
      characters += command.codePointCount(countedTo, start);
      countedTo = start;
      statements.add(
          new SqlStatement(
              command.substring(start, end),
              start,
              characters,
              reader.kind(),
              reader.unboundParameter()));
    }
    reader = new StatementReader();
    start = -1;
  }
}
