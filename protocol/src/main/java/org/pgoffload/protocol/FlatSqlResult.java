package org.pgoffload.protocol;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.databind.annotation.JsonPOJOBuilder;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The fields of a [SqlResult] side by side, for reading, as in [FlatResult].
@JsonPOJOBuilder(withPrefix = "")
@SuppressWarnings("NullAway.Init") // Jackson sets the fields; the message checks them
final class FlatSqlResult extends FlatTerminalResult {
  @JsonProperty("attempt")
  int attempt;

  @JsonProperty("tags")
  List<String> tags;

  @JsonProperty("row_count")
  @Nullable Long rowCount;

  @JsonProperty("columns")
  @Nullable List<SqlColumn> columns;

  @JsonProperty("rows")
  @Nullable List<List<@Nullable String>> rows;

  @JsonProperty("chunks")
  int chunks;

  @JsonProperty("split")
  boolean split;

  @JsonProperty("stored")
  int stored;

  @JsonProperty("read_under")
  @Nullable Map<String, String> readUnder;

  @JsonProperty("error")
  @Nullable SqlError error;

  @JsonProperty("notices")
  @Nullable List<SqlNotice> notices;

  SqlResult build() {
    return new SqlResult(
        head(),
        attempt,
        tags,
        new SqlResult.Returned(rowCount, columns, rows, chunks, split, stored, readUnder),
        error,
        notices,
        new SqlResult.Run(queuedMs, ranMs, worker, finishedAt));
  }
}
