package org.pgoffload.protocol;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.annotation.JsonUnwrapped;
import com.fasterxml.jackson.core.util.ByteArrayBuilder;
import com.fasterxml.jackson.databind.annotation.JsonDeserialize;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A chunk of the rows of SQL in the background. The chunks of an attempt stand on the results
/// topic before its [SqlResult], which tells their number; chunks of other attempts are to be
/// ignored. The JSON is flat. The JSON schema is `sql-rows.v1.schema.json`.
///
/// A chunk holds whole rows, or a piece of a row that is too large for one chunk: the pieces, put
/// together, are the JSON text of an array of that one row.
///
/// @param version major version of the message
/// @param id the request id; also the record's key
/// @param kind always `sql_rows`
/// @param place the chunk's attempt and number
/// @param requestedByOid the oid of the requester's role, which decides who may read the rows
/// @param rows whole rows, the values in PostgreSQL's text form, or null in a piece. The single
///   rows are not copied: the maker of the chunk must not change them afterwards.
/// @param piece a part of `[[…]]`, cut between characters, or null with whole rows
/// @param ends whether the piece is the last of its row, or null with whole rows
@JsonInclude(JsonInclude.Include.NON_NULL)
@JsonDeserialize(builder = FlatRows.class)
public record SqlRows(
    @JsonProperty("version") int version,
    @JsonProperty("id") long id,
    @JsonProperty("kind") String kind,
    @JsonUnwrapped Place place,
    @JsonProperty("requested_by_oid") long requestedByOid,
    @JsonProperty("rows") @Nullable List<List<@Nullable String>> rows,
    @JsonProperty("piece") @Nullable String piece,
    @JsonProperty("ends") @Nullable Boolean ends)
    implements ResultMessage {
  /// The major version this code writes and reads.
  public static final int VERSION = 1;

  /// The value of the field `kind`.
  public static final String KIND = "sql_rows";

  /// The place of a chunk among all chunks of a request.
  ///
  /// @param attempt the number of the attempt
  /// @param number the place among the chunks of the attempt, from 1
  public record Place(@JsonProperty("attempt") int attempt, @JsonProperty("number") int number) {
    public Place {
      Require.that(attempt >= 1, "the attempt of SQL rows is less than 1");
      Require.that(number >= 1, "the number of SQL rows is less than 1");
    }
  }

  public SqlRows {
    Require.that(version == VERSION, "the version of SQL rows is not 1");
    Require.that(id > 0, "the id of SQL rows is not positive");
    Require.that(KIND.equals(kind), "the kind of SQL rows is not sql_rows");
    Require.that(Require.isOid(requestedByOid), "the requested_by_oid of SQL rows is no oid");
    Require.that((rows == null) != (piece == null), "SQL rows are either rows or a piece of one");
    Require.that((piece == null) == (ends == null), "a piece of a row says whether it ends it");
    Require.that(
        piece == null || isCutBetweenCharacters(piece), "a piece of a row is cut in a character");
    rows = rows == null ? null : List.copyOf(rows);
  }

  /// A chunk of whole rows.
  public static SqlRows of(
      long id, int attempt, int number, long requestedByOid, List<List<@Nullable String>> rows) {
    return new SqlRows(
        VERSION, id, KIND, new Place(attempt, number), requestedByOid, rows, null, null);
  }

  /// A piece of a row that no chunk could hold.
  public static SqlRows piece(
      long id, int attempt, int number, long requestedByOid, String piece, boolean ends) {
    return new SqlRows(
        VERSION, id, KIND, new Place(attempt, number), requestedByOid, null, piece, ends);
  }

  /// The value of a record with whole rows, made without a string for each value.
  ///
  /// @param rows the values in PostgreSQL's text form, as UTF-8
  public static byte[] write(
      long id, Place place, long requestedByOid, List<byte[] @Nullable []> rows) {
    var bytes = new ByteArrayBuilder(1 << 16);
    try (var json = Json.MAPPER.createGenerator(bytes)) {
      json.writeStartObject();
      json.writeNumberField("version", VERSION);
      json.writeNumberField("id", id);
      json.writeStringField("kind", KIND);
      json.writeNumberField("attempt", place.attempt);
      json.writeNumberField("number", place.number);
      json.writeNumberField("requested_by_oid", requestedByOid);
      json.writeArrayFieldStart("rows");
      for (var row : rows) {
        json.writeStartArray();
        for (var value : row) {
          if (value == null) {
            json.writeNull();
          } else {
            json.writeUTF8String(value, 0, value.length);
          }
        }
        json.writeEndArray();
      }
      json.writeEndArray();
      json.writeEndObject();
    } catch (IOException e) {
      throw new UncheckedIOException("bytes are written to memory alone", e);
    }
    return bytes.toByteArray();
  }

  public int attempt() {
    return place.attempt();
  }

  public int number() {
    return place.number();
  }

  /// Half a surrogate pair has no form in UTF-8: it would be lost.
  private static boolean isCutBetweenCharacters(String piece) {
    return piece.isEmpty()
        || (!Character.isLowSurrogate(piece.charAt(0))
            && !Character.isHighSurrogate(piece.charAt(piece.length() - 1)));
  }

  /// Reads a record's value. Unknown fields are ignored.
  ///
  /// @throws MalformedMessageException if the bytes are no such chunk, or of another major version
  public static SqlRows read(byte[] bytes) {
    return Json.read(bytes, SqlRows.class, "not the JSON of SQL rows of version " + VERSION);
  }

  @Override
  public byte[] write() {
    return Json.write(this);
  }

  /// Names the request and the chunk without its content.
  @Override
  public String toString() {
    return "SqlRows[id=" + id + ", attempt=" + attempt() + ", number=" + number() + "]";
  }
}
