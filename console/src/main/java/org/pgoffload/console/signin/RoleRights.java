package org.pgoffload.console.signin;

/// What a role may do here, as the server said when it signed in. It decides what the pages offer;
/// whether an action is allowed, the server decides each time.
///
/// @param asks whether it is a member of `llm_user`
/// @param launches whether it is a member of `pgbackground_role`
/// @param operates whether it is a member of `pgoffload_operator`
public record RoleRights(boolean asks, boolean launches, boolean operates) {
  /// Whether it may have requests, of either kind.
  public boolean requests() {
    return asks || launches;
  }
}
