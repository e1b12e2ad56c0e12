package org.pgoffload.console.signin;

/// A role is not let in. Never says whether it exists.
public final class SignInException extends RuntimeException {
  private final String code;
  private final String hint;

  SignInException(String code, String words, String hint) {
    super(words);
    this.code = code;
    this.hint = hint;
  }

  /// The SQLSTATE.
  public String code() {
    return code;
  }

  /// What to do.
  public String hint() {
    return hint;
  }
}
