package org.pgoffload.protocol;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

final class ControlRecordTest {
  @Test
  void readsWhatItHasWritten() {
    for (var each : new ControlRecord[] {Samples.PRIMARY, Samples.POSITION, Samples.PART}) {
      assertThat(ControlRecord.read(each.write())).contains(each);
    }
  }

  @Test
  void ignoresAKindOfANewerVersion() {
    assertThat(ControlRecord.read("{\"version\":1,\"kind\":\"drain\"}".getBytes(UTF_8))).isEmpty();
  }

  @ParameterizedTest
  @EnumSource(names = {"PRIMARY", "POSITION", "PART"})
  void refusesAnotherMajorVersionByName(Sample sample) {
    assertThatThrownBy(() -> sample.read(sample.with("\"version\":1", "\"version\":2")))
        .isInstanceOf(MalformedMessageException.class)
        .hasMessageContaining("of version 2");
  }

  @Test
  void comparesPositionsAsUnsignedNumbers() {
    var late = WalPosition.parse("FFFFFFFF/FFFFFFFF");
    assertThat(late).isGreaterThan(WalPosition.parse("0/1")).hasToString("FFFFFFFF/FFFFFFFF");
    assertThat(WalPosition.parse("16/B374D848").before(0x1_0000_0848L)).hasToString("15/B374D000");
    assertThat(WalPosition.parse("0/10").before(17)).isEqualTo(WalPosition.ZERO);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "1", "1/", "/1", "1/123456789", "-1/0", "1/g"})
  void refusesWhatIsNoPosition(String text) {
    assertThatThrownBy(() -> WalPosition.parse(text)).isInstanceOf(IllegalArgumentException.class);
  }
}
