package org.pgoffload.console.requests;

/// What is asked before many requests are cancelled or repeated.
///
/// @param cancels whether they are cancelled, rather than repeated
/// @param number of requests
/// @param isWhole whether these are all
/// @param upTo the newest of them
public record BulkQuestion(
    boolean cancels, int number, boolean isWhole, long upTo, RequestFilter filter) {}
