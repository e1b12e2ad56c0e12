package org.pgoffload.schema;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.Envelope;
import org.pgoffload.protocol.Signature;

/// A logical decoding message as pgoutput gives it to the capture.
///
/// @param transactional whether it came with the commit of its transaction
/// @param prefix the message's
/// @param content its text: UTF-8, as everything in the database
public record SentRequest(boolean transactional, String prefix, String content) {
  private static final int TRANSACTIONAL = 1;

  /// The message, or null if the bytes are another part of the stream.
  public static @Nullable SentRequest read(byte[] part) {
    var buffer = ByteBuffer.wrap(part);
    if (buffer.get() != 'M') {
      return null;
    }
    var flags = buffer.get();
    buffer.getLong(); // its LSN
    var prefix = new StringBuilder();
    for (var character = buffer.get(); character != 0; character = buffer.get()) {
      prefix.append((char) character);
    }
    var content = new byte[buffer.getInt()];
    buffer.get(content);
    return new SentRequest(
        (flags & TRANSACTIONAL) != 0, prefix.toString(), new String(content, UTF_8));
  }

  public Signature signature() {
    return Signature.parse(content.substring(0, content.indexOf('\n')));
  }

  /// The envelope.
  public String text() {
    return content.substring(content.indexOf('\n') + 1);
  }

  public byte[] bytes() {
    return text().getBytes(UTF_8);
  }

  public Envelope envelope() {
    return Envelope.read(bytes());
  }

  public long id() {
    return envelope().id();
  }
}
