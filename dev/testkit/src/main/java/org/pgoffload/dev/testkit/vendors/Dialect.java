package org.pgoffload.dev.testkit.vendors;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.pgoffload.dev.testkit.http.Connection;
import org.pgoffload.dev.testkit.http.WireReply;

/// A vendor's format, both ways.
interface Dialect {

  /// Whether its questions are posted there.
  boolean serves(String path);

  /// Whether the request bears the stub's key the vendor's way, and no other credentials.
  ///
  /// @param headers by their lower-case names
  boolean knows(Map<String, String> headers);

  StubQuestion read(Connection.Request request, Body body) throws Violation;

  /// A reply in one piece that has the vendor's form.
  WireReply.Full render(StubReply.InForm reply, StubQuestion question);

  /// The same as a stream; a failure that precedes it is in one piece.
  default Events stream(StubReply.InForm reply, StubQuestion question) {
    var whole = render(reply, question);
    return whole.status() == 200
        ? events(VendorStub.json(whole.body()), question)
        : new Events.None(whole);
  }

  /// The events of a stream, the first of which have the words of the answer.
  ///
  /// @param whole the same reply in one piece
  Events.Some events(ObjectNode whole, StubQuestion question);

  /// The event by which the vendor tells in the middle of a stream that it is overloaded.
  String errorEvent();

  /// The answer to a request that is not as documented.
  WireReply.Full violated(Violation violation);

  /// The headers by which the vendor tells of its limits; none if it tells nothing.
  Map<String, String> limits(StubLimits limits);

  /// The events of a stream.
  sealed interface Events {

    /// No stream, since the vendor failed before.
    record None(WireReply.Full reply) implements Events {}

    /// The events.
    ///
    /// @param words the events up to the last word of the answer
    /// @param rest those after it
    /// @param keepAlive what the vendor sends as a sign of life
    record Some(
        Map<String, String> headers,
        String contentType,
        List<String> words,
        List<String> rest,
        String keepAlive)
        implements Events {

      List<String> all() {
        var all = new ArrayList<>(words);
        all.addAll(rest);
        return all;
      }
    }
  }

  /// Whether the stub's key is the bearer token.
  static boolean hasBearer(Map<String, String> headers) {
    return ("Bearer " + VendorStub.KEY).equals(headers.get("authorization"));
  }

  static ObjectNode object() {
    return JsonNodeFactory.instance.objectNode();
  }

  static WireReply.Full reply(int status, Map<String, String> headers, ObjectNode body) {
    var all = new HashMap<>(headers);
    all.put("Content-Type", "application/json");
    return new WireReply.Full(status, all, body.toString());
  }

  /// A server-sent event.
  ///
  /// @param name of the event; empty for a vendor that gives none
  static String event(String name, ObjectNode data) {
    return (name.isEmpty() ? "" : "event: " + name + "\n") + "data: " + data + "\n\n";
  }

  /// A text as the pieces that a model would write.
  static List<String> words(String text) {
    return text.isEmpty() ? List.of() : List.of(text.split("(?<= )"));
  }

  /// `x-ratelimit-*` as OpenAI has them, whose resets are Go's durations.
  static Map<String, String> openAiLimits(StubLimits limits) {
    return Map.of(
        "x-ratelimit-limit-requests", String.valueOf(limits.requests()),
        "x-ratelimit-remaining-requests", String.valueOf(limits.requestsLeft()),
        "x-ratelimit-reset-requests", limits.requestsReset().toMillis() + "ms",
        "x-ratelimit-limit-tokens", String.valueOf(limits.tokens()),
        "x-ratelimit-remaining-tokens", String.valueOf(limits.tokensLeft()),
        "x-ratelimit-reset-tokens",
            limits.tokensReset().toMinutes() + "m" + limits.tokensReset().toSecondsPart() + "s");
  }
}
