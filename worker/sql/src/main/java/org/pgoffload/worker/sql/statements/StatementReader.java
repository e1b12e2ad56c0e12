package org.pgoffload.worker.sql.statements;

import org.pgoffload.worker.sql.statements.SqlStatement.Kind;

/// Follows one statement token by token: where it ends and what kind it is.
///
/// The end of a `begin atomic` body is found by the server's grammar and not by counting `case …
/// end`: only right after a semicolon, or where the body begins, can `end` close it, and nowhere
/// there can it be anything else.
final class StatementReader {
  private State state = State.FIRST_WORD;
  private Kind kind = Kind.OTHER;
  private boolean empty = true;
  private boolean declaresParameters;
  private boolean parameter;
  private boolean afterDot;
  private int parentheses;
  private int bodies;

  /// Takes the lexer's current token.
  ///
  /// @return whether it is the semicolon that ends this statement, which is no part of it
  boolean take(SqlLexer token) {
    switch (token.type()) {
      case COMMENT -> {
        return false;
      }
      case SEMICOLON -> {
        if (parentheses == 0 && bodies == 0) {
          return true;
        }
        // The next statement of a body, which may be a function with a body of its own.
        state = parentheses == 0 ? State.FIRST_WORD : state;
      }
      case OPEN -> {
        state = next(token);
        parentheses++;
      }
      case CLOSE -> {
        state = next(token);
        parentheses = Math.max(0, parentheses - 1);
      }
      case PARAMETER -> {
        state = next(token);
        parameter |= bodies == 0;
      }
      case WORD, STRING, DOT, OTHER -> state = next(token);
    }
    empty = false;
    afterDot = token.type() == SqlLexer.Type.DOT;
    return false;
  }

  /// Whether there was nothing but comments.
  boolean isEmpty() {
    return empty;
  }

  Kind kind() {
    return kind;
  }

  boolean unboundParameter() {
    return parameter && !declaresParameters;
  }

  private State next(SqlLexer token) {
    return switch (state) {
      case FIRST_WORD -> first(token);
      case START -> token.isWord("transaction") ? settle(Kind.TRANSACTION_CONTROL) : State.SETTLED;
      case PREPARE -> token.isWord("transaction") ? State.PREPARE_TRANSACTION : State.SETTLED;
      // A prepared statement may have the name "transaction".
      case PREPARE_TRANSACTION ->
          token.type() == SqlLexer.Type.STRING ? settle(Kind.TRANSACTION_CONTROL) : State.SETTLED;
      case COPY -> direction(token);
      case COPY_FROM -> isClient(token) ? settle(Kind.COPY_FROM_STDIN) : State.SETTLED;
      case COPY_TO -> isClient(token) ? settle(Kind.COPY_TO_STDOUT) : State.SETTLED;
      case CREATE -> token.isWord("or") ? State.CREATE_OR : routine(token);
      case CREATE_OR -> token.isWord("replace") ? State.CREATE_OR_REPLACE : State.SETTLED;
      case CREATE_OR_REPLACE -> routine(token);
      case ROUTINE ->
          parentheses == 0 && token.isWord("begin") ? State.ROUTINE_BEGIN : State.ROUTINE;
      case ROUTINE_BEGIN -> body(token);
      case SETTLED -> State.SETTLED;
    };
  }

  private State first(SqlLexer token) {
    if (bodies > 0 && token.isWord("end")) {
      bodies--;
      return State.SETTLED;
    }
    if (token.isWord("create")) {
      return State.CREATE;
    }
    if (bodies > 0) {
      return State.SETTLED;
    }
    if (token.isWord("copy")) {
      return State.COPY;
    }
    if (token.isWord("start")) {
      return State.START;
    }
    if (token.isWord("prepare")) {
      declaresParameters = true;
      return State.PREPARE;
    }
    if (token.isWord("listen")) {
      return settle(Kind.LISTEN);
    }
    var controls =
        token.isWord("begin")
            || token.isWord("commit")
            || token.isWord("end")
            || token.isWord("rollback")
            || token.isWord("abort")
            || token.isWord("savepoint")
            || token.isWord("release");
    return controls ? settle(Kind.TRANSACTION_CONTROL) : State.SETTLED;
  }

  private State direction(SqlLexer token) {
    // After a dot they are names: `copy public.to from stdin`.
    if (parentheses > 0 || afterDot) {
      return State.COPY;
    }
    if (token.isWord("from")) {
      return State.COPY_FROM;
    }
    return token.isWord("to") ? State.COPY_TO : State.COPY;
  }

  private static boolean isClient(SqlLexer token) {
    return token.isWord("stdin") || token.isWord("stdout");
  }

  private State routine(SqlLexer token) {
    if (token.isWord("function") || token.isWord("procedure")) {
      declaresParameters |= bodies == 0;
      return State.ROUTINE;
    }
    return State.SETTLED;
  }

  private State body(SqlLexer token) {
    if (token.isWord("atomic")) {
      bodies++;
      return State.FIRST_WORD;
    }
    // A function and a type may have the name "begin".
    return token.isWord("begin") ? State.ROUTINE_BEGIN : State.ROUTINE;
  }

  private State settle(Kind judged) {
    kind = judged;
    return State.SETTLED;
  }

  /// What the words so far were; `SETTLED` when no further word matters.
  private enum State {
    FIRST_WORD,
    START,
    PREPARE,
    PREPARE_TRANSACTION,
    COPY,
    COPY_FROM,
    COPY_TO,
    CREATE,
    CREATE_OR,
    CREATE_OR_REPLACE,
    ROUTINE,
    ROUTINE_BEGIN,
    SETTLED
  }
}
