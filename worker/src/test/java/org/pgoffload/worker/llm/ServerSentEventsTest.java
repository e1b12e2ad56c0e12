package org.pgoffload.worker.llm;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class ServerSentEventsTest {

  @Test
  void readsTheDataOfEachEvent() throws BrokenExchange, InterruptedException {
    assertEvents("data: one\n\ndata:two\n\n", "one", "two");
  }

  @Test
  void takesEveryEndOfLine() throws BrokenExchange, InterruptedException {
    assertEvents("data: a\r\n\r\ndata: b\r\rdata: c\n\ndata: d\r\n\n", "a", "b", "c", "d");
  }

  @Test
  void joinsLinesOfOneEvent() throws BrokenExchange, InterruptedException {
    assertEvents(
        "data: {\"a\":\ndata: 1}\n\ndata:  two\ndata\ndata: blanks\n\n",
        "{\"a\":\n1}",
        " two\n\nblanks");
  }

  @Test
  void skipsCommentsNamesIdsAndEmptyEvents() throws BrokenExchange, InterruptedException {
    assertEvents(
        "\uFEFF: hello\n\nevent: ping\nid: 7\nretry: 10\n\n\n\ndata:\n\nevent: x\ndata: 1\n:\n\n",
        "1");
  }

  @Test
  void takesTheLastEventThoughNothingClosesIt() throws BrokenExchange, InterruptedException {
    assertEvents("data: one\n\ndata: {\"a\": 1}\n", "one", "{\"a\": 1}");
    assertEvents("data: one\n\ndata: {\"a\":\ndata: 1}", "one", "{\"a\":\n1}");
    assertEvents("data: one\n\ndata: [DONE]", "one", "[DONE]");
    assertEvents("");
  }

  @Test
  void dropsALastEventThatIsTorn() throws BrokenExchange, InterruptedException {
    assertEvents("data: one\n\ndata: {\"a\": ", "one");
    assertEvents("data: one\n\ndata: {\"a\": {}\n", "one");
    assertEvents("data: one\n\nda", "one");
  }

  @Test
  void keepsCharactersThatAreTornApart() throws BrokenExchange, InterruptedException {
    assertEvents("data: ž€😀\n\n", "ž€😀");
  }

  /// Whatever the sizes of the reads.
  private static void assertEvents(String body, String... expected)
      throws BrokenExchange, InterruptedException {
    var bytes = body.getBytes(UTF_8);
    for (var size = 1; size <= Math.max(1, bytes.length); size++) {
      assertThat(read(bytes, size)).as("reads of %d bytes", size).containsExactly(expected);
    }
  }

  private static List<String> read(byte[] bytes, int size)
      throws BrokenExchange, InterruptedException {
    Iterator<byte[]> parts =
        IntStream.iterate(0, from -> from < bytes.length, from -> from + size)
            .mapToObj(from -> Arrays.copyOfRange(bytes, from, Math.min(bytes.length, from + size)))
            .iterator();
    var events = new ServerSentEvents(new ReadLines(() -> parts.hasNext() ? parts.next() : null));
    var data = new ArrayList<String>();
    for (var event = events.next(); event != null; event = events.next()) {
      data.add(event);
    }
    return data;
  }
}
