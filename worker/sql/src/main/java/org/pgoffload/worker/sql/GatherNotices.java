package org.pgoffload.worker.sql;

import java.sql.SQLWarning;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.SqlNotice;
import org.postgresql.util.PSQLWarning;

/// Keeps what the server says while a task runs, up to a bound: a task may say it for days.
///
/// For one thread.
final class GatherNotices {
  private static final int MOST = 1000;

  /// Together with the rows they must fit into one message.
  private static final int MOST_CHARACTERS = 128 << 10;

  private static final Set<String> SEVERITIES = Set.of("NOTICE", "WARNING", "INFO", "LOG", "DEBUG");

  private final List<SqlNotice> notices = new ArrayList<>();
  private int characters;
  private long leftOut;

  void add(SQLWarning warning) {
    var notice = notice(warning);
    int size = size(notice);
    if (leftOut > 0 || notices.size() == MOST || characters + size > MOST_CHARACTERS) {
      leftOut++;
      return;
    }
    characters += size;
    notices.add(notice);
  }

  /// Adds a warning and all that are chained to it.
  void addAll(@Nullable SQLWarning first) {
    for (var warning = first; warning != null; warning = warning.getNextWarning()) {
      add(warning);
    }
  }

  /// All, and one more that says how many were left out, or null if there are none.
  @Nullable List<SqlNotice> all() {
    if (leftOut > 0) {
      var all = new ArrayList<>(notices);
      all.add(
          new SqlNotice("NOTICE", "00000", leftOut + " more messages were left out", null, null));
      return all;
    }
    return notices.isEmpty() ? null : List.copyOf(notices);
  }

  private static SqlNotice notice(SQLWarning warning) {
    var server = warning instanceof PSQLWarning psql ? psql.getServerErrorMessage() : null;
    var sqlState = Texts.sqlState(warning.getSQLState(), "01000");
    if (server == null) {
      return new SqlNotice(
          "WARNING", sqlState, Texts.cut(String.valueOf(warning.getMessage())), null, null);
    }
    return new SqlNotice(
        severity(server.getSeverity(), sqlState),
        sqlState,
        Texts.cut(String.valueOf(server.getMessage())),
        Texts.cutOrNull(server.getDetail()),
        Texts.cutOrNull(server.getHint()));
  }

  /// The driver has the severity in the server's language alone: where that is not English, the
  /// SQLSTATE tells warnings from the rest.
  private static String severity(@Nullable String words, String sqlState) {
    var upper = words == null ? "" : words.toUpperCase(Locale.ROOT);
    if (SEVERITIES.contains(upper)) {
      return upper;
    }
    if (upper.startsWith("DEBUG")) {
      return "DEBUG";
    }
    return sqlState.startsWith("01") ? "WARNING" : "NOTICE";
  }

  private static int size(SqlNotice notice) {
    return notice.message().length()
        + (notice.detail() == null ? 0 : notice.detail().length())
        + (notice.hint() == null ? 0 : notice.hint().length());
  }
}
