package org.pgoffload.worker.llm.stub;

import java.util.Map;

/// What the stub does with a question, in no vendor's format: the vendor asked renders it.
public sealed interface StubReply {

  /// Answers this text.
  record Answer(String text, Tokens tokens) implements StubReply {}

  /// Answers this text, cut short by the token limit.
  record Truncated(String text) implements StubReply {}

  /// Declines in these words.
  record Refusal(String words) implements StubReply {}

  /// The vendor's filter stops the answer, its status being 200.
  record FilteredAnswer() implements StubReply {}

  /// The vendor's filter stops the prompt, its status being 400.
  record FilteredPrompt() implements StubReply {}

  /// Fails with status 200.
  record FailedWith200(String message) implements StubReply {}

  /// Succeeds without a word.
  record Empty() implements StubReply {}

  /// Fails as the vendor documents that it does.
  ///
  /// @param headers beside the vendor's own
  record Failure(Kind kind, Map<String, String> headers) implements StubReply {

    public Failure {
      headers = Map.copyOf(headers);
    }
  }

  /// Misbehaves below the vendor's format.
  record Misbehaviour(WireReply wire) implements StubReply {}

  /// The documented kinds of failure.
  enum Kind {
    WRONG_KEY,
    FORBIDDEN,
    UNKNOWN_MODEL,
    /// Echoes the prompt, as the vendors do.
    BAD_REQUEST,
    TOO_LARGE,
    RATE_LIMITED,
    NO_QUOTA,
    SERVER_ERROR,
    UNAVAILABLE,
    OVERLOADED
  }

  /// The tokens of a call.
  ///
  /// @param input all of it
  /// @param cached of the input, read from the cache
  /// @param written of the input, written to the cache
  /// @param output all of it
  /// @param reasoning of the output
  record Tokens(long input, long cached, long written, long output, long reasoning) {
    /// Of replies that name none.
    public static final Tokens DEFAULT = new Tokens(120, 40, 30, 12, 5);
  }

  static StubReply answer(String text) {
    return new Answer(text, Tokens.DEFAULT);
  }

  static StubReply failure(Kind kind) {
    return new Failure(kind, Map.of());
  }

  static StubReply wire(WireReply wire) {
    return new Misbehaviour(wire);
  }
}
