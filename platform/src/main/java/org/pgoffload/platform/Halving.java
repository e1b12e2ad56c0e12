package org.pgoffload.platform;

import java.sql.SQLException;
import java.util.List;
import java.util.stream.Stream;

/// Tries a batch, and halves it when one of its members makes it fail, until that one is alone.
public final class Halving {
  private Halving() {}

  /// Handles a batch, or a half.
  @FunctionalInterface
  public interface Attempt<T> {
    void on(List<T> batch) throws SQLException;
  }

  /// Handles a member that makes every batch fail.
  @FunctionalInterface
  public interface Refusal<T> {
    void of(T member, SQLException fault) throws SQLException;
  }

  /// Runs the attempt on the whole batch, or on parts that succeed.
  ///
  /// @param attempt takes effect as a whole or not at all
  /// @throws SQLException at the first fault that is no data error: the rest is not tried
  public static <T> void run(List<T> batch, Attempt<T> attempt, Refusal<T> refusal)
      throws SQLException {
    try {
      attempt.on(batch);
    } catch (SQLException e) {
      if (!DatabaseFault.isDataError(e)) {
        throw e;
      }
      if (batch.size() == 1) {
        refusal.of(batch.getFirst(), e);
        return;
      }
      for (var half : halves(batch).toList()) {
        run(half, attempt, refusal);
      }
    }
  }

  /// The two halves of a batch of two members or more, as views.
  public static <T> Stream<List<T>> halves(List<T> batch) {
    int half = batch.size() / 2;
    return Stream.of(batch.subList(0, half), batch.subList(half, batch.size()));
  }
}
