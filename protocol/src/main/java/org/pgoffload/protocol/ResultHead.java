package org.pgoffload.protocol;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/// The front of a terminal result: which request has ended, for which role, and how. Its fields
/// stand in the result itself.
///
/// @param version major version of the message
/// @param id the request id; also the record's key
/// @param kind the wire name of the request's [RequestKind]
/// @param status `succeeded`, `failed`, `cancelled` or `expired`
/// @param requestedBy the requester's role
/// @param requestedByOid the oid of this role, which decides who may read the result
/// @param nonce the request's, by which it is told from another one of its id; null in a result of
///   a worker of an earlier version
@JsonInclude(JsonInclude.Include.NON_NULL)
public record ResultHead(
    @JsonProperty("version") int version,
    @JsonProperty("id") long id,
    @JsonProperty("kind") String kind,
    @JsonProperty("status") String status,
    @JsonProperty("requested_by") String requestedBy,
    @JsonProperty("requested_by_oid") long requestedByOid,
    @JsonProperty("nonce") @Nullable UUID nonce) {
  /// The head of a result of this version.
  public static ResultHead of(
      RequestKey request, String kind, String status, String requestedBy, long requestedByOid) {
    return new ResultHead(
        Result.VERSION, request.id(), kind, status, requestedBy, requestedByOid, request.nonce());
  }

  /// The same request with another end.
  ResultHead withStatus(String other) {
    return new ResultHead(version, id, kind, other, requestedBy, requestedByOid, nonce);
  }
}
