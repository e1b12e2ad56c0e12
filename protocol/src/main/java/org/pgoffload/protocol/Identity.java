package org.pgoffload.protocol;

/// The requester, as the database stamped it.
///
/// @param user the effective role (current_user)
/// @param userOid the oid of the effective role
/// @param sessionUser the role that logged in (session_user)
/// @param sessionUserOid the oid of that role
/// @param role the `role` setting: `none` unless the session had SET ROLE
public record Identity(
    String user, long userOid, String sessionUser, long sessionUserOid, String role) {
  public Identity {
    if (user.isEmpty() || sessionUser.isEmpty() || role.isEmpty()) {
      throw new IllegalArgumentException("an identity names user, session user and role setting");
    }
  }
}
