package org.pgoffload.dev.testkit.vendors;

import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.pgoffload.dev.testkit.http.WireReply;

/// The stub's reply to a question, in no vendor's format: the vendor's dialect renders it.
public sealed interface StubReply {

  /// Replies that every vendor has a form for, in one piece and as a stream.
  sealed interface InForm extends StubReply {}

  /// Answers this text; texts to embed with [VendorStub#vector].
  record Answer(String text, Tokens tokens) implements InForm {}

  /// Answers this text, cut short by the token limit.
  record Truncated(String text) implements InForm {}

  /// Declines in these words.
  record Refusal(String words) implements InForm {}

  /// The vendor's filter stops the answer, its status being 200.
  record FilteredAnswer() implements InForm {}

  /// The vendor's filter stops the prompt, its status being 400.
  record FilteredPrompt() implements InForm {}

  /// Fails with status 200; a stream in an event.
  record FailedWith200(String message) implements InForm {}

  /// Succeeds without a word.
  record Empty() implements InForm {}

  /// Embeds as these vectors, however many were asked for.
  record Vectors(List<List<Float>> vectors) implements InForm {

    public Vectors {
      vectors = List.copyOf(vectors);
    }
  }

  /// Fails as the vendor documents that it does, a stream before its first event.
  ///
  /// @param headers beside the vendor's own
  record Failure(Kind kind, Map<String, String> headers) implements InForm {

    public Failure {
      headers = Map.copyOf(headers);
    }
  }

  /// Streams this text, and then does not end as a stream should.
  record BadStream(String text, Fault fault) implements StubReply {}

  /// Streams this text with so many bytes in each write, whatever they tear apart.
  record TornStream(String text, int bytes) implements StubReply {}

  /// The vendor's form of a reply, in one piece or as a stream, with something changed in the text
  /// of its body, or of each chunk.
  record Changed(InForm reply, UnaryOperator<String> change) implements StubReply {}

  /// The vendor's form of a reply, in one piece or as a stream, compressed on the way.
  record Compressed(InForm reply, WireReply.Coding coding) implements StubReply {}

  /// Streams this text with the same foreign event behind each of its own.
  record MixedStream(String text, String other) implements StubReply {}

  /// Streams this text and says that it is something else.
  record Mislabelled(String text, String contentType) implements StubReply {}

  /// Misbehaves below the vendor's format.
  record Misbehaviour(WireReply wire) implements StubReply {}

  /// The end of a stream after its last word.
  enum Fault {
    /// The connection closes in the middle of the body.
    CUT,
    /// The body ends without the vendor's last event.
    UNFINISHED,
    /// The body ends without the end of the vendor's last event.
    UNCLOSED,
    /// The body ends in the middle of an event.
    TORN,
    /// Nothing comes any more.
    STALLED,
    /// Nothing but signs of life comes any more.
    KEPT_ALIVE,
    /// The same words come again and again.
    ENDLESS,
    /// An event comes that is none of the vendor's.
    GARBAGE,
    /// The vendor tells an error in an event: it is overloaded.
    ERROR
  }

  /// The documented kinds of failure.
  enum Kind {
    WRONG_KEY,
    FORBIDDEN,
    UNKNOWN_MODEL,
    /// Echoes the prompt, as the vendors do.
    BAD_REQUEST,
    /// The model does not take the temperature.
    UNSUPPORTED_OPTION,
    TOO_LARGE,
    RATE_LIMITED,
    NO_QUOTA,
    SERVER_ERROR,
    UNAVAILABLE,
    OVERLOADED
  }

  /// The tokens of a call.
  ///
  /// @param input all input tokens
  /// @param cached of the input, read from the cache
  /// @param written of the input, written to the cache
  /// @param output all output tokens
  /// @param reasoning of the output
  record Tokens(long input, long cached, long written, long output, long reasoning) {
    /// Of replies that name none.
    public static final Tokens DEFAULT = new Tokens(120, 40, 30, 12, 5);
  }

  /// What the stub answers by itself.
  static StubReply to(StubQuestion question) {
    var schema = question.options().responseSchema();
    return answer(
        schema == null
            ? "stub answer to: " + question.lastText()
            : MeetSchema.value(schema, question.lastText()).toString());
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
