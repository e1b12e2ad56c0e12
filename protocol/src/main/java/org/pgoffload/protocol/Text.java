package org.pgoffload.protocol;

/// Makes text fit for the database.
final class Text {
  private Text() {}

  /// PostgreSQL's text has no NUL: a model's answer with one must not block its write-back.
  static String withoutNul(String text) {
    return text.replace('\u0000', '\uFFFD');
  }
}
