package org.pgoffload.protocol;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class SignatureTest {
  private static final String MAC = "0123456789abcdef".repeat(4);

  @Test
  void readsTheTextThatItWrites() {
    var signature = new Signature(7, MAC);
    assertThat(signature.text()).isEqualTo("7:" + MAC);
    assertThat(Signature.parse(signature.text())).isEqualTo(signature);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", ":", "7", "7:", "7:abc", "x:", "-1:", "9999999999:", " 7:", "7::"})
  void refusesAnyOtherForm(String start) {
    assertThatThrownBy(() -> Signature.parse(start.length() > 3 ? start + MAC : start))
        .isInstanceOfSatisfying(
            MalformedMessageException.class,
            e -> assertThat(e.reason()).isEqualTo(DeadLetterReason.MALFORMED));
  }

  @Test
  void refusesCapitalsAndTrailingText() {
    assertThatThrownBy(() -> Signature.parse("7:" + MAC.replace('a', 'A')))
        .isInstanceOf(MalformedMessageException.class);
    assertThatThrownBy(() -> Signature.parse("7:" + MAC + "\n"))
        .isInstanceOf(MalformedMessageException.class);
  }

  @Test
  void cannotBeMadeOfAnythingElse() {
    assertThatThrownBy(() -> new Signature(-1, MAC)).isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> new Signature(1, "abc")).isInstanceOf(IllegalArgumentException.class);
  }
}
