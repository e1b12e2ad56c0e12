package org.pgoffload.results;

import java.sql.SQLException;

/// What a failed write means for its group.
enum WriteFault {
  /// Write again without waking anybody: a waiting caller polls all the same.
  NOTIFICATION_QUEUE_FULL,
  /// Something in the group is not storable, now or later.
  BAD_DATA,
  /// Try again until it works: the data is not to blame.
  DATABASE_UNAVAILABLE;

  /// By SQLSTATE: data exceptions (22), integrity violations (23) and program limits (54) are the
  /// data's; everything else is the server's or the connection's.
  static WriteFault of(SQLException fault) {
    var state = fault.getSQLState();
    if (state == null) {
      return DATABASE_UNAVAILABLE;
    }
    // "too many notifications in the NOTIFY queue" is program_limit_exceeded as well
    if (state.startsWith("54")) {
      return String.valueOf(fault.getMessage()).contains("NOTIFY")
          ? NOTIFICATION_QUEUE_FULL
          : BAD_DATA;
    }
    return state.startsWith("22") || state.startsWith("23") ? BAD_DATA : DATABASE_UNAVAILABLE;
  }
}
