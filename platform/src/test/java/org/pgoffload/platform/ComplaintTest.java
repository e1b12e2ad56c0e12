package org.pgoffload.platform;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.slf4j.helpers.NOPLogger;

final class ComplaintTest {
  private final Complaint complaint = new Complaint(NOPLogger.NOP_LOGGER);

  @Test
  void logsAFaultThatStaysOnce() {
    assertThat(complaint.of("away")).isTrue();
    assertThat(complaint.of("away")).isFalse();
    assertThat(complaint.of("refused")).isTrue();
    assertThat(complaint.words()).isEqualTo("refused");
    assertThat(complaint.stands()).isTrue();
  }

  @Test
  void logsAFaultThatComesBack() {
    complaint.of("away");
    complaint.end();
    assertThat(complaint.stands()).isFalse();
    assertThat(complaint.of("away")).isTrue();
    complaint.end("it works again");
    assertThat(complaint.of("away")).isTrue();
  }
}
