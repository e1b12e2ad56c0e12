package org.pgoffload.protocol;

/// The names of the Kafka record headers; all values are UTF-8 text.
public final class RecordHeaders {
  /// On requests: [Signature#text()] over the record's value.
  public static final String SIGNATURE = "pgoffload-signature";

  /// On requests and results of a session that belongs to a trace: the parent of what is done next,
  /// as W3C Trace Context has it.
  public static final String TRACEPARENT = "traceparent";

  /// On dead letters: a [DeadLetterReason]'s code.
  public static final String REASON = "pgoffload-reason";

  /// On dead letters: what was wrong, in words, without any content of the record.
  public static final String REASON_DETAIL = "pgoffload-reason-detail";

  /// On dead letters: the topic, partition and offset (`topic-partition@offset`) or the LSN the
  /// record came from.
  public static final String ORIGIN = "pgoffload-origin";

  /// On deferred requests: before which time there is nothing to do, in milliseconds since the
  /// epoch.
  public static final String NOT_BEFORE = "pgoffload-not-before";

  /// On deferred requests: the calls that were made so far, a JSON array of [Call].
  public static final String CALLS = "pgoffload-calls";

  /// On chunks of rows: their worker stores the rows itself, and nobody else has to.
  public static final String STORED = "pgoffload-stored";

  private RecordHeaders() {}
}
