package org.pgoffload.worker.sql.rows;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/// The text of an array of PostgreSQL, such as `{"a",NULL}`, made of UTF-8.
///
/// For one thread.
final class ArrayText {
  private static final byte[] NULL = {'N', 'U', 'L', 'L'};

  private byte[] bytes = new byte[1 << 16];
  private int size;
  private boolean hasElements;

  /// Adds an element.
  void add(byte[] value) {
    begin();
    append(value, 0, value.length);
    end();
  }

  /// Adds NULL.
  void addNull() {
    separate();
    ensure(NULL.length);
    for (byte b : NULL) {
      bytes[size++] = b;
    }
  }

  /// Begins an element.
  void begin() {
    separate();
    put('"');
  }

  /// Goes on with the element.
  void append(byte[] value, int from, int to) {
    ensure(2 * (to - from));
    for (int i = from; i < to; i++) {
      byte b = value[i];
      if (b == '"' || b == '\\') {
        bytes[size++] = '\\';
      }
      bytes[size++] = b;
    }
  }

  /// Ends the element.
  void end() {
    put('"');
  }

  /// Ends the array.
  void finish() {
    if (!hasElements) {
      put('{');
    }
    put('}');
    hasElements = false;
  }

  /// How many bytes there are.
  int size() {
    return size;
  }

  /// Takes what there is.
  String take() {
    var text = new String(bytes, 0, size, StandardCharsets.UTF_8);
    size = 0;
    return text;
  }

  private void separate() {
    put(hasElements ? ',' : '{');
    hasElements = true;
  }

  private void put(char ascii) {
    ensure(1);
    bytes[size++] = (byte) ascii;
  }

  private void ensure(int more) {
    if (bytes.length - size < more) {
      bytes = Arrays.copyOf(bytes, Math.max(2 * bytes.length, size + more));
    }
  }
}
