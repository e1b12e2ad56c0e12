package org.pgoffload.worker.llm.chunks;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.List;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.pgoffload.protocol.MaintainedRequest.Chunking;
import org.pgoffload.protocol.Text;

final class SplitTextTest {
  @Test
  void aTextThatFitsIsOneChunk() throws Exception {
    assertThat(split("  One. Two.\n\nThree.\n", 8, 3)).containsExactly("One. Two.\n\nThree.");
    assertThat(split("One. Two.\n\nThree.", 5, 0)).containsExactly("One. Two.", "Three.");
  }

  @Test
  void keepsParagraphsWholeWhereItCan() throws Exception {
    assertThat(split("The first one.\n\nThe second one.\n \n\nThe third one.", 10, 0))
        .containsExactly("The first one.\n\nThe second one.", "The third one.");
    assertThat(split("The first one.\r\n\r\nThe second one.\r\n\r\nThe third one.", 5, 0))
        .containsExactly("The first one.", "The second one.", "The third one.");
  }

  @Test
  void keepsSentencesWholeInAParagraphThatIsTooLong() throws Exception {
    assertThat(
            split(
                "It was late. Nobody came. The lamp burned on, and the rain fell. He slept.",
                10,
                0))
        .containsExactly(
            "It was late. Nobody came.", "The lamp burned on, and the rain fell.", "He slept.");
    assertThat(split("天气很好。我们去公园吧！他说好。", 12, 0)).containsExactly("天气很好。", "我们去公园吧！他说好。");
  }

  @Test
  void keepsWordsWholeInASentenceThatIsTooLong() throws Exception {
    assertThat(split("alpha beta gamma delta epsilon zeta", 4, 0))
        .containsExactly("alpha beta gamma delta", "epsilon zeta");
  }

  @Test
  void cutsAWordWithoutAnEnd() throws Exception {
    var word = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5eg".repeat(4);
    var chunks = split(word, 40, 0);
    assertThat(String.join("", chunks)).isEqualTo(word);
    assertThat(chunks).hasSizeGreaterThan(3).allSatisfy(chunk -> assertThat(chunk).isNotBlank());
  }

  @Test
  void beginsWithTheEndOfTheChunkBefore() throws Exception {
    assertThat(split("It was late. Nobody came. The lamp burned on. He slept. She read.", 12, 5))
        .containsExactly(
            "It was late. Nobody came. The lamp burned on.",
            "The lamp burned on. He slept. She read.");
  }

  @Test
  void theOverlapIsOfWordsWhereASentenceIsTooLongForIt() throws Exception {
    assertThat(
            split("one two three four five six seven eight nine ten eleven twelve thirteen", 6, 2))
        .containsExactly(
            "one two three four five six",
            "five six seven eight nine ten",
            "nine ten eleven twelve thirteen");
  }

  /// What a text of any kind is split into.
  record Kind(String name, String text) {
    @Override
    public String toString() {
      return name;
    }
  }

  static Stream<Kind> kinds() {
    return kinds(10_000);
  }

  private static Stream<Kind> kinds(int length) {
    var random = new Random(1);
    var words = List.of("the", "quick", "brown", "internationalisation", "Zürich", "42", "jumps");
    return Stream.of(
        new Kind("prose", prose(random, words, length, "\n\n")),
        new Kind("one paragraph", prose(random, words, length, " ")),
        new Kind("words without a sentence", repeat(random, words, " ", length)),
        new Kind("lines", repeat(random, words, "\n", length)),
        new Kind("many empty lines", repeat(random, words, "\n\n\n \n", length)),
        new Kind("base64", letters(random, 64, 'A', length)),
        new Kind("one letter", "a".repeat(length)),
        new Kind("ideographs", letters(random, 5000, 0x4e00, length)),
        new Kind(
            "ideographs with full stops",
            letters(random, 200, 0x4e00, 40).concat("。").repeat(length / 41)),
        new Kind("emoji", letters(random, 60, 0x1f600, length)),
        new Kind("families", "👨‍👩‍👧‍👦".repeat(length / 11)),
        new Kind("marks", "e" + "\u0301".repeat(length)),
        new Kind("dots", ".".repeat(length)),
        new Kind("wide", repeat(random, words, " ".repeat(5_000), length)),
        new Kind("code", "  if (a.b(c) != null) {\n    d[0] += \"x\";\n  }\n".repeat(length / 46)),
        new Kind("torn", "\ud83d ".repeat(length / 2)));
  }

  private static String prose(Random random, List<String> words, int length, String between) {
    var text = new StringBuilder();
    while (text.length() < length) {
      text.append("The");
      for (int i = 0; i < 12; i++) {
        text.append(' ').append(words.get(random.nextInt(words.size())));
      }
      text.append(random.nextInt(4) == 0 ? "." + between : ". ");
    }
    return text.toString();
  }

  private static String repeat(Random random, List<String> words, String between, int length) {
    var text = new StringBuilder();
    while (text.length() < length) {
      text.append(words.get(random.nextInt(words.size()))).append(between);
    }
    return text.toString();
  }

  private static String letters(Random random, int many, int first, int length) {
    var text = new StringBuilder();
    while (text.length() < length) {
      text.appendCodePoint(first + random.nextInt(many));
    }
    return text.toString();
  }

