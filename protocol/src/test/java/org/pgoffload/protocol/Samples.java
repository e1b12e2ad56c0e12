package org.pgoffload.protocol;

/// Messages that several tests read.
final class Samples {
  /// As the database writes it: routing fields first, payload last.
  static final String ASK =
      """
      {"version":1,"id":42,"kind":"ask","ordering_key":"customer-7","immediate":false,\
      "installation":"5f4dcc3b-0000-4000-8000-000000000001",\
      "nonce":"1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed",\
      "signed_at_us":1767323045678901,"timeout_ms":30000,\
      "requested_by":{"user":"app","user_oid":16400,"session_user":"login",\
      "session_user_oid":16399,"role":"none"},\
      "payload":{"prompt":"Why is the sky blue?","model":"a-model"}}\
      """;

  static final String EMBED =
      """
      {"version":1,"id":41,"kind":"embed","ordering_key":null,"immediate":true,\
      "installation":"5f4dcc3b-0000-4000-8000-000000000001",\
      "nonce":"1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bf1",\
      "signed_at_us":1767323045678901,"timeout_ms":30000,\
      "requested_by":{"user":"app","user_oid":16400,"session_user":"login",\
      "session_user_oid":16399,"role":"none"},"payload":{"anything":1}}\
      """;

  static final String SQL =
      """
      {"version":1,"id":44,"kind":"sql","group":"s-17","ordering_key":null,"immediate":true,\
      "installation":"5f4dcc3b-0000-4000-8000-000000000001",\
      "nonce":"1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bee",\
      "signed_at_us":1767323045678901,"timeout_ms":null,\
      "requested_by":{"user":"app","user_oid":16400,"session_user":"login",\
      "session_user_oid":16399,"role":"none"},\
      "payload":{"command":"vacuum t","label":"nightly","queue_size":65536,\
      "settings":{"TimeZone":"UTC"},"session":"s-17","max_workers":4,"depth":1,"parent":40,\
      "large_object":null}}\
      """;

  static final String CANCEL =
      """
      {"version":1,"id":44,"kind":"cancel","ordering_key":null,"immediate":true,\
      "installation":"5f4dcc3b-0000-4000-8000-000000000001",\
      "nonce":"1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bef",\
      "signed_at_us":1767323045678901,"timeout_ms":null,\
      "requested_by":{"user":"app","user_oid":16400,"session_user":"login",\
      "session_user_oid":16399,"role":"none"},"payload":{}}\
      """;

  static final String PROGRESS =
      """
      {"version":1,"id":44,"kind":"progress","ordering_key":null,"immediate":true,\
      "installation":"5f4dcc3b-0000-4000-8000-000000000001",\
      "nonce":"1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bf0",\
      "signed_at_us":1767323045678901,"timeout_ms":null,\
      "requested_by":{"user":"app","user_oid":16400,"session_user":"app",\
      "session_user_oid":16400,"role":"none"},\
      "payload":{"pct":40,"message":"sorting","pid":4711}}\
      """;

  static final Result ANSWERED =
      new Result(
          1,
          42,
          "ask",
          Result.SUCCEEDED,
          "app",
          16_400,
          "Rayleigh scattering.",
          null,
          null,
          "stop",
          "openai",
          "a-model",
          "req_1",
          12L,
          3L,
          5L,
          0L,
          1,
          0.25,
          812.5,
          "worker-1",
          "2026-01-02T03:04:06.5Z");

  static final Result EXPIRED =
      new Result(
          1,
          43,
          "ask",
          Result.EXPIRED,
          "app",
          16_400,
          null,
          "deadline_passed",
          "ask again",
          null,
          null,
          null,
          null,
          null,
          null,
          null,
          null,
          0,
          null,
          null,
          null,
          "2026-01-02T03:04:06Z");

  private Samples() {}
}
