package org.pgoffload.worker.sql.sessions;

import org.jspecify.annotations.Nullable;

/// What a task's session shows as its application_name: `pg_background:<label>:<pid>`.
final class ApplicationName {
  private static final String PREFIX = "pg_background:";

  /// The server cuts longer ones, and with them the number.
  private static final int MOST = 63;

  private ApplicationName() {}

  /// @param label is cut so that all fits; what is no printable ASCII becomes a question mark, as
  ///   the server would have it
  static String of(@Nullable String label, int pid) {
    if (label == null || label.isBlank()) {
      return PREFIX + pid;
    }
    var end = ":" + pid;
    var name = new StringBuilder(PREFIX);
    label
        .codePoints()
        .limit(MOST - PREFIX.length() - end.length())
        .forEach(c -> name.append(c >= ' ' && c <= '~' ? (char) c : '?'));
    return name.append(end).toString();
  }
}
