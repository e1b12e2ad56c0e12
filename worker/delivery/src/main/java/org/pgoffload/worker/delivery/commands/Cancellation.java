package org.pgoffload.worker.delivery.commands;

/// A command to cancel a request.
///
/// @param id the request's
/// @param by the oid of the role that wants it cancelled
public record Cancellation(long id, long by) {}
