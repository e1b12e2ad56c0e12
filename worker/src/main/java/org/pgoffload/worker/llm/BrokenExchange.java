package org.pgoffload.worker.llm;

/// An exchange that ended without its whole reply.
final class BrokenExchange extends Exception {
  private final LlmErrorCode code;
  private final String words;

  /// @param words for people, free of anything that was sent
  BrokenExchange(LlmErrorCode code, String words) {
    // What happened is in the code and the words; a stack says nothing more.
    super(words, null, false, false);
    this.code = code;
    this.words = words;
  }

  LlmErrorCode code() {
    return code;
  }

  String words() {
    return words;
  }
}
