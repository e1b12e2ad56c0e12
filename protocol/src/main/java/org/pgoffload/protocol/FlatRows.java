package org.pgoffload.protocol;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.databind.annotation.JsonPOJOBuilder;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The fields of [SqlRows] side by side, for reading, as in [FlatResult].
@JsonPOJOBuilder(withPrefix = "")
@SuppressWarnings("NullAway.Init") // Jackson sets the fields; the message checks them
final class FlatRows {
  @JsonProperty("version")
  int version;

  @JsonProperty("id")
  long id;

  @JsonProperty("kind")
  String kind;

  @JsonProperty("attempt")
  int attempt;

  @JsonProperty("number")
  int number;

  @JsonProperty("requested_by_oid")
  long requestedByOid;

  @JsonProperty("rows")
  @Nullable List<List<@Nullable String>> rows;

  @JsonProperty("piece")
  @Nullable String piece;

  @JsonProperty("ends")
  @Nullable Boolean ends;

  SqlRows build() {
    return new SqlRows(
        version, id, kind, new SqlRows.Place(attempt, number), requestedByOid, rows, piece, ends);
  }
}
