package org.pgoffload.protocol;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.util.JsonRecyclerPools;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.exc.ValueInstantiationException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;

/// The one configuration of JSON on the topics.
final class Json {
  /// Immutable once built; safe to share.
  static final ObjectMapper MAPPER =
      JsonMapper.builder(
              JsonFactory.builder()
                  // by default each virtual thread keeps 25 kB of buffers, also while it waits
                  .recyclerPool(JsonRecyclerPools.sharedBoundedPool())
                  .streamReadConstraints(
                      // Every request that the database has accepted and signed must be readable,
                      // or
                      // it would never end: the database's limit (the setting max_request_bytes)
                      // decides, not
                      // Jackson's 20 MB for a text, 1,000 digits for a number, 50,000 characters
                      // for a name and 1,000 levels.
                      StreamReadConstraints.builder()
                          .maxStringLength(256 << 20)
                          .maxNumberLength(256 << 20)
                          .maxNameLength(256 << 20)
                          .maxNestingDepth(100_000)
                          .build())
                  .build())
          // A newer minor version may add fields.
          .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
          .build();

  private Json() {}

  /// Reads a message, whose compact constructor checks it.
  ///
  /// @param otherwise what to say if it is not even the JSON of one
  /// @throws MalformedMessageException if it is none
  static <T> T read(byte[] bytes, Class<T> type, String otherwise) {
    T message;
    try {
      message = MAPPER.readValue(bytes, type);
    } catch (ValueInstantiationException e) {
      // the constructor's own words, which say what is wrong with it
      throw new MalformedMessageException(
          DeadLetterReason.MALFORMED,
          e.getCause() instanceof IllegalArgumentException refusal
              ? String.valueOf(refusal.getMessage())
              : otherwise);
    } catch (IOException e) {
      throw new MalformedMessageException(DeadLetterReason.MALFORMED, otherwise);
    }
    if (message == null) {
      throw new MalformedMessageException(DeadLetterReason.MALFORMED, "it is the JSON null");
    }
    return message;
  }

  /// The bytes of a message. What UTF-8 cannot hold, half a surrogate pair, becomes U+FFFD.
  static byte[] write(Object message) {
    try {
      // through a text: straight to bytes, Jackson would escape what is beyond the basic plane, in
      // three times the room, and half a pair in a way that PostgreSQL refuses
      var text = MAPPER.writeValueAsString(message);
      var bytes = text.getBytes(StandardCharsets.UTF_8);
      // half a pair has become a question mark; to compare takes less time than to look for one
      return text.equals(new String(bytes, StandardCharsets.UTF_8))
          ? bytes
          : Text.storable(text).getBytes(StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new IllegalStateException("a message always has a JSON form", e);
    }
  }
}
