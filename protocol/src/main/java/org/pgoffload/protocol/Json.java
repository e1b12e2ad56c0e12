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
                      // What the database has accepted and signed must be readable, or the request
                      // would never end: its limit (the setting max_request_bytes) decides, not
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
}
