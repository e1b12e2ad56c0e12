package org.pgoffload.protocol;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import org.jspecify.annotations.Nullable;

/// What decides the topic and the key of a request, read from the front of its envelope without
/// parsing the rest: the database writes these fields first, and the payload last.
///
/// Nothing here is trusted: the signature is the worker's to check.
///
/// @param id the request id
/// @param kind the wire name of its [RequestKind]
/// @param orderingKey requests of one ordering key share a partition, or null
public record Routing(long id, String kind, @Nullable String orderingKey) {

  /// Reads the routing fields.
  ///
  /// @throws MalformedMessageException if the bytes are no JSON object with these fields first
  public static Routing read(byte[] envelope) {
    Long id = null;
    String kind = null;
    String orderingKey = null;
    try (JsonParser parser = Json.MAPPER.createParser(envelope)) {
      if (parser.nextToken() != JsonToken.START_OBJECT) {
        throw malformed();
      }
      while (parser.nextToken() == JsonToken.FIELD_NAME) {
        var field = parser.currentName();
        var value = parser.nextToken();
        if (field.equals("id") && value == JsonToken.VALUE_NUMBER_INT) {
          id = parser.getLongValue();
        } else if (field.equals("kind") && value == JsonToken.VALUE_STRING) {
          kind = parser.getText();
        } else if (field.equals("ordering_key")) {
          // the last of the three, and present even when it is null
          orderingKey = value == JsonToken.VALUE_STRING ? parser.getText() : null;
          break;
        } else {
          parser.skipChildren();
        }
      }
    } catch (IOException e) {
      throw malformed();
    }
    if (id == null || kind == null) {
      throw malformed();
    }
    return new Routing(id, kind, orderingKey);
  }

  /// The record's key: same-keyed requests are consumed in order.
  public String recordKey() {
    return orderingKey == null ? Long.toString(id) : orderingKey;
  }

  private static MalformedMessageException malformed() {
    return new MalformedMessageException(
        DeadLetterReason.MALFORMED, "not the JSON of a request envelope");
  }
}
