package org.pgoffload.worker.sql.rows;

import java.sql.SQLException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Where the rows of one attempt are stored in the database.
///
/// For one thread.
@FunctionalInterface
public interface RowStore {
  /// Stores a chunk, in a transaction of its own. Waits while the database is away. Stored again, a
  /// chunk changes nothing.
  ///
  /// @param number its place among the chunks of the attempt, from 1
  /// @param columns for each column of whole rows, its values as the text of an array; or one piece
  ///   of the text of an array of the values of one row
  /// @param ends whether the piece is the last of its row, or null with whole rows
  /// @throws SQLException if the database does not take it: the attempt is not the last one any
  ///   more, say
  /// @throws InterruptedException if the thread was told to end
  void store(int number, List<String> columns, @Nullable Boolean ends)
      throws SQLException, InterruptedException;
}
