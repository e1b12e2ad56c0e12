package org.pgoffload.protocol;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import org.junit.jupiter.api.Test;

final class SigningKeysTest {
  // RFC 4231, test case 2
  private static final byte[] MESSAGE = "what do ya want for nothing?".getBytes(UTF_8);
  private static final String MAC =
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";

  private final SigningKeys keys =
      SigningKeys.ofHex(Map.of(1, Secret.of("4a656665"), 2, Secret.of("00".repeat(32))));

  @Test
  void verifiesTheVectorOfTheRfc() {
    assertThat(keys.verify(MESSAGE, new Signature(1, MAC))).isTrue();
  }

  @Test
  void refusesAnotherMessageMacOrKey() {
    assertThat(keys.verify("what do ya want for nothing!".getBytes(UTF_8), new Signature(1, MAC)))
        .isFalse();
    assertThat(keys.verify(MESSAGE, new Signature(1, MAC.replace('5', '6')))).isFalse();
    assertThat(keys.verify(MESSAGE, new Signature(2, MAC))).isFalse();
  }

  @Test
  void refusesAKeyThatItDoesNotKnow() {
    assertThat(keys.knows(1)).isTrue();
    assertThat(keys.knows(3)).isFalse();
    assertThat(keys.verify(MESSAGE, new Signature(3, MAC))).isFalse();
  }

  @Test
  void showsNoKey() {
    assertThat(SigningKeys.ofHex(Map.of(7, Secret.of("4a656665")))).hasToString("SigningKeys[7]");
  }
}
