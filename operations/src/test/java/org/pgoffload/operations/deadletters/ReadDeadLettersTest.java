package org.pgoffload.operations.deadletters;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.pgoffload.dev.servers.kafka.TestBroker;

/// Reading the topic of dead letters, on a real broker.
@Timeout(120)
final class ReadDeadLettersTest {
  private static final TestBroker BROKER = TestBroker.shared();
  private static int topics;

  private String topic;

  @BeforeEach
  void makeTopic() throws Exception {
    topic = "letters" + topics++;
    BROKER.admin().createTopics(List.of(new NewTopic(topic, 3, (short) 1))).all().get();
  }

  private void send(int partition, long time, String value) {
    BROKER.send(
        new ProducerRecord<>(
            topic, partition, time, null, value.getBytes(StandardCharsets.UTF_8), List.of()));
  }

  private ReadDeadLetters reader() {
    return new ReadDeadLetters(BROKER.address(), topic);
  }

  private static List<Long> times(LetterPage page) {
    return page.letters().stream().map(letter -> letter.time().toEpochMilli()).toList();
  }

  @Test
  void readsPagesFromTheEndInTheOrderOfTime() {
    for (int i = 1; i <= 20; i++) {
      // one partition has no letter
      send(i % 3 == 0 ? 2 : 0, i, "x");
    }
    try (var letters = reader()) {
      var all = new ArrayList<Long>();
      var page = letters.newest(Map.of(), 8);
      assertThat(times(page)).containsExactly(20L, 19L, 18L, 17L, 16L, 15L, 14L, 13L);
      all.addAll(times(page));
      // what comes meanwhile is on no older page
      send(1, 21, "y");
      send(0, 22, "z");
      int pages = 1;
      while (!page.older().isEmpty()) {
        page = letters.newest(page.older(), 8);
        all.addAll(times(page));
        pages++;
      }
      assertThat(pages).isEqualTo(3);
      assertThat(all).hasSize(20).isSortedAccordingTo((a, b) -> Long.compare(b, a));
      assertThat(times(letters.newest(Map.of(), 2))).containsExactly(22L, 21L);
    }
  }

  @Test
  void readsWhatIsLeftWhereKafkaHasRemovedTheOldest() {
    for (int i = 1; i <= 10; i++) {
      send(0, i, "x");
    }
    BROKER.trim(topic, 0, 7);
    try (var letters = reader()) {
      var page = letters.newest(Map.of(), 5);
      assertThat(times(page)).containsExactly(10L, 9L, 8L);
      assertThat(page.older()).isEmpty();
      assertThat(letters.at(new LetterPlace(0, 3))).isEmpty();
      assertThat(letters.at(new LetterPlace(0, 9)).orElseThrow().time().toEpochMilli())
          .isEqualTo(10);
    }
  }

  @Test
  void listsNothingOfAnEmptyTopic() {
    try (var letters = reader()) {
      assertThat(letters.newest(Map.of(), 5)).isEqualTo(new LetterPage(List.of(), Map.of()));
    }
  }

  @Test
  void saysSoWhereKafkaIsAway() {
    var properties =
        Map.<String, Object>of(
            "bootstrap.servers",
            "127.0.0.1:1",
            "default.api.timeout.ms",
            500,
            "request.timeout.ms",
            500);
    long began = System.nanoTime();
    try (var letters = new ReadDeadLetters(properties, topic)) {
      assertThatThrownBy(() -> letters.newest(Map.of(), 5))
          .isInstanceOf(UnreadableLettersException.class)
          .hasMessageStartingWith("the dead letters cannot be read: ");
    }
    assertThat(Duration.ofNanos(System.nanoTime() - began)).isLessThan(Duration.ofSeconds(30));
  }

  @Test
  void showsTheBeginningOfALongTextWithoutTearingACharacter() {
    var text = "aß€".repeat(10).getBytes(StandardCharsets.UTF_8);
    for (int most = 1; most < text.length; most++) {
      var shown = Printable.lines(text, most);
      assertThat(shown).isEqualTo("aß€".repeat(10).substring(0, shown.length()));
      assertThat(shown.getBytes(StandardCharsets.UTF_8).length).isBetween(most - 2, most);
    }
    assertThat(Printable.lines(new byte[] {(byte) 0xff, 0, 1}, 2)).isEqualTo("ff 00");
  }
}