  @ParameterizedTest
  @MethodSource("kinds")
  void leavesNothingOutButBlanks(Kind kind) throws Exception {
    for (var chunking : List.of(new Chunking(400, 0), new Chunking(50, 0), new Chunking(7, 0))) {
      var chunks = SplitText.split(kind.text, chunking);
      assertThat(String.join("", chunks).replaceAll("\\s", ""))
          .isEqualTo(Text.storable(kind.text).replaceAll("\\s", ""));
    }
  }

  @ParameterizedTest
  @MethodSource("kinds")
  void itsChunksAreSmallEnoughAndPartsOfTheText(Kind kind) throws Exception {
    var text = Text.storable(kind.text);
    for (var chunking :
        List.of(
            new Chunking(400, 40), new Chunking(50, 0), new Chunking(64, 60), new Chunking(8, 3))) {
      assertThat(SplitText.split(kind.text, chunking))
          .allSatisfy(chunk -> {
            assertThat(chunk).isNotBlank().isEqualTo(chunk.strip()).isEqualTo(Text.storable(chunk));
            assertThat(text).contains(chunk);
            assertThat(tokens(chunk)).isLessThanOrEqualTo(chunking.tokens());
          });
    }
  }

  @ParameterizedTest
  @CsvSource({
    "400, 40, ' '",
    "50, 25, ' '",
    "30, 3, ' '",
    "60, 40, '. '",
    "60, 20, '.\n\n'",
    "20, 19, ' '"
  })
  void itsChunksFollowOneAnotherAndShareTheOverlap(int tokens, int overlap, String between)
      throws Exception {
    var words = IntStream.range(1_000, 3_000).mapToObj(i -> "Word" + i).toList();
    var chunks = split(String.join(between, words), tokens, overlap);
    int next = 0;
    for (var chunk : chunks) {
      var its = Stream.of(chunk.split("[\\s.]+")).toList();
      int first = words.indexOf(its.getFirst());
      assertThat(first).isLessThanOrEqualTo(next);
      var shared = String.join(between, words.subList(first, next));
      assertThat(tokens(shared)).isLessThanOrEqualTo(overlap);
      // the blank before a word may count
      assertThat(next == 0 ? overlap : tokens(shared)).isGreaterThan(overlap - 12);
      assertThat(its).isEqualTo(words.subList(first, first + its.size()));
      assertThat(first + its.size()).isGreaterThan(next);
      next = first + its.size();
    }
    assertThat(next).isEqualTo(words.size());
  }

  private static int tokens(String text) {
    return CountTokens.of(text, 0, text.length());
  }

  @ParameterizedTest
  @CsvSource({"prose, 0.8", "one paragraph, 0.9", "base64, 0.9", "ideographs, 0.9", "code, 0.85"})
  void fillsItsChunks(String name, double least) throws Exception {
    var kind = kinds().filter(each -> each.name.equals(name)).findFirst().orElseThrow();
    var chunks = SplitText.split(kind.text, new Chunking(400, 40));
    assertThat(
            chunks.stream()
                .limit(chunks.size() - 1)
                .collect(Collectors.averagingInt(SplitTextTest::tokens)))
        .isGreaterThan(400 * least);
  }

  @ParameterizedTest
  @CsvSource({
    "prose, 5_000_000",
    "many empty lines, 1_000_000",
    "base64, 1_000_000",
    "one letter, 500_000",
    "ideographs, 300_000",
    "marks, 1_000_000"
  })
  void takesSecondsForMegabytes(String name, String length) throws Exception {
    var text =
        kinds(Integer.parseInt(length.replace("_", "")))
            .filter(each -> each.name.equals(name))
            .findFirst()
            .orElseThrow()
            .text;
    long begun = System.nanoTime();
    var chunks = split(text, 400, 40);
    assertThat(Duration.ofNanos(System.nanoTime() - begun)).isLessThan(Duration.ofSeconds(60));
    assertThat(chunks).hasSizeGreaterThan(100);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", " \n\t", "\u00a0\u2003", "\u3000"})
  void refusesABlankText(String blank) {
    assertThatThrownBy(() -> split(blank, 10, 0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("must not be empty");
  }

  @Test
  void refusesMoreChunksThanCanBeEmbedded() {
    var text = "word ".repeat(SplitText.MOST_CHUNKS + 1);
    assertThatThrownBy(() -> split(text, 1, 0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("more chunks than can be embedded");
    assertThatThrownBy(() -> split("word ".repeat(20_000), 2_000, 1_999))
        .as("an overlap that makes gigabytes of it")
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void aCharacterWithMoreTokensThanAChunkIsOne() throws Exception {
    assertThat(split("😀😁", 1, 0)).containsExactly("😀", "😁");
  }

  @Test
  void endsWhenItIsInterrupted() {
    Thread.currentThread().interrupt();
    assertThatThrownBy(() -> split(IntStream.range(0, 99).boxed().toList().toString(), 5, 0))
        .isInstanceOf(InterruptedException.class);
    assertThat(Thread.interrupted()).isFalse();
  }

  private static List<String> split(String text, int tokens, int overlap)
      throws InterruptedException {
    return SplitText.split(text, new Chunking(tokens, overlap));
  }
}
