package org.pgoffload.worker.vendors.http;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.pgoffload.protocol.Secret;
import org.pgoffload.worker.models.LlmCall;
import org.pgoffload.worker.models.LlmOptions;
import org.pgoffload.worker.models.Turn;

class RedactWordsTest {
  private static final Secret KEY = Secret.of("sk-proj-AbCdEfGh12345678");

  @Test
  void leavesOrdinaryWordsAlone() {
    assertThat(redact("Rate limit reached for requests per min.", "Why?", null))
        .isEqualTo("Rate limit reached for requests per min.");
  }

  @Test
  void leavesNoHalfOfACharacterWhereItHides() {
    var asked = "\uD83D\uDE00 sixteen characters or more";
    assertThat(redact("so: \uD83C\uDE00 sixteen characters or more", asked, null))
        .isEqualTo("so: \uFFFD[redacted]");
  }

  @Test
  void hidesTheWholeKey() {
    assertThat(redact("bad key sk-proj-AbCdEfGh12345678!", "Why?", null))
        .isEqualTo("bad key [redacted]!");
  }

  @Test
  void hidesAMaskedKeyWithTheEndsThatItShows() {
    assertThat(redact("bad key: sk-proj-********5678. Get one at /keys", "Why?", null))
        .isEqualTo("bad key: [redacted]. Get one at /keys");
  }

  @Test
  void hidesAPartOfTheKey() {
    assertThat(redact("key begins with sk-proj-AbCd", "Why?", null))
        .isEqualTo("key begins with [redacted]");
  }

  @Test
  void hidesAPartOfThePrompt() {
    assertThat(redact("cannot take 'my salary is 12345 ...'", "Is my salary is 12345 much?", null))
        .isEqualTo("cannot take '[redacted]...'");
  }

  @Test
  void hidesAShortPromptAsAWhole() {
    assertThat(redact("cannot take 'tax id 7'", "tax id 7", null))
        .isEqualTo("cannot take '[redacted]'");
  }

  @Test
  void hidesThePartOfTheInstructions() {
    assertThat(
            redact(
                "in: You serve the bank of Ruritania", "Why?", "You serve the bank of Ruritania."))
        .isEqualTo("in: [redacted]");
  }

  @Test
  void keepsOneLineWithoutControlCharacters() {
    assertThat(redact("one\r\ntwo\u0000three\tfour ", "Why?", null))
        .isEqualTo("one two three four");
  }

  @Test
  void cutsLongWords() {
    assertThat(redact("ab ".repeat(5_000), "Why?", null))
        .hasSizeLessThanOrEqualTo(RedactWords.MAX_LENGTH + 1)
        .endsWith("…");
  }

  @Test
  @Timeout(10)
  void takesNoLongerForAPromptThatRepeatsItself() {
    var prompt = "long ".repeat(1_000_000);

    assertThat(redact(prompt.substring(0, 10_000), prompt, null)).isEqualTo("[redacted]");
  }

  @Test
  void hidesAPartOfAnotherSecretToo() {
    var words = new RedactWords(null, List.of("QuerySecretZ9"), List.of("Why?"));

    assertThat(words.redact("QuerySec was refused")).isEqualTo("[redacted] was refused");
  }

  private static String redact(String words, String prompt, @Nullable String system) {
    var call =
        new LlmCall(
            1,
            null,
            system,
            List.of(Turn.user(prompt)),
            LlmOptions.DEFAULTS,
            false,
            Duration.ofSeconds(1));
    return new RedactWords(KEY, call.texts()).redact(words);
  }
}
