package org.pgoffload.protocol;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/// A piece of an answer while the model writes it, as it stands on the pieces topic and in its
/// table: the JSON's field names are the table's column names. The JSON schema is
/// `llm-piece.v1.schema.json`; the record's key is the request id.
///
/// The pieces of a request from its last reset on, in the order of their numbers, are its answer.
///
/// @param version major version of the message
/// @param id the request id
/// @param requestedByOid the oid of the role that asked, which decides who may read it
/// @param attempt which claim of the request it belongs to
/// @param seq its number, which grows from one piece to the next, over all attempts; gaps are
///   normal
/// @param reset whether the text begins anew with this piece: the call before was cut, or another
///   worker makes it again
/// @param text the next words
/// @param nonce the request's; null in a piece of a worker of an earlier version
@JsonInclude(JsonInclude.Include.NON_NULL)
public record LlmPiece(
    @JsonProperty("version") int version,
    @JsonProperty("id") long id,
    @JsonProperty("requested_by_oid") long requestedByOid,
    @JsonProperty("attempt") int attempt,
    @JsonProperty("seq") long seq,
    @JsonProperty("reset") boolean reset,
    @JsonProperty("text") String text,
    @JsonProperty("nonce") @Nullable UUID nonce) {
  /// The major version this code writes and reads.
  public static final int VERSION = 1;

  /// The pieces of an attempt have numbers above the attempt times this number.
  private static final long NUMBERS_OF_AN_ATTEMPT = 1_000_000_000;

  public LlmPiece {
    Require.that(version == VERSION, "the version of a piece is not 1");
    Require.that(id > 0, "the id of a piece is not positive");
    Require.that(Require.isOid(requestedByOid), "the requested_by_oid of a piece is no oid");
    Require.that(attempt >= 1, "the attempt of a piece is less than 1");
    Require.that(seq >= 1, "the seq of a piece is less than 1");
    text = Text.storable(text);
  }

  /// The number before the first piece of an attempt.
  public static long seqBefore(int attempt) {
    return attempt * NUMBERS_OF_AN_ATTEMPT;
  }

  /// Reads a record's value. Unknown fields are ignored.
  ///
  /// @throws MalformedMessageException if the bytes are no piece, or of another major version
  public static LlmPiece read(byte[] bytes) {
    return Json.read(bytes, LlmPiece.class, "not the JSON of a piece of version " + VERSION);
  }

  /// The record's key: the request id.
  public String recordKey() {
    return Long.toString(id);
  }

  /// The record's value.
  public byte[] write() {
    return Json.write(this);
  }

  /// Names the piece without its words.
  @Override
  public String toString() {
    return "LlmPiece[id=" + id + ", seq=" + seq + "]";
  }
}
