package org.pgoffload.worker.vendors.http;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.http.HttpHeaders;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.zip.GZIPOutputStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.pgoffload.worker.models.LlmErrorCode;

class DecompressTest {
  private static final HttpHeaders NONE = HttpHeaders.of(Map.of(), (_, _) -> true);

  private final Queue<byte[]> received = new ArrayDeque<>();
  private @Nullable IOException atEnd;
  private final Decompress content = new Decompress(new Parts(), NONE);

  @Test
  void givesAnEventOfACompressedStreamBeforeTheNextIsThere() throws Exception {
    var bytes = new ByteArrayOutputStream();
    try (var gzip = new GZIPOutputStream(bytes, true)) {
      for (var event : List.of("data: one", "data: two")) {
        gzip.write(event.getBytes(UTF_8));
        gzip.flush();
        received.add(taken(bytes));
        assertThat(next()).isEqualTo(event);
      }
    }
    received.add(taken(bytes));
    assertThat(next()).isNull();
  }

  @Test
  void readsWhatComesByteByByte() throws Exception {
    for (var one : compressed("The sky is blue.")) {
      received.add(new byte[] {one});
    }
    var read = new StringBuilder();
    for (var next = next(); next != null; next = next()) {
      read.append(next);
    }
    assertThat(read).hasToString("The sky is blue.");
  }

  @Test
  void saysThatACompressedReplyIsCut() throws Exception {
    var whole = compressed("The sky is blue.");
    received.add(Arrays.copyOf(whole, 20));

    assertThatThrownBy(
            () -> {
              while (next() != null) {
                // All that there is.
              }
            })
        .isInstanceOfSatisfying(
            BrokenExchange.class,
            broken -> assertThat(broken.code()).isEqualTo(LlmErrorCode.CONNECTION_LOST));
  }

  @Test
  void saysThatACompressedReplyIsSpoilt() throws Exception {
    var whole = compressed("The sky is blue.");
    Arrays.fill(whole, 10, 16, (byte) 0xFF);
    received.add(whole);

    assertThatThrownBy(this::next)
        .isInstanceOfSatisfying(
            BrokenExchange.class,
            broken -> assertThat(broken.code()).isEqualTo(LlmErrorCode.MALFORMED_RESPONSE));
  }

  @Test
  void passesOnWhatKeepsBytesFromComing() {
    var lost = new BrokenExchange(LlmErrorCode.CONNECTION_LOST, "lost");
    received.add(new byte[] {0x1F, (byte) 0x8B});
    atEnd = lost;

    assertThatThrownBy(this::next).isSameAs(lost);
  }

  private @Nullable String next() throws Exception {
    var bytes = new byte[1024];
    var count = content.read(bytes);
    return count < 0 ? null : new String(bytes, 0, count, UTF_8);
  }

  /// Each part is read apart.
  private final class Parts extends InputStream {
    @Override
    public int read() {
      throw new UnsupportedOperationException("is read by whole arrays");
    }

    @Override
    public int read(byte[] into, int offset, int length) throws IOException {
      var part = received.poll();
      if (part == null) {
        if (atEnd != null) {
          throw atEnd;
        }
        return -1;
      }
      System.arraycopy(part, 0, into, offset, part.length);
      return part.length;
    }
  }

  private static byte[] compressed(String text) throws IOException {
    var bytes = new ByteArrayOutputStream();
    try (var gzip = new GZIPOutputStream(bytes)) {
      gzip.write(text.getBytes(UTF_8));
    }
    return bytes.toByteArray();
  }

  private static byte[] taken(ByteArrayOutputStream bytes) {
    var taken = bytes.toByteArray();
    bytes.reset();
    return taken;
  }
}
