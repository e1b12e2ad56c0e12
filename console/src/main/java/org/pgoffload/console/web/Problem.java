package org.pgoffload.console.web;

/// Why there is no page, in words for the reader. Thrown by a page to say so.
public final class Problem extends RuntimeException {
  private final int status;
  private final String code;
  private final String hint;

  /// @param status of HTTP
  /// @param code a SQLSTATE, or a word
  /// @param words what is wrong
  /// @param hint what to do; or empty
  public Problem(int status, String code, String words, String hint) {
    super(words);
    this.status = status;
    this.code = code;
    this.hint = hint;
  }

  /// There is no such page, or none that the role may see.
  public static Problem notFound(String words) {
    return new Problem(404, "not_found", words, "It may be another role's, or it was removed.");
  }

  /// What was asked for makes no sense.
  public static Problem badRequest(String words) {
    return new Problem(400, "bad_request", words, "");
  }

  public int status() {
    return status;
  }

  public String code() {
    return code;
  }

  public String words() {
    return String.valueOf(getMessage());
  }

  public String hint() {
    return hint;
  }
}
