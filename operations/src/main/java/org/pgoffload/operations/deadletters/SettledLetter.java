package org.pgoffload.operations.deadletters;

import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.List;
import java.util.Set;
import java.util.function.Predicate;
import org.pgoffload.platform.Query;

/// A letter that was replayed or discarded, as the database keeps it: lists leave it out.
///
/// @param position its name: topic-partition@offset
/// @param time of its record; a topic that was made anew has other letters at the same positions
public record SettledLetter(String position, Instant time) {
  private static final String AMONG =
      "select l.position, l.came_at from pgoffload.settled_letter l where l.position = any (?)";

  /// The database.
  @FunctionalInterface
  public interface Ask {
    /// The rows that a statement returns, each by [#read].
    List<SettledLetter> rows(String sql, Object positions) throws SQLException;
  }

  /// Which of these letters are settled.
  public static Predicate<ListedLetter> among(List<ListedLetter> letters, Ask ask)
      throws SQLException {
    var settled = Set.copyOf(ask.rows(AMONG, Query.array("text", letters, ListedLetter::position)));
    return letter -> settled.contains(of(letter));
  }

  /// A row of the table.
  public static SettledLetter read(ResultSet row) throws SQLException {
    return new SettledLetter(
        row.getString("position"), row.getObject("came_at", OffsetDateTime.class).toInstant());
  }

  private static SettledLetter of(ListedLetter letter) {
    return new SettledLetter(letter.position(), letter.time());
  }
}
