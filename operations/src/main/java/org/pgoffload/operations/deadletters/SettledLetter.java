package org.pgoffload.operations.deadletters;

import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.time.OffsetDateTime;

/// A letter that was replayed or discarded, as the database keeps it: lists leave it out.
///
/// @param position its name: topic-partition@offset
/// @param time of its record; a topic that was made anew has other letters at the same positions
public record SettledLetter(String position, Instant time) {
  /// Selects those among some positions, an array of texts.
  public static final String AMONG =
      "select l.position, l.came_at from pgoffload.settled_letter l where l.position = any (?)";

  /// A row of it.
  public static SettledLetter read(ResultSet row) throws SQLException {
    return new SettledLetter(
        row.getString("position"), row.getObject("came_at", OffsetDateTime.class).toInstant());
  }

  /// That a letter would be.
  public static SettledLetter of(ListedLetter letter) {
    return new SettledLetter(letter.position(), letter.time());
  }
}
