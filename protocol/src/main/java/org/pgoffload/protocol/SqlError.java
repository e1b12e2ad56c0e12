package org.pgoffload.protocol;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.annotation.JsonUnwrapped;
import org.jspecify.annotations.Nullable;

/// Why SQL in the background did not succeed: the server's error with its fields, or the worker's
/// own words under a SQLSTATE that fits.
///
/// @param sqlstate five digits and upper-case letters
/// @param message what happened
/// @param detail more about it
/// @param hint what to do
/// @param context where in the functions it happened
/// @param object the database object that the error names
/// @param position the place in the SQL, in characters from 1, or null
@JsonInclude(JsonInclude.Include.NON_NULL)
public record SqlError(
    @JsonProperty("sqlstate") String sqlstate,
    @JsonProperty("message") String message,
    @JsonProperty("detail") @Nullable String detail,
    @JsonProperty("hint") @Nullable String hint,
    @JsonProperty("context") @Nullable String context,
    @JsonUnwrapped NamedObject object,
    @JsonProperty("position") @Nullable Integer position) {

  /// The names of the database object that an error is about; null where the server gives none.
  @JsonInclude(JsonInclude.Include.NON_NULL)
  public record NamedObject(
      @JsonProperty("schema") @Nullable String schema,
      @JsonProperty("table") @Nullable String table,
      @JsonProperty("column") @Nullable String column,
      @JsonProperty("datatype") @Nullable String datatype,
      @JsonProperty("constraint") @Nullable String constraint) {
    static final NamedObject NONE = new NamedObject(null, null, null, null, null);
  }

  public SqlError {
    Require.that(Require.isSqlState(sqlstate), "the sqlstate of an error is no SQLSTATE");
    Require.that(message != null, "an error has no message");
    Require.that(position == null || position >= 1, "the position of an error is less than 1");
    // PostgreSQL's text has no NUL: the server's words have none, but the worker's own may quote
    // one
    message = message.replace('\u0000', '\uFFFD');
    detail = detail == null ? null : detail.replace('\u0000', '\uFFFD');
  }

  /// An error of the worker's own, or an error of which no more is known.
  ///
  /// @param detail more about it, or null
  /// @param hint what to do, or null
  public static SqlError of(
      String sqlstate, String message, @Nullable String detail, @Nullable String hint) {
    return new SqlError(sqlstate, message, detail, hint, null, NamedObject.NONE, null);
  }

  /// Names the SQLSTATE, never the words, which may quote a value.
  @Override
  public String toString() {
    return "SqlError[sqlstate=" + sqlstate + "]";
  }
}
