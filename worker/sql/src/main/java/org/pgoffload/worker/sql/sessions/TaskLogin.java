package org.pgoffload.worker.sql.sessions;

import java.sql.SQLException;

/// What is to be known of a role at the moment of a login. Its identity is its oid: a name may pass
/// to another role at any time.
///
/// @param oid of the role
/// @param name its name at this moment
/// @param expired whether its password is past its `VALID UNTIL`
/// @param options the session settings to log in with, as the `options` of libpq
public record TaskLogin(long oid, String name, boolean expired, String options) {
  public TaskLogin {
    if (name.isEmpty()) {
      throw new IllegalArgumentException("a role has a name");
    }
  }

  /// Where the roles are looked up.
  @FunctionalInterface
  public interface Roles {
    /// The role of an oid.
    ///
    /// @throws SQLException with 42704 if there is no such role (any more), or if the database
    ///   could not be asked
    TaskLogin login(long oid) throws SQLException;
  }
}
