package org.pgoffload.protocol;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/// Takes a result back that stands before it in the same partition of the results topic: the
/// database that had it, or its request, was lost in a fail-over. Either the request is as if it
/// had never been asked, or it is executed again, and the terminal result that follows counts. The
/// JSON schema is `withdrawal.v1.schema.json`.
///
/// @param version major version of the message
/// @param id the request id; also the record's key
/// @param kind always `withdrawn`
/// @param nonce of the request; null if the result had none
/// @param offset of the record that is taken back, in the same partition
@JsonInclude(JsonInclude.Include.NON_NULL)
public record Withdrawal(
    @JsonProperty("version") int version,
    @JsonProperty("id") long id,
    @JsonProperty("kind") String kind,
    @JsonProperty("nonce") @Nullable UUID nonce,
    @JsonProperty("offset") long offset)
    implements ResultMessage {
  /// The major version this code writes and reads.
  public static final int VERSION = 1;

  /// The value of the field `kind`.
  public static final String KIND = "withdrawn";

  public Withdrawal {
    Require.that(version == VERSION, "the version of a withdrawal is not 1");
    Require.that(id > 0, "the id of a withdrawal is not positive");
    Require.that(KIND.equals(kind), "the kind of a withdrawal is not withdrawn");
    Require.that(offset >= 0, "the offset of a withdrawal is negative");
  }

  /// Takes the result at an offset back.
  public static Withdrawal of(long id, @Nullable UUID nonce, long offset) {
    return new Withdrawal(VERSION, id, KIND, nonce, offset);
  }

  /// Reads a record's value. Unknown fields are ignored.
  ///
  /// @throws MalformedMessageException if the bytes are no withdrawal, or of another major version
  public static Withdrawal read(byte[] bytes) {
    return Json.read(bytes, Withdrawal.class, "not the JSON of a withdrawal of version " + VERSION);
  }

  @Override
  public byte[] write() {
    return Json.write(this);
  }
}
