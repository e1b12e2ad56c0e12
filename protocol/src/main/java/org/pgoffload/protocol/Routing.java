package org.pgoffload.protocol;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// The fields that decide the topic and the key of a request, read from the front of its envelope
/// without parsing the rest: the database writes these fields first, and the payload last.
///
/// Nothing here is trusted: the signature is the worker's to check.
///
/// @param id the request id
/// @param kind the wire name of its [RequestKind]
/// @param group requests of one group share a partition and do not wait for each other, or null
/// @param traceparent the trace that the session belongs to, as W3C Trace Context has it, or null
/// @param orderingKey requests of one ordering key share a partition, or null
public record Routing(
    long id,
    String kind,
    @Nullable String group,
    @Nullable String traceparent,
    @Nullable String orderingKey) {

  /// No longer one is ever signed: a longer key could make a record that no topic takes.
  private static final int LONGEST_KEY = 4096;

  private static final Pattern TRACEPARENT =
      Pattern.compile("00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}");

  /// Reads the routing fields. A `traceparent` that is none is as if it were not there.
  ///
  /// @throws MalformedMessageException if the bytes are no JSON object with these fields first
  public static Routing read(byte[] envelope) {
    Long id = null;
    String kind = null;
    String group = null;
    String traceparent = null;
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
        } else if (field.equals("group")) {
          group = keyOrNull(parser, value);
        } else if (field.equals("traceparent")) {
          var text = textOrNull(parser, value);
          traceparent = text != null && TRACEPARENT.matcher(text).matches() ? text : null;
        } else if (field.equals("ordering_key")) {
          // the last routing field; it is present even when it is null
          orderingKey = keyOrNull(parser, value);
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
    return new Routing(id, kind, group, traceparent, orderingKey);
  }

  /// The record's key: the ordering key, or else the group, or else the id. Same-keyed requests are
  /// consumed in order.
  public String recordKey() {
    if (orderingKey != null) {
      return orderingKey;
    }
    return group != null ? group : Long.toString(id);
  }

  private static @Nullable String keyOrNull(JsonParser parser, JsonToken value) throws IOException {
    var key = textOrNull(parser, value);
    if (key != null && key.length() > LONGEST_KEY) {
      throw malformed();
    }
    return key;
  }

  private static @Nullable String textOrNull(JsonParser parser, JsonToken value)
      throws IOException {
    if (value == JsonToken.VALUE_STRING) {
      return parser.getText();
    }
    parser.skipChildren();
    return null;
  }

  private static MalformedMessageException malformed() {
    return new MalformedMessageException(
        DeadLetterReason.MALFORMED, "not the JSON of a request envelope");
  }
}
