package org.pgoffload.protocol;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import java.time.DateTimeException;
import java.time.OffsetDateTime;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The terminal result of SQL in the background, as it stands on the results topic and in the
/// result table: the JSON's field names are the table's column names. The JSON schema is
/// `sql-result.v1.schema.json`; fields without a value are left out.
///
/// Few rows are in it; many stand before it on the topic, as [SqlRows] of its attempt.
///
/// @param version major version of the message
/// @param id the request id; also the record's key
/// @param kind always `sql`
/// @param status `succeeded`, `failed`, `cancelled` or `expired`
/// @param requestedBy the role that asked
/// @param requestedByOid its oid, which decides who may read the result
/// @param attempt which beginning of the request it is of
/// @param tags the command tag of each statement
/// @param rowCount how many rows the last statement returned or changed
/// @param columns those of the last statement, or null if it returned no rows
/// @param rows its rows, if they are not in chunks. The single rows are not copied: whoever makes
///   the result must not change them afterwards
/// @param chunks how many [SqlRows] hold the rows; 0 if they are in here
/// @param split whether a row was cut over several chunks
/// @param readUnder the settings under which the values were written as text
/// @param error what went wrong, unless it succeeded
/// @param notices what the server said meanwhile
/// @param queuedMs milliseconds from its signature to its claim
/// @param ranMs milliseconds from its claim to its result
/// @param worker the worker that produced the result
/// @param finishedAt ISO-8601 with its offset
@JsonInclude(JsonInclude.Include.NON_NULL)
public record SqlResult(
    @JsonProperty("version") int version,
    @JsonProperty("id") long id,
    @JsonProperty("kind") String kind,
    @JsonProperty("status") String status,
    @JsonProperty("requested_by") String requestedBy,
    @JsonProperty("requested_by_oid") long requestedByOid,
    @JsonProperty("attempt") int attempt,
    @JsonProperty("tags") List<String> tags,
    @JsonProperty("row_count") @Nullable Long rowCount,
    @JsonProperty("columns") @Nullable List<SqlColumn> columns,
    @JsonProperty("rows") @Nullable List<List<@Nullable String>> rows,
    @JsonProperty("chunks") int chunks,
    @JsonProperty("split") boolean split,
    @JsonProperty("read_under") @Nullable Map<String, String> readUnder,
    @JsonProperty("error") @Nullable SqlError error,
    @JsonProperty("notices") @Nullable List<SqlNotice> notices,
    @JsonProperty("queued_ms") @Nullable Double queuedMs,
    @JsonProperty("ran_ms") @Nullable Double ranMs,
    @JsonProperty("worker") @Nullable String worker,
    @JsonProperty("finished_at") String finishedAt)
    implements ResultMessage {
  /// The major version this code writes and reads.
  public static final int VERSION = 1;

  /// What the field `kind` holds.
  public static final String KIND = "sql";

  public SqlResult {
    Require.that(version == VERSION, "the version of a SQL result is not 1");
    Require.that(id > 0, "the id of a SQL result is not positive");
    Require.that(KIND.equals(kind), "the kind of a SQL result is not sql");
    Require.that(
        status != null && Result.STATUSES.contains(status),
        "the status of a SQL result is not a terminal one");
    Require.that(
        requestedBy != null && !requestedBy.isEmpty(),
        "a SQL result does not name the role that asked");
    Require.that(Require.isOid(requestedByOid), "the requested_by_oid of a SQL result is no oid");
    Require.that(attempt >= 0, "the attempt of a SQL result is negative");
    Require.that(tags != null, "a SQL result has no command tags");
    Require.that(chunks >= 0, "the number of chunks of a SQL result is negative");
    Require.that(chunks == 0 || rows == null, "a SQL result has its rows or chunks of them");
    Require.that(chunks > 0 || !split, "a row of a SQL result is split over no chunks");
    Require.that(
        columns != null || (rows == null && chunks == 0), "a SQL result has rows without columns");
    Require.that(
        status.equals(Result.SUCCEEDED) == (error == null),
        "a SQL result has an error unless it succeeded");
    Require.that(isTime(finishedAt), "the finished_at of a SQL result is not an ISO-8601 time");
    tags = List.copyOf(tags);
    columns = columns == null ? null : List.copyOf(columns);
    rows = rows == null ? null : Require.rowsOf(rows, columns == null ? 0 : columns.size());
    readUnder =
        readUnder == null ? null : Collections.unmodifiableMap(new LinkedHashMap<>(readUnder));
    notices = notices == null ? null : List.copyOf(notices);
  }

  private static boolean isTime(@Nullable String text) {
    if (text == null) {
      return false;
    }
    try {
      OffsetDateTime.parse(text);
      return true;
    } catch (DateTimeException e) {
      return false;
    }
  }

  /// The same result with the settings under which its values were written as text.
  public SqlResult withReadUnder(Map<String, String> settings) {
    return new SqlResult(
        version,
        id,
        kind,
        status,
        requestedBy,
        requestedByOid,
        attempt,
        tags,
        rowCount,
        columns,
        rows,
        chunks,
        split,
        settings,
        error,
        notices,
        queuedMs,
        ranMs,
        worker,
        finishedAt);
  }

  /// The same result without rows, tags, notices, and the server's words: for a topic that takes no
  /// more.
  public SqlResult withoutContent() {
    return new SqlResult(
        version,
        id,
        kind,
        status,
        requestedBy,
        requestedByOid,
        attempt,
        List.of(),
        rowCount,
        null,
        null,
        0,
        false,
        null,
        error == null ? null : SqlError.of(error.sqlstate(), "", null, null),
        null,
        queuedMs,
        ranMs,
        worker,
        finishedAt);
  }

  /// Reads a record's value. Unknown fields are ignored.
  ///
  /// @throws MalformedMessageException if the bytes are no such result, or of another major version
  public static SqlResult read(byte[] bytes) {
    return Json.read(bytes, SqlResult.class, "not the JSON of a SQL result of version " + VERSION);
  }

  @Override
  public byte[] write() {
    return Json.write(this);
  }

  /// Names the request without its content.
  @Override
  public String toString() {
    return "SqlResult[id=" + id + ", status=" + status + "]";
  }
}
