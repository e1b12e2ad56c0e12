package org.pgoffload.platform;

import static org.assertj.core.api.Assertions.assertThat;

import org.apache.kafka.common.header.internals.RecordHeaders;
import org.junit.jupiter.api.Test;

final class HeaderTextTest {
  @Test
  void readsTheLastHeaderOfAName() {
    var headers =
        new RecordHeaders()
            .add("name", HeaderText.bytes("first"))
            .add("name", HeaderText.bytes("läst"))
            .add("empty", null);
    assertThat(HeaderText.read(headers, "name")).isEqualTo("läst");
    assertThat(HeaderText.read(headers, "empty")).isNull();
    assertThat(HeaderText.read(headers, "none")).isNull();
  }
}
