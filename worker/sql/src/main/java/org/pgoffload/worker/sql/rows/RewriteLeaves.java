package org.pgoffload.worker.sql.rows;

/// Replaces the leaves of a value within PostgreSQL's text form of arrays, composite values and
/// ranges; everything else stays as it is.
///
/// For one value.
final class RewriteLeaves {
  private static final String WHITE_SPACE = " \t\n\r\u000b\f";

  private final String text;
  private final Replacement replacement;
  private final StringBuilder rewritten = new StringBuilder();
  private int at;

  private RewriteLeaves(String text, Replacement replacement) {
    this.text = text;
    this.replacement = replacement;
  }

  /// What becomes of a leaf.
  @FunctionalInterface
  interface Replacement {
    String of(ColumnShape.Leaf leaf, String text);
  }

  /// Rewrites a value. One that is not of this shape comes back as it is: its type was altered
  /// meanwhile.
  static String rewrite(ColumnShape shape, String text, Replacement replacement) {
    try {
      return new RewriteLeaves(text, replacement).value(shape);
    } catch (OtherShape | StringIndexOutOfBoundsException e) {
      return text;
    }
  }

  private static final class OtherShape extends RuntimeException {
    private static final long serialVersionUID = 1;

    OtherShape() {
      super(null, null, false, false);
    }
  }

  private String value(ColumnShape shape) {
    switch (shape) {
      case ColumnShape.Leaf leaf -> {
        return replacement.of(leaf, text);
      }
      case ColumnShape.Array array -> array(array);
      case ColumnShape.Row row -> {
        copy('(');
        for (int i = 0; i < row.fields().size(); i++) {
          if (i > 0) {
            copy(',');
          }
          var field = row.fields().get(i);
          int begin = at;
          var value = token(",)");
          if (field.isEmpty() || begin == at) {
            rewritten.append(text, begin, at);
          } else {
            appendDoubling(nested(field.get(), value), "\"\\(),");
          }
        }
        copy(')');
      }
      case ColumnShape.Range range -> range(range);
      case ColumnShape.Multirange multirange -> {
        copy('{');
        while (text.charAt(at) != '}') {
          if (text.charAt(at) == ',') {
            copy(',');
          }
          range(multirange.range());
        }
        copy('}');
      }
    }
    if (at != text.length()) {
      throw new OtherShape();
    }
    return rewritten.toString();
  }

  private void array(ColumnShape.Array array) {
    // bounds that are not usual come before
    at = text.startsWith("[") ? text.indexOf('=') + 1 : 0;
    rewritten.append(text, 0, at);
    var special = "{}" + array.delimiter();
    while (at < text.length()) {
      if (special.indexOf(text.charAt(at)) >= 0) {
        copy(text.charAt(at));
        continue;
      }
      int begin = at;
      var value = token("}" + array.delimiter());
      if (text.charAt(begin) != '"' && value.equals("NULL")) {
        rewritten.append(value);
        continue;
      }
      var element = nested(array.element(), value);
      if (element.isEmpty()
          || element.equalsIgnoreCase("NULL")
          || holds(element, special + "\"\\" + WHITE_SPACE)) {
        rewritten
            .append('"')
            .append(element.replace("\\", "\\\\").replace("\"", "\\\""))
            .append('"');
      } else {
        rewritten.append(element);
      }
    }
  }

  private void range(ColumnShape.Range range) {
    if (text.equals("empty")) {
      rewritten.append(text);
      at = text.length();
      return;
    }
    copy(text.charAt(at));
    bound(range, ",");
    copy(',');
    bound(range, ")]");
    copy(text.charAt(at));
  }

  private void bound(ColumnShape.Range range, String ends) {
    int begin = at;
    var value = token(ends);
    if (begin < at) {
      appendDoubling(nested(range.bound(), value), "\"\\()[],");
    }
  }

  private String nested(ColumnShape shape, String value) {
    return rewrite(shape, value, replacement);
  }

  private void copy(char expected) {
    if (text.charAt(at) != expected) {
      throw new OtherShape();
    }
    rewritten.append(expected);
    at++;
  }

  /// Reads on to one of these, without what quotes. In an array a backslash stands before what is
  /// meant as itself; elsewhere that is doubled, which a backslash before it comes to as well.
  private String token(String ends) {
    var token = new StringBuilder();
    boolean quoted = false;
    for (; quoted || ends.indexOf(text.charAt(at)) < 0; at++) {
      char c = text.charAt(at);
      if (c == '\\') {
        token.append(text.charAt(++at));
      } else if (c != '"') {
        token.append(c);
      } else if (quoted && text.charAt(at + 1) == '"') {
        token.append('"');
        at++;
      } else {
        quoted = !quoted;
      }
    }
    return token.toString();
  }

  private void appendDoubling(String value, String special) {
    if (value.isEmpty() || holds(value, special + WHITE_SPACE)) {
      rewritten.append('"').append(value.replace("\\", "\\\\").replace("\"", "\"\"")).append('"');
    } else {
      rewritten.append(value);
    }
  }

  private static boolean holds(String value, String characters) {
    return value.chars().anyMatch(c -> characters.indexOf(c) >= 0);
  }
}
