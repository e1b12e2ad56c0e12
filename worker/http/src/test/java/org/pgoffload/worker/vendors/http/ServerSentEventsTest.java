package org.pgoffload.worker.vendors.http;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class ServerSentEventsTest {

  @Test
  void readsTheDataOfEachEvent() throws IOException {
    assertEvents("data: one\n\ndata:two\n\n", "one", "two");
  }

  @Test
  void takesEveryEndOfLine() throws IOException {
    assertEvents("data: a\r\n\r\ndata: b\r\rdata: c\n\ndata: d\r\n\n", "a", "b", "c", "d");
  }

  @Test
  void joinsLinesOfOneEvent() throws IOException {
    assertEvents(
        "data: {\"a\":\ndata: 1}\n\ndata:  two\ndata\ndata: blanks\n\n",
        "{\"a\":\n1}",
        " two\n\nblanks");
  }

  @Test
  void skipsCommentsNamesIdsAndEmptyEvents() throws IOException {
    assertEvents(
        "\uFEFF: hello\n\nevent: ping\nid: 7\nretry: 10\n\n\n\ndata:\n\nevent: x\ndata: 1\n:\n\n",
        "1");
  }

  @Test
  void takesTheLastEventThoughNothingClosesIt() throws IOException {
    assertEvents("data: one\n\ndata: {\"a\": 1}\n", "one", "{\"a\": 1}");
    assertEvents("data: one\n\ndata: {\"a\":\ndata: 1}", "one", "{\"a\":\n1}");
    assertEvents("data: one\n\ndata: [DONE]", "one", "[DONE]");
    assertEvents("");
  }

  @Test
  void dropsALastEventThatIsTorn() throws IOException {
    assertEvents("data: one\n\ndata: {\"a\": ", "one");
    assertEvents("data: one\n\ndata: {\"a\": {}\n", "one");
    assertEvents("data: one\n\nda", "one");
  }

  @Test
  void keepsCharactersThatAreTornApart() throws IOException {
    assertEvents("data: ž€😀\n\n", "ž€😀");
  }

  /// Whatever the sizes of the reads.
  private static void assertEvents(String body, String... expected) throws IOException {
    var bytes = body.getBytes(UTF_8);
    for (var size = 1; size <= Math.max(1, bytes.length); size++) {
      assertThat(read(bytes, size)).as("reads of %d bytes", size).containsExactly(expected);
    }
  }

  private static List<String> read(byte[] bytes, int size) throws IOException {
    var parts =
        new ByteArrayInputStream(bytes) {
          @Override
          public int read(byte[] into, int offset, int length) {
            return super.read(into, offset, Math.min(length, size));
          }

          @Override
          public int available() {
            return 0;
          }
        };
    var events = new ServerSentEvents(new BufferedReader(new InputStreamReader(parts, UTF_8)));
    var data = new ArrayList<String>();
    for (var event = events.next(); event != null; event = events.next()) {
      data.add(event);
    }
    return data;
  }
}
