package org.pgoffload.protocol;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

final class SecretTest {
  @Test
  void showsItsValueOnlyWhereItIsRevealed() {
    var secret = Secret.of("hunter2");
    assertThat(secret).hasToString("[redacted]");
    assertThat(secret.reveal()).isEqualTo("hunter2");
  }

  @Test
  void equalsASecretOfTheSameValue() {
    assertThat(Secret.of("a")).isEqualTo(Secret.of("a")).hasSameHashCodeAs(Secret.of("a"));
    assertThat(Secret.of("a")).isNotEqualTo(Secret.of("b"));
  }

  @Test
  void isNeverBlank() {
    assertThatThrownBy(() -> Secret.of(" ")).isInstanceOf(IllegalArgumentException.class);
  }
}
