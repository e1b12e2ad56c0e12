package org.pgoffload.results;

import static org.assertj.core.api.Assertions.assertThat;

import java.sql.SQLException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class WriteFaultTest {
  @ParameterizedTest
  @ValueSource(strings = {"22P05", "22007", "23502", "23514", "54000"})
  void isDataError(String state) {
    assertThat(WriteFault.of(new SQLException("refused", state))).isEqualTo(WriteFault.BAD_DATA);
  }

  @ParameterizedTest
  @ValueSource(strings = {"08006", "57P01", "53100", "40001", "55P03", "57014", "42501", "42883"})
  void isTheServersOrTheConnections(String state) {
    assertThat(WriteFault.of(new SQLException("refused", state)))
        .isEqualTo(WriteFault.DATABASE_UNAVAILABLE);
  }

  @Test
  void isTheServersWithoutAState() {
    assertThat(WriteFault.of(new SQLException("refused")))
        .isEqualTo(WriteFault.DATABASE_UNAVAILABLE);
  }

  @Test
  void isTheFullQueueOfNotifications() {
    assertThat(
            WriteFault.of(
                new SQLException("ERROR: too many notifications in the NOTIFY queue", "54000")))
        .isEqualTo(WriteFault.NOTIFICATION_QUEUE_FULL);
  }
}
