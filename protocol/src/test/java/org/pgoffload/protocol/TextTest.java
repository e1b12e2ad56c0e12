package org.pgoffload.protocol;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import org.junit.jupiter.api.Test;

class TextTest {
  @Test
  void replacesWhatNoColumnHolds() {
    assertThat(Text.storable("a\u0000b\uD83Dc\uDE00d\uDE00\uD83D"))
        .isEqualTo("a\uFFFDb\uFFFDc\uFFFDd\uFFFD\uFFFD");
    assertThat(Text.storable("ž😀€")).isEqualTo("ž😀€");
  }

  @Test
  void cutsNoPairInTwo() {
    assertThat(Text.begin("ab😀", 4)).isEqualTo("ab😀");
    assertThat(Text.begin("ab😀", 3)).isEqualTo("ab");
    assertThat(Text.begin("ab😀c", 4)).isEqualTo("ab😀");
    assertThat(Text.begin("😀", 1)).isEmpty();
    assertThat(Text.begin("ab", 0)).isEmpty();
    assertThat(Text.shortened("ab😀", 3)).isEqualTo("ab…");
    assertThat(Text.shortened("ab😀", 4)).isEqualTo("ab😀");
  }

  @Test
  void writesHalfAPairInAnyMessageAsItDoesNul() {
    assertThat(new String(Json.write(Map.of("k", "a\uD83Db")), UTF_8))
        .isEqualTo("{\"k\":\"a\uFFFDb\"}");
  }
}
