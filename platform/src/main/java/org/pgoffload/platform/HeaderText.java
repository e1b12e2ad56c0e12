package org.pgoffload.platform;

import java.nio.charset.StandardCharsets;
import org.apache.kafka.common.header.Headers;
import org.jspecify.annotations.Nullable;

/// The headers of Kafka's records as text, in UTF-8.
public final class HeaderText {
  private HeaderText() {}

  /// The last header of this name, or null.
  public static @Nullable String read(Headers headers, String name) {
    var header = headers.lastHeader(name);
    return header == null || header.value() == null
        ? null
        : new String(header.value(), StandardCharsets.UTF_8);
  }

  /// The bytes of a header's value, or of a key.
  public static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }
}
