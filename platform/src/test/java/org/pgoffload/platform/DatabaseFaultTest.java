package org.pgoffload.platform;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.sql.SQLException;
import java.sql.SQLTransientConnectionException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class DatabaseFaultTest {
  @ParameterizedTest
  @ValueSource(strings = {"22P05", "22007", "23502", "23514", "54000"})
  void blamesTheData(String state) {
    assertThat(DatabaseFault.isDataError(new SQLException("refused", state))).isTrue();
    assertThat(DatabaseFault.isTransient(new SQLException("refused", state))).isFalse();
  }

  @ParameterizedTest
  @ValueSource(strings = {"08006", "53300", "40001", "40P01", "57P01", "57014", "58030", "25006"})
  void blamesTheMoment(String state) {
    assertThat(DatabaseFault.isTransient(new SQLException("away", state))).isTrue();
    assertThat(DatabaseFault.isDataError(new SQLException("away", state))).isFalse();
  }

  @ParameterizedTest
  @ValueSource(strings = {"42501", "42883", "55P03", "25001", "P0001", "PO001"})
  void blamesNeither(String state) {
    assertThat(DatabaseFault.isTransient(new SQLException("no", state))).isFalse();
    assertThat(DatabaseFault.isDataError(new SQLException("no", state))).isFalse();
  }

  @Test
  void blamesTheConnectionWithoutAnAnswerOfTheServer() {
    assertThat(DatabaseFault.isConnectionLost(new SQLException("broken"))).isTrue();
    assertThat(DatabaseFault.isTransient(new SQLException("broken"))).isTrue();
    assertThat(
            DatabaseFault.isTransient(
                new SQLException("broken", "XX000", new IOException("reset by peer"))))
        .isTrue();
    assertThat(DatabaseFault.isTransient(new SQLTransientConnectionException("none free", "XX000")))
        .isTrue();
    assertThat(DatabaseFault.isDataError(new SQLException("broken"))).isFalse();
  }
}
