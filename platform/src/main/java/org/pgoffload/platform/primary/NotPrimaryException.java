package org.pgoffload.platform.primary;

import java.sql.SQLTransientConnectionException;
import java.util.Locale;
import org.pgoffload.platform.DatabaseFault;

/// A server that is not the recorded primary: a part does not write there. It may pass: the server
/// becomes a standby, or its promotion is accepted. The SQLSTATE is that of a read-only session.
public final class NotPrimaryException extends SQLTransientConnectionException {
  private static final long serialVersionUID = 1L;

  private final Code code;

  NotPrimaryException(Code code, String words) {
    super(code.text() + ": " + words, DatabaseFault.READ_ONLY_TRANSACTION);
    this.code = code;
  }

  /// Why a server is not the primary.
  public enum Code {
    /// There is no record of the primary, or it has not been read yet.
    NO_RECORD,
    /// The record was written by a newer version.
    UNKNOWN_VERSION,
    /// The database is a copy of another server's or database's.
    COPIED_DATABASE,
    /// The record is of another installation.
    OTHER_INSTALLATION,
    /// The server's timeline was left by a promotion that was accepted.
    OLD_TIMELINE,
    /// The server was promoted, and nobody has accepted it yet.
    NOT_ACCEPTED,
    /// The server has the recorded timeline's number, and another history.
    OTHER_FORK,
    /// The server lacks what the recorded primary had.
    BEHIND_RECORD,
    /// Other parts are at work with another server that has the same token.
    OTHER_SERVER;

    /// As in messages, such as `old_timeline`.
    public String text() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /// Why.
  public Code code() {
    return code;
  }
}
