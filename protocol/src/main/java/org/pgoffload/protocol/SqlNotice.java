package org.pgoffload.protocol;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Something the server said while SQL ran in the background; it is raised again where the result
/// is fetched.
///
/// @param severity `NOTICE`, `WARNING`, `INFO`, `LOG` or `DEBUG`, in English whatever the server's
///   language
/// @param sqlstate five digits and upper-case letters
/// @param message what it said
/// @param detail more about it
/// @param hint what to do
@JsonInclude(JsonInclude.Include.NON_NULL)
public record SqlNotice(
    @JsonProperty("severity") String severity,
    @JsonProperty("sqlstate") String sqlstate,
    @JsonProperty("message") String message,
    @JsonProperty("detail") @Nullable String detail,
    @JsonProperty("hint") @Nullable String hint) {
  private static final Set<String> SEVERITIES = Set.of("NOTICE", "WARNING", "INFO", "LOG", "DEBUG");

  public SqlNotice {
    Require.that(
        severity != null && SEVERITIES.contains(severity),
        "the severity of a notice is none of NOTICE, WARNING, INFO, LOG and DEBUG");
    Require.that(Require.isSqlState(sqlstate), "the sqlstate of a notice is no SQLSTATE");
    Require.that(message != null, "a notice has no message");
  }

  /// Names severity and SQLSTATE, never the words, which may quote a value.
  @Override
  public String toString() {
    return "SqlNotice[severity=" + severity + ", sqlstate=" + sqlstate + "]";
  }
}
