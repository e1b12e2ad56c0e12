package org.pgoffload.worker.vendors.http;

import java.io.IOException;
import org.pgoffload.worker.models.LlmErrorCode;

/// An exchange that ended without its whole reply.
public final class BrokenExchange extends IOException {
  private static final long serialVersionUID = 1L;

  private final LlmErrorCode code;
  private final String words;

  /// @param words for people, free of anything that was sent
  public BrokenExchange(LlmErrorCode code, String words) {
    super(words);
    this.code = code;
    this.words = words;
  }

  public LlmErrorCode code() {
    return code;
  }

  public String words() {
    return words;
  }

  /// The code and the words say everything: a stack trace would only cost time.
  @Override
  public Throwable fillInStackTrace() {
    return this;
  }
}
