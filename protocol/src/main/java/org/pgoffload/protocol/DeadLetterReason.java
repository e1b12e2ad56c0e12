package org.pgoffload.protocol;

/// Why a record went to the dead-letter topic instead of being executed, or written back.
public enum DeadLetterReason {
  /// Not a signed request: no signature, or not the JSON of an envelope.
  MALFORMED("malformed"),
  /// An envelope of a major version this worker does not know.
  UNKNOWN_VERSION("unknown_version"),
  /// Signed by a key that this installation does not have, or not matching its signature.
  BAD_SIGNATURE("bad_signature"),
  /// Signed by another installation: a clone's or a restored copy's request.
  OTHER_INSTALLATION("other_installation"),
  /// Older than half the retention, so that its claim may be gone: it could run twice.
  TOO_OLD("too_old"),
  /// Removed from its topic, or replaced, while its request waited: there is nothing to execute.
  GONE("gone"),
  /// A result, a piece of a result or a chunk of rows without a claim of its request and role: no
  /// worker can have worked on that request.
  UNCLAIMED("unclaimed");

  private final String code;

  DeadLetterReason(String code) {
    this.code = code;
  }

  /// The stable code in the [RecordHeaders#REASON] header.
  public String code() {
    return code;
  }
}
