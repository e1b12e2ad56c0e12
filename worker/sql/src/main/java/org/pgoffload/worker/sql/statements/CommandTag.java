package org.pgoffload.worker.sql.statements;

import java.util.Locale;
import java.util.regex.Pattern;

/// Command tags such as `SELECT 3`. A portal that is read in several steps counts each step by
/// itself, and the driver keeps the tag of the last one from us: then its words are those of the
/// statement's first keyword.
public final class CommandTag {
  private static final Pattern COUNT = Pattern.compile(" \\d+$");
  private static final Pattern QUERY = Pattern.compile("(SELECT|INSERT|UPDATE|DELETE|MERGE) .*");

  private CommandTag() {}

  /// The tag with its number replaced, if it has one.
  public static String counting(String tag, long rows) {
    return COUNT.matcher(tag).replaceFirst(" " + rows);
  }

  /// The number of rows in a tag, or -1.
  public static long count(String tag) {
    var matcher = COUNT.matcher(tag);
    return matcher.find() ? Long.parseLong(matcher.group().strip()) : -1;
  }

  /// Whether it is a statement's that reads or writes rows, rather than a command's that changes
  /// the session or its objects.
  public static boolean isOfQuery(String tag) {
    return QUERY.matcher(tag).matches();
  }

  /// The tag of a statement that returned so many rows.
  public static String of(String sql, long rows) {
    return switch (verb(sql)) {
      case "insert" -> "INSERT 0 " + rows;
      case "update" -> "UPDATE " + rows;
      case "delete" -> "DELETE " + rows;
      case "merge" -> "MERGE " + rows;
      case "fetch" -> "FETCH " + rows;
      case "explain" -> "EXPLAIN";
      case "show" -> "SHOW";
      default -> "SELECT " + rows;
    };
  }

  /// Whether the statement's first word is one of these, in lower case.
  public static boolean beginsWith(String sql, String... words) {
    var lexer = new SqlLexer(sql, true);
    while (lexer.advance()) {
      if (lexer.type() != SqlLexer.Type.COMMENT) {
        for (var word : words) {
          if (lexer.isWord(word)) {
            return true;
          }
        }
        return false;
      }
    }
    return false;
  }

  /// The first word; after `with`, the first that follows a closed parenthesis and may begin what
  /// the queries are for.
  private static String verb(String sql) {
    var lexer = new SqlLexer(sql, true);
    int depth = 0;
    boolean with = false;
    boolean afterClose = true;
    while (lexer.advance()) {
      switch (lexer.type()) {
        case COMMENT -> {}
        case OPEN -> depth++;
        case CLOSE -> {
          depth--;
          afterClose = true;
        }
        case WORD -> {
          if (!with && lexer.isWord("with")) {
            with = true;
            afterClose = false;
          } else if (!with || (depth == 0 && afterClose && !lexer.isWord("as"))) {
            return sql.substring(lexer.start(), lexer.end()).toLowerCase(Locale.ROOT);
          } else {
            afterClose = false;
          }
        }
        case SEMICOLON, DOT, STRING, PARAMETER, OTHER -> afterClose = false;
      }
    }
    return "";
  }
}
