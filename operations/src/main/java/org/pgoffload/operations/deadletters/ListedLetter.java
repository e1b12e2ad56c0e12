package org.pgoffload.operations.deadletters;

import java.time.Instant;
import org.pgoffload.protocol.Routing;
import org.pgoffload.protocol.Text;

/// What a list tells of a letter: all but its content, which may be large. The texts are anybody's,
/// and shortened.
///
/// @param place where it stands
/// @param position its name: topic-partition@offset
/// @param time when it came
/// @param reason why it is here, as a code; empty if it does not say so
/// @param request what it says of its request, unchecked
/// @param bytes of its content
public record ListedLetter(
    LetterPlace place,
    String position,
    Instant time,
    String reason,
    Request request,
    String detail,
    String origin,
    int bytes) {
  private static final int LONGEST_NAME = 200;
  private static final int LONGEST_DETAIL = 1_000;

  /// The request that a letter claims to be; empty texts where it cannot be read.
  public record Request(String id, String kind, String requestedBy) {}

  /// Of a letter.
  public static ListedLetter of(DeadLetter letter) {
    var routing = letter.routing();
    return new ListedLetter(
        letter.place(),
        letter.position(),
        letter.time(),
        Text.shortened(letter.reason(), LONGEST_NAME),
        new Request(
            routing.map(Routing::id).map(String::valueOf).orElse(""),
            Text.shortened(routing.map(Routing::kind).orElse(""), LONGEST_NAME),
            Text.shortened(letter.requestedBy(), LONGEST_NAME)),
        Text.shortened(letter.detail(), LONGEST_DETAIL),
        Text.shortened(letter.origin(), LONGEST_DETAIL),
        Math.max(0, letter.record().serializedValueSize()));
  }
}
