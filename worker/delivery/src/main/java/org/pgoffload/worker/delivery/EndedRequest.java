package org.pgoffload.worker.delivery;

import org.jspecify.annotations.Nullable;

/// How a request ended, as far as it is measured.
///
/// @param kind the request's, as its result names it
/// @param status its result's
/// @param errorCode why it failed, or null
/// @param attempt which one ended it
/// @param ranMs how long that attempt took, or null if it did not run
public record EndedRequest(
    String kind, String status, @Nullable String errorCode, int attempt, @Nullable Double ranMs) {}
