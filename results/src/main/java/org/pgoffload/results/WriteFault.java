package org.pgoffload.results;

import java.sql.SQLException;
import org.pgoffload.platform.DatabaseFault;

/// The meaning of a failed write for its group.
enum WriteFault {
  /// Write again without waking anybody: a waiting caller polls all the same.
  NOTIFICATION_QUEUE_FULL,
  /// Something in the group is not storable, now or later.
  BAD_DATA,
  /// Try again until it works: the data is not to blame.
  DATABASE_UNAVAILABLE;

  /// By SQLSTATE: what is no data error is the server's or the connection's.
  static WriteFault of(SQLException fault) {
    // "too many notifications in the NOTIFY queue" is program_limit_exceeded as well
    if (DatabaseFault.isOfClass(fault, "54")
        && String.valueOf(fault.getMessage()).contains("NOTIFY")) {
      return NOTIFICATION_QUEUE_FULL;
    }
    return DatabaseFault.isDataError(fault) ? BAD_DATA : DATABASE_UNAVAILABLE;
  }
}
