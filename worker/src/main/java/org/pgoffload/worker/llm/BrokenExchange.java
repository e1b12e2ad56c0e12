package org.pgoffload.worker.llm;

import java.io.IOException;

/// An exchange that ended without its whole reply.
final class BrokenExchange extends IOException {
  private static final long serialVersionUID = 1L;

  private final LlmErrorCode code;
  private final String words;

  /// @param words for people, free of anything that was sent
  BrokenExchange(LlmErrorCode code, String words) {
    super(words);
    this.code = code;
    this.words = words;
  }

  LlmErrorCode code() {
    return code;
  }

  String words() {
    return words;
  }

  /// The code and the words say everything: a stack trace would only cost time.
  @Override
  public Throwable fillInStackTrace() {
    return this;
  }
}
