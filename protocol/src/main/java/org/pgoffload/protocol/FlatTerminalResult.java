package org.pgoffload.protocol;

import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/// The fields of the terminal results of both kinds, for reading, as in [FlatResult].
@SuppressWarnings("NullAway.Init") // Jackson sets the fields; the message checks them
abstract class FlatTerminalResult {
  @JsonProperty("version")
  int version;

  @JsonProperty("id")
  long id;

  @JsonProperty("kind")
  String kind;

  @JsonProperty("status")
  String status;

  @JsonProperty("requested_by")
  String requestedBy;

  @JsonProperty("requested_by_oid")
  long requestedByOid;

  @JsonProperty("nonce")
  @Nullable UUID nonce;

  @JsonProperty("queued_ms")
  @Nullable Double queuedMs;

  @JsonProperty("ran_ms")
  @Nullable Double ranMs;

  @JsonProperty("worker")
  @Nullable String worker;

  @JsonProperty("finished_at")
  String finishedAt;

  final ResultHead head() {
    return new ResultHead(version, id, kind, status, requestedBy, requestedByOid, nonce);
  }
}
