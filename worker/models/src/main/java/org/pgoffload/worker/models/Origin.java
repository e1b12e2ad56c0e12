package org.pgoffload.worker.models;

import org.jspecify.annotations.Nullable;

/// Where an answer comes from.
///
/// @param provider the name of the [LlmProvider]
/// @param model as the vendor reported it, often a dated form of what was asked for
/// @param providerRequestId the vendor's id of the call, for its support; null if it sent none
public record Origin(String provider, String model, @Nullable String providerRequestId) {}
