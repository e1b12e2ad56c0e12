package org.pgoffload.platform;

import java.io.IOException;
import java.sql.SQLException;
import java.sql.SQLTransientConnectionException;
import org.postgresql.util.PSQLException;

/// The meaning of a fault of PostgreSQL, by its SQLSTATE, and the server's words.
public final class DatabaseFault {
  /// The SQLSTATE of a missing right.
  public static final String INSUFFICIENT_PRIVILEGE = "42501";

  /// The SQLSTATE of a lock that was not had in time.
  public static final String LOCK_NOT_AVAILABLE = "55P03";

  /// The SQLSTATE of a session that waited for another one that waited for it.
  public static final String DEADLOCK_DETECTED = "40P01";

  /// The SQLSTATE of a statement that was cancelled, or timed out.
  public static final String QUERY_CANCELED = "57014";

  /// The SQLSTATE of a role, among others, that does not exist.
  public static final String UNDEFINED_OBJECT = "42704";

  /// The SQLSTATE of a function that does not exist.
  public static final String UNDEFINED_FUNCTION = "42883";

  /// The SQLSTATE of a session that cannot write: the server is a standby, or set read-only.
  public static final String READ_ONLY_TRANSACTION = "25006";

  /// The SQLSTATE of our own functions for a worker whose lease has lapsed.
  public static final String LEASE_LOST = "PO001";

  private DatabaseFault() {}

  /// Whether the fault has this SQLSTATE.
  public static boolean is(SQLException fault, String state) {
    return state.equals(fault.getSQLState());
  }

  /// Whether the fault's SQLSTATE is of one of these classes, the first two characters.
  public static boolean isOfClass(SQLException fault, String... classes) {
    var state = String.valueOf(fault.getSQLState());
    for (var prefix : classes) {
      if (state.startsWith(prefix)) {
        return true;
      }
    }
    return false;
  }

  /// Whether the data is to blame, now and later, rather than the server or the connection: data
  /// exceptions (22), integrity violations (23), among them an id that no partition takes, and
  /// program limits (54).
  public static boolean isDataError(SQLException fault) {
    return isOfClass(fault, "22", "23", "54");
  }

  /// Whether the connection is to blame: it broke, or there was none.
  public static boolean isConnectionLost(SQLException fault) {
    return fault.getSQLState() == null || isOfClass(fault, "08");
  }

  /// Whether the server, the connection or the moment is to blame, rather than what was asked: the
  /// same statement may succeed later.
  public static boolean isTransient(SQLException fault) {
    return isConnectionLost(fault)
        || fault instanceof SQLTransientConnectionException
        || fault.getCause() instanceof IOException
        // insufficient resources, deadlock, system error; a shutdown, a start, a timeout
        || isOfClass(fault, "53", "40", "58", "57")
        // a standby, before it is promoted
        || is(fault, READ_ONLY_TRANSACTION);
  }

  /// The server's message without its severity and detail, or the driver's.
  public static String words(SQLException fault) {
    return fault instanceof PSQLException refusal && refusal.getServerErrorMessage() != null
        ? String.valueOf(refusal.getServerErrorMessage().getMessage())
        : String.valueOf(fault.getMessage());
  }

  /// What to do, in the server's words; empty if it does not say so.
  public static String hint(SQLException fault) {
    var server = fault instanceof PSQLException refusal ? refusal.getServerErrorMessage() : null;
    return server == null || server.getHint() == null ? "" : server.getHint();
  }
}
