package org.pgoffload.protocol;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.annotation.JsonUnwrapped;
import com.fasterxml.jackson.databind.annotation.JsonDeserialize;
import java.time.DateTimeException;
import java.time.OffsetDateTime;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The terminal result of SQL in the background, as it stands on the results topic and in the
/// result table: the JSON's field names are the table's column names. The JSON is flat: the fields
/// of the records in here stand side by side, and fields without a value are left out. The JSON
/// schema is `sql-result.v1.schema.json`.
///
/// Few rows stand in the result itself. Many rows stand before it on the topic, as [SqlRows] of the
/// same attempt.
///
/// @param head which request has ended, and how; its kind is always `sql`
/// @param attempt the number of the attempt that produced the result
/// @param tags the command tag of each statement
/// @param returned the rows of the last statement
/// @param error what went wrong, unless the request succeeded
/// @param notices the server's notices during the attempt
/// @param run where and when the request ran
@JsonInclude(JsonInclude.Include.NON_NULL)
@JsonDeserialize(builder = FlatSqlResult.class)
public record SqlResult(
    @JsonUnwrapped ResultHead head,
    @JsonProperty("attempt") int attempt,
    @JsonProperty("tags") List<String> tags,
    @JsonUnwrapped Returned returned,
    @JsonProperty("error") @Nullable SqlError error,
    @JsonProperty("notices") @Nullable List<SqlNotice> notices,
    @JsonUnwrapped Run run)
    implements ResultMessage {
  /// The major version this code writes and reads.
  public static final int VERSION = 1;

  /// The value of the field `kind`.
  public static final String KIND = "sql";

  /// The rows of the last statement.
  ///
  /// @param rowCount how many rows the statement returned or changed
  /// @param columns the columns of the rows, or null if the statement returned none
  /// @param rows the rows, if they are not in chunks. The single rows are not copied: the maker of
  ///   the result must not change them afterwards.
  /// @param chunks how many [SqlRows] hold the rows; 0 if they are in here
  /// @param split whether a row was cut over several chunks
  /// @param stored how many chunks, of another size, the worker has put into the database itself; 0
  ///   if none, as a worker of an earlier version
  /// @param readUnder the settings under which the values were written as text
  @JsonInclude(JsonInclude.Include.NON_NULL)
  public record Returned(
      @JsonProperty("row_count") @Nullable Long rowCount,
      @JsonProperty("columns") @Nullable List<SqlColumn> columns,
      @JsonProperty("rows") @Nullable List<List<@Nullable String>> rows,
      @JsonProperty("chunks") int chunks,
      @JsonProperty("split") boolean split,
      @JsonProperty("stored") @JsonInclude(JsonInclude.Include.NON_DEFAULT) int stored,
      @JsonProperty("read_under") @Nullable Map<String, String> readUnder) {
    public Returned {
      Require.that(chunks >= 0, "the number of chunks of a SQL result is negative");
      Require.that(chunks == 0 || rows == null, "a SQL result has its rows or chunks of them");
      Require.that(chunks > 0 || !split, "a row of a SQL result is split over no chunks");
      Require.that(
          stored >= 0 && (chunks > 0 || stored == 0), "a SQL result has stored chunks it has not");
      Require.that(
          columns != null || (rows == null && chunks == 0),
          "a SQL result has rows without columns");
      columns = columns == null ? null : List.copyOf(columns);
      rows = rows == null ? null : Require.rowsOf(rows, columns == null ? 0 : columns.size());
      readUnder =
          readUnder == null ? null : Collections.unmodifiableMap(new LinkedHashMap<>(readUnder));
    }

    Returned withReadUnder(Map<String, String> settings) {
      return new Returned(rowCount, columns, rows, chunks, split, stored, settings);
    }

    /// A statement without rows.
    public static Returned count(@Nullable Long rowCount) {
      return new Returned(rowCount, null, null, 0, false, 0, null);
    }
  }

  /// Where and when the request ran. Times of day are by the database's clock.
  ///
  /// @param queuedMs milliseconds from the request's `createdAt` to its claim
  /// @param ranMs milliseconds from the beginning of the work, just after the claim, to the result
  /// @param worker the worker that produced the result
  /// @param finishedAt when the worker made the result, ISO-8601 with its offset
  @JsonInclude(JsonInclude.Include.NON_NULL)
  public record Run(
      @JsonProperty("queued_ms") @Nullable Double queuedMs,
      @JsonProperty("ran_ms") @Nullable Double ranMs,
      @JsonProperty("worker") @Nullable String worker,
      @JsonProperty("finished_at") String finishedAt) {
    public Run {
      Require.that(isTime(finishedAt), "the finished_at of a SQL result is not an ISO-8601 time");
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
  }

  public SqlResult {
    Require.that(head.version() == VERSION, "the version of a SQL result is not 1");
    Require.that(head.id() > 0, "the id of a SQL result is not positive");
    Require.that(KIND.equals(head.kind()), "the kind of a SQL result is not sql");
    Require.that(
        head.status() != null && Result.STATUSES.contains(head.status()),
        "the status of a SQL result is not a terminal one");
    Require.that(
        head.requestedBy() != null && !head.requestedBy().isEmpty(),
        "a SQL result does not name the role that asked");
    Require.that(
        Require.isOid(head.requestedByOid()), "the requested_by_oid of a SQL result is no oid");
    Require.that(attempt >= 0, "the attempt of a SQL result is negative");
    Require.that(tags != null, "a SQL result has no command tags");
    Require.that(
        head.status().equals(Result.SUCCEEDED) == (error == null),
        "a SQL result has an error unless it succeeded");
    tags = List.copyOf(tags);
    notices = notices == null ? null : List.copyOf(notices);
  }

  @Override
  public long id() {
    return head.id();
  }

  public String status() {
    return head.status();
  }

  /// The same result with the settings under which its values were written as text.
  public SqlResult withReadUnder(Map<String, String> settings) {
    return new SqlResult(
        head, attempt, tags, returned.withReadUnder(settings), error, notices, run);
  }

  /// The same result without rows, tags, notices, and the server's words: for a topic that takes no
  /// more.
  public SqlResult withoutContent() {
    return new SqlResult(
        head,
        attempt,
        List.of(),
        Returned.count(returned.rowCount),
        error == null ? null : SqlError.of(error.sqlstate(), "", null, null),
        null,
        run);
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
    return "SqlResult[id=" + id() + ", status=" + status() + "]";
  }
}
