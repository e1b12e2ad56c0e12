package org.pgoffload.console.maintained;

import java.math.BigDecimal;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.pgoffload.console.database.RoleSession;

/// A maintained column, as `llm_maintained` has it.
///
/// @param source its table
/// @param target its column, or its table of chunks
/// @param reason why it stands still, and what to do; or null
public record MaintainedColumn(
    String name,
    String source,
    String target,
    String status,
    Progress progress,
    Spent spent,
    @Nullable String reason,
    @Nullable String lastError) {
  private static final String COLUMNS =
      """
      select m.name, m.source::text as source, m.target, m.status, m.rows, m.pending, m.done, m.failed, m.stale,
             m.tokens, m.cost, m.paused, m.last_error, p.per_minute,
             case when m.behind > interval '0' then date_trunc('second', m.behind)::text end as behind
      from ${public_schema}.llm_maintained m
      left join pgoffload.maintained_pace p on p.name = m.name
      """;

  /// How far it is.
  ///
  /// @param rows of its table as the server estimates them, or null before it has
  /// @param pending requests without an end, and rows that are due
  /// @param done answers that were written, ever
  /// @param failed rows whose last request has failed
  /// @param stale answers that came too late for their row
  /// @param perMinute requests that end in a minute
  /// @param behind since when something is pending, or null
  public record Progress(
      @Nullable Long rows,
      long pending,
      long done,
      long failed,
      long stale,
      BigDecimal perMinute,
      @Nullable String behind) {

    /// Which part of its rows has an answer, in percent and at most: a row that was answered twice
    /// counts twice. Null where the server has counted no rows.
    public @Nullable Long percent() {
      return rows == null || rows == 0 ? null : Math.min(100, 100 * done / rows);
    }

    /// How long what is pending takes at this pace, or null.
    public @Nullable String left() {
      double pace = perMinute.doubleValue();
      if (pending == 0 || pace == 0) {
        return null;
      }
      long minutes = Math.round(Math.ceil(pending / pace));
      return minutes < 120 ? minutes + " min" : minutes / 60 + " h";
    }
  }

  /// What its requests have cost, ever.
  ///
  /// @param cost by the prices of their time
  public record Spent(long tokens, BigDecimal cost) {}

  /// All of them that the role may see.
  static List<MaintainedColumn> all(RoleSession session) throws SQLException {
    return session.rows(COLUMNS + "order by m.name", MaintainedColumn::read);
  }

  static Optional<MaintainedColumn> of(RoleSession session, String name) throws SQLException {
    return session.first(COLUMNS + "where m.name = ?", MaintainedColumn::read, name);
  }

  private static MaintainedColumn read(ResultSet row) throws SQLException {
    return new MaintainedColumn(
        row.getString("name"),
        row.getString("source"),
        String.valueOf(row.getString("target")),
        row.getString("status"),
        new Progress(
            row.getObject("rows", Long.class),
            row.getLong("pending"),
            row.getLong("done"),
            row.getLong("failed"),
            row.getLong("stale"),
            row.getBigDecimal("per_minute"),
            row.getString("behind")),
        new Spent(row.getLong("tokens"), row.getBigDecimal("cost").stripTrailingZeros()),
        row.getString("paused"),
        row.getString("last_error"));
  }

  /// The address of its page.
  public String path() {
    return path(name);
  }

  static String path(String name) {
    return MaintainedPage.PATH + "/column?name=" + URLEncoder.encode(name, StandardCharsets.UTF_8);
  }

  /// Whether someone has paused it, or it waits for its declarer otherwise.
  public boolean standsStill() {
    return !status.equals("active") && !status.equals("backfilling");
  }
}
