package org.pgoffload.worker.sql.sessions;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.pgoffload.worker.sql.TestTasks;

final class ApplicationNameTest {
  @Test
  void hasLabelAndNumber() {
    assertThat(ApplicationName.of("nightly load", 42)).isEqualTo("pg_background:nightly load:42");
    assertThat(ApplicationName.of(null, 42)).isEqualTo("pg_background:42");
    assertThat(ApplicationName.of(" ", 42)).isEqualTo("pg_background:42");
  }

  @Test
  void isNeverLongerThanTheServerKeeps() {
    assertThat(ApplicationName.of("x".repeat(64), Integer.MAX_VALUE))
        .hasSize(63)
        .endsWith("x:2147483647");
    assertThat(ApplicationName.of("é😀\n", 7)).isEqualTo("pg_background:???:7");
  }

  @Test
  void theNumberIsTheLowBitsOfTheId() {
    assertThat(TestTasks.task(5, "", 64).pid()).isEqualTo(5);
    assertThat(TestTasks.task((3L << 31) + 9, "", 64).pid()).isEqualTo(9);
    assertThat(TestTasks.task(1L << 31, "", 64).pid()).isEqualTo(Integer.MAX_VALUE);
  }
}
