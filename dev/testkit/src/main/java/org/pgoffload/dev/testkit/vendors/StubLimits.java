package org.pgoffload.dev.testkit.vendors;

import java.time.Duration;
import java.time.Instant;

/// The vendor's limits that replies tell, in no vendor's format.
///
/// @param requests how many in the vendor's period
/// @param requestsLeft how many requests are left
/// @param requestsReset when all are there again
/// @param tokens how many in the vendor's period
/// @param tokensLeft how many tokens are left
/// @param tokensReset when all are there again
/// @param now to which a reset that is told as a date is relative
public record StubLimits(
    long requests,
    long requestsLeft,
    Duration requestsReset,
    long tokens,
    long tokensLeft,
    Duration tokensReset,
    Instant now) {}
