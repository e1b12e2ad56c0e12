package org.pgoffload.console.trying;

import org.jspecify.annotations.Nullable;
import org.pgoffload.console.signin.RoleRights;

/// What the reader tries.
///
/// @param rights of the role: what is offered
/// @param asked the request to a model that was made, or null before
public record Trial(RoleRights rights, @Nullable Asked asked) {
  /// A request to a model, with what has come of its answer.
  ///
  /// @param answer so far
  /// @param fault code and words, or null
  /// @param sql the statement that does the same
  public record Asked(
      long id,
      String prompt,
      String model,
      String provider,
      String status,
      String answer,
      @Nullable String fault,
      String sql) {

    /// Whether more may come.
    public boolean isPending() {
      return status.equals("queued") || status.equals("running");
    }
  }

  /// What was asked last, for the form.
  public String prompt() {
    return asked == null ? "" : asked.prompt();
  }

  public String model() {
    return asked == null ? "" : asked.model();
  }

  public String provider() {
    return asked == null ? "" : asked.provider();
  }
}
