package org.pgoffload.protocol;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;

/// The one configuration of JSON on the topics.
final class Json {
  /// Immutable once built; safe to share.
  static final ObjectMapper MAPPER =
      JsonMapper.builder(
              JsonFactory.builder()
                  .streamReadConstraints(
                      // Jackson stops at 20 MB by default; the database's own limit (the setting
                      // max_request_bytes) is the one that decides.
                      StreamReadConstraints.builder().maxStringLength(256 << 20).build())
                  .build())
          // A newer minor version may add fields.
          .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
          .build();

  private Json() {}
}
