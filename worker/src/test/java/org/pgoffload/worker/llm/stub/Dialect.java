package org.pgoffload.worker.llm.stub;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.HashMap;
import java.util.Map;

/// A vendor's format, both ways.
interface Dialect {

  /// Where its questions are posted.
  String path();

  /// Whether the request bears the stub's key the vendor's way, and no other credentials.
  ///
  /// @param headers by their lower-case names
  boolean knows(Map<String, String> headers);

  StubQuestion read(Map<String, String> headers, Body body) throws Violation;

  /// A reply that has the vendor's form; never a [StubReply.Misbehaviour].
  WireReply.Full render(StubReply reply, StubQuestion question);

  /// The answer to a request that is not as documented.
  WireReply.Full violated(Violation violation);

  static ObjectNode object() {
    return JsonNodeFactory.instance.objectNode();
  }

  static WireReply.Full reply(int status, Map<String, String> headers, ObjectNode body) {
    var all = new HashMap<>(headers);
    all.put("Content-Type", "application/json");
    return new WireReply.Full(status, all, body.toString());
  }
}
